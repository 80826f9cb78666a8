// Package link is the protocol by which relays forward onion requests, and members of a swarm forward changes.
//
// A link is one TLS connection between two nodes on which many requests are in flight at a time. Nodes negotiate
// [Protocol] in the TLS handshake. Both present the certificate of their node key, because a node has a higher request
// limit than a client. A relay makes an HTTP request instead if the other node does not speak the protocol or the body
// is large ([ErrNoLink]). [Links] is the asking side, [Server] the answering side.
//
// The protocol exists beside HTTP/1.1 because it saves processor time: frames of many requests share one system call,
// and net/http is bypassed. Three relays and a target took 0.78 of the processor time of plain net/http relays at 16
// connections and 0.71 at 64. The same nodes over HTTP/1.1 with kept connections took 0.96 and 1.00 (medians of six
// interleaved runs of BenchmarkOnionRelay in lib/node/bench, two cores). That is a gain of 18% and 29%. Below 10% the
// protocol would not be worth its code.
package link

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

// A frame is a big-endian u32 length of what follows, a u32 number that a request and its answer share, a u16, and the
// body. In a request the u16 is the index of the path in its high byte and the hops that the request has passed in its
// low byte. In an answer it is the HTTP status; 0 means that there is no answer.
const (
	// Protocol is the name of the protocol in the TLS handshake (ALPN). onionProtocol is that of nodes that take onion
	// requests alone.
	Protocol      = "sessiontool-link/2"
	onionProtocol = "sessiontool-link/1"
	// headSize is the size of a frame without its body.
	headSize = 10
	// MaxBody bounds the body of a request. Larger ones are sent over HTTP.
	MaxBody = 512 << 10
	// cancelCode as the u16 of a request cancels the request with that number.
	cancelCode = 0
	// bufferSize is the size of one read.
	bufferSize = 16 << 10
	// grownAtOnce is how much memory the head of a frame gets for its body before that arrives.
	grownAtOnce = 64 << 10
	// MaxAnswer bounds the body of an answer.
	MaxAnswer = 16 << 20
)

const (
	// writeTimeout bounds one write to a link.
	writeTimeout = 10 * time.Second
	// readTimeout bounds the time from a frame's head to its end.
	readTimeout = 30 * time.Second
	// idleTimeout is the time after which the answering side closes an idle link. The asking side closes it after half
	// of that.
	idleTimeout = 120 * time.Second
)

var errFrame = errors.New("frame is malformed")

// frame is one request or answer.
type frame struct {
	id   uint32
	code uint16
	body []byte
}

// readFrame reads the next frame, whose body has at most maxBody bytes. It waits up to idle for the head and up to
// readTimeout for the rest.
func readFrame(conn net.Conn, reader *bufio.Reader, idle time.Duration, maxBody int) (f frame, err error) {
	if reader.Buffered() < headSize {
		if err := conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return frame{}, err
		}
	}
	head, err := reader.Peek(headSize)
	if err != nil {
		return frame{}, err
	}
	length := int64(binary.BigEndian.Uint32(head)) - (headSize - 4)
	if length < 0 || length > int64(maxBody) {
		return frame{}, fmt.Errorf("%w: body of %d bytes", errFrame, length)
	}
	f.id, f.code = binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint16(head[8:])
	reader.Discard(headSize) // cannot fail after Peek
	if int64(reader.Buffered()) < length {
		if err := conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return frame{}, err
		}
	}
	if length <= bufferSize {
		f.body = make([]byte, length)
		_, err = io.ReadFull(reader, f.body)
		return f, err
	}
	var body bytes.Buffer // beyond this grows with the bytes that arrive
	body.Grow(int(min(length, grownAtOnce)) + bytes.MinRead)
	_, err = io.CopyN(&body, reader, length)
	return frame{f.id, f.code, body.Bytes()}, err
}

// frameWriter writes frames of several goroutines to a connection. A goroutine that finds it idle writes. Frames that
// others add meanwhile are sent together in the next write.
type frameWriter struct {
	conn net.Conn

	mu      sync.Mutex
	idle    sync.Cond // there is room for more
	pending []byte
	spare   []byte // the buffer of the latest write
	busy    bool
	err     error
}

// maxPending bounds the bytes that wait to be written. A single frame may exceed it.
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
	w.pending = binary.BigEndian.AppendUint32(w.pending, uint32(len(f.body)+headSize-4))
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

// flush writes the pending bytes while other goroutines may add more. The caller holds w.mu and has set busy.
func (w *frameWriter) flush() {
	out := w.pending
	w.pending, w.spare = w.spare[:0], nil
	w.mu.Unlock()
	err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
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
