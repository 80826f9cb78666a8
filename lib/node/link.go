package node

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Relays pass requests on over links: a link is one TLS connection between two nodes on which many requests are under way at
// a time, so that what is written and read at once costs one system call, and net/http is not in between. Nodes agree on
// linkProtocol when they shake hands; with a node that does not know it, or for a large body, a relay makes an HTTP request.
// Both sides prove who they are, since more can be asked over a link than over a client's connection.
//
// A frame is a big-endian u32 length of what follows, a u32 number that request and answer share, a u16, and the body. The
// u16 is a linkPath and the hops that a request has passed, or the HTTP status of an answer, where 0 means that there is none.
const (
	linkProtocol = "sessiontool-link/1"
	frameHead    = 10
	// maxLinkBody bounds the body of a request on a link.
	maxLinkBody = smallBody
	// linkCancel in the place of a request's u16 says that nobody waits any more for the answer to the request of that number.
	linkCancel = 0
	// linkBuffer is how much is read at once.
	linkBuffer = 16 << 10
)

var errFrame = errors.New("frame is malformed")

// frame is one request or answer.
type frame struct {
	id   uint32
	code uint16
	body []byte
}

// readFrame reads the next frame, whose body has at most maxBody bytes. Each has a time limit of its own: idle for its head,
// readTimeout for the rest.
func readFrame(conn net.Conn, reader *bufio.Reader, idle time.Duration, maxBody int) (f frame, err error) {
	if reader.Buffered() < frameHead {
		if err := conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return frame{}, err
		}
	}
	head, err := reader.Peek(frameHead)
	if err != nil {
		return frame{}, err
	}
	length := int64(binary.BigEndian.Uint32(head)) - (frameHead - 4)
	if length < 0 || length > int64(maxBody) {
		return frame{}, fmt.Errorf("%w: body of %d bytes", errFrame, length)
	}
	f.id, f.code = binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint16(head[8:])
	reader.Discard(frameHead) // cannot fail: it was peeked at
	if int64(reader.Buffered()) < length {
		if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return frame{}, err
		}
	}
	if length <= linkBuffer {
		f.body = make([]byte, length)
		_, err = io.ReadFull(reader, f.body)
		return f, err
	}
	var body bytes.Buffer // grows with what really comes
	_, err = io.CopyN(&body, reader, length)
	return frame{f.id, f.code, body.Bytes()}, err
}

// frameWriter writes frames of several goroutines to a connection. Who finds it idle writes, and what others add meanwhile
// goes out together.
type frameWriter struct {
	conn net.Conn

	mu      sync.Mutex
	idle    sync.Cond // there is room for more
	pending []byte
	spare   []byte // the buffer that was written last
	busy    bool
	err     error
}

// maxPending bounds what waits to be written; a single frame may exceed it.
const maxPending = 1 << 20

func newFrameWriter(conn net.Conn) *frameWriter {
	w := &frameWriter{conn: conn}
	w.idle.L = &w.mu
	return w
}

// write sends a frame, or leaves it to the goroutine that is writing.
func (w *frameWriter) write(f frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && len(w.pending) > maxPending {
		w.idle.Wait()
	}
	w.pending = binary.BigEndian.AppendUint32(w.pending, uint32(len(f.body)+frameHead-4))
	w.pending = binary.BigEndian.AppendUint32(w.pending, f.id)
	w.pending = binary.BigEndian.AppendUint16(w.pending, f.code)
	w.pending = append(w.pending, f.body...)
	if w.busy {
		return w.err
	}
	w.busy = true
	for w.err == nil && len(w.pending) > 0 {
		w.flush()
	}
	w.busy = false
	return w.err
}

// flush writes what is pending, while others may add. The caller holds w.mu and is the only one that writes.
func (w *frameWriter) flush() {
	out := w.pending
	w.pending, w.spare = w.spare[:0], nil
	w.mu.Unlock()
	err := w.conn.SetWriteDeadline(time.Now().Add(hopTimeout))
	if err == nil {
		_, err = w.conn.Write(out)
	}
	w.mu.Lock()
	if cap(out) <= maxPending {
		w.spare = out
	}
	w.err = err
	w.idle.Broadcast()
}
