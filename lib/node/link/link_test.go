package link

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// isFull reports whether writers wait for room.
func (w *frameWriter) isFull() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending) > maxPending
}

func rawFrame(length uint32, id uint32, code uint16, body string) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), id)
	return append(binary.BigEndian.AppendUint16(head, code), body...)
}

// Frames of many goroutines arrive whole, few writes carry many of them, and every writer gets the connection's error.
func TestFrameWriter(t *testing.T) {
	server, client := net.Pipe()
	counted := &countingConn{Conn: client, begin: make(chan struct{})}
	w := newFrameWriter(counted)
	const writers, each = 20, 50
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 1000*(i+1))
			for k := range each {
				if err := w.write(frame{uint32(i*each + k), uint16(i), body}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); !w.isFull(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no frames wait for the first one to be written")
		}
	}
	close(counted.begin)
	seen, reader := make([]bool, writers*each), bufio.NewReader(server)
	for range seen {
		f, err := readFrame(server, reader, time.Minute, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		i := int(f.code)
		if seen[f.id] || int(f.id)/each != i || !bytes.Equal(f.body, bytes.Repeat([]byte{byte(i)}, 1000*(i+1))) {
			t.Fatalf("frame %d of writer %d has %d bytes", f.id, i, len(f.body))
		}
		seen[f.id] = true
	}
	group.Wait()
	const waited = maxPending / (1000*writers + headSize) // at least; one write took them all
	if slices.Contains(seen, false) || counted.writes.Load() > writers*each-waited {
		t.Errorf("%d writes for %d frames", counted.writes.Load(), writers*each)
	}
	server.Close()
	for range 2 {
		if err := w.write(frame{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing to nobody: %v", err)
		}
	}
}

// countingConn counts writes. The first one waits for begin.
type countingConn struct {
	net.Conn
	begin  chan struct{}
	writes atomic.Int64
}

func (c *countingConn) Write(data []byte) (int, error) {
	if c.writes.Add(1) == 1 {
		<-c.begin
	}
	return c.Conn.Write(data)
}

// streamConn is a connection that reads from a stream.
type streamConn struct {
	net.Conn
	io.Reader
}

func (c streamConn) Read(b []byte) (int, error)      { return c.Reader.Read(b) }
func (c streamConn) SetReadDeadline(time.Time) error { return nil }

// FuzzFrames reads any bytes as frames: each is what its bytes say, and none exceeds its bound.
func FuzzFrames(f *testing.F) {
	f.Add(rawFrame(8, 1, 2, "{}"))
	f.Add(slices.Concat(rawFrame(6, 1, 0, ""), rawFrame(7, 2, 3, "x"), rawFrame(1<<31, 1, 1, "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := streamConn{Reader: bytes.NewReader(data)}
		reader, again := bufio.NewReaderSize(conn, bufferSize), []byte(nil)
		for {
			got, err := readFrame(conn, reader, time.Minute, 64<<10)
			if err != nil {
				break
			}
			if len(got.body) > 64<<10 {
				t.Fatalf("a body of %d bytes", len(got.body))
			}
			again = append(again, rawFrame(uint32(len(got.body)+headSize-4), got.id, got.code, string(got.body))...)
		}
		if !bytes.HasPrefix(data, again) {
			t.Fatalf("%x was read as %x", data, again)
		}
	})
}

// FuzzLinkRequests sends any request over a link. Its path and hops reach the handler, or the answer has status 404.
func FuzzLinkRequests(f *testing.F) {
	s := &Server{HopHeader: "X-Hop", Log: slog.New(slog.DiscardHandler)}
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		w.WriteHeader(http.StatusOK)
		fmt.Fprint(w, r.URL.Path, " ", r.Header.Get("X-Hop"), " ", string(body))
	})
	f.Add(uint16(2<<8|1), []byte("x"))
	f.Add(uint16(1<<8), []byte("{}"))
	f.Add(uint16(0), []byte{})
	f.Add(uint16(3<<8), []byte{})
	f.Fuzz(func(t *testing.T, code uint16, body []byte) {
		got := s.serveFrame(t.Context(), echo, "127.0.0.1:1", frame{3, code, body})
		want := frame{id: 3, code: http.StatusNotFound}
		if path := int(code >> 8); path > 0 && path < len(paths) {
			want = frame{3, http.StatusOK, fmt.Appendf(nil, "%s %d %s", paths[path], code&0xff, body)}
		}
		if got.id != want.id || got.code != want.code || !bytes.Equal(got.body, want.body) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
