package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/storage"
)

const (
	// DefaultRateLimit is the 2020 server's number of requests a second from one address (storage-2.0.md section 9).
	DefaultRateLimit = 300
	// burstSeconds makes the burst out of the rate: 600 requests at 300 a second.
	burstSeconds = 2
	// maxConnections bounds open client connections, maxAddressConnections those from one address.
	maxConnections        = 4096
	maxAddressConnections = 1024
	// smallBody is what a request may make the node read without a place among maxLargeBodies. A full-size message
	// in a three-hop onion of version 1 stays below it.
	smallBody      = 512 << 10
	maxLargeBodies = 16
)

// slots bounds how much of something goes on at the same time.
type slots chan struct{}

// acquire waits for a slot. It returns false if ctx ends first; otherwise the caller must release.
func (s slots) acquire(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s slots) release() { <-s }

// errBodyTooLarge reports a request over storage.MaxBodyBytes.
var errBodyTooLarge = errors.New("request body too large")

// readBody reads a request of any size up to storage.MaxBodyBytes. Only so many large ones are in memory at a time, and
// one counts as large when more than smallBody of it has arrived, so that announcing much is not enough to keep others
// out. The caller must call done when it is finished with the body, also after an error.
func (s slots) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	done = func() {}
	if r.ContentLength > storage.MaxBodyBytes {
		return nil, done, errBodyTooLarge
	}
	reader := http.MaxBytesReader(w, r.Body, storage.MaxBodyBytes)
	if 0 <= r.ContentLength && r.ContentLength <= smallBody {
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(reader, body)
		return body, done, err
	}
	var read bytes.Buffer
	switch _, err = io.CopyN(&read, reader, smallBody+1); {
	case errors.Is(err, io.EOF): // all of a body whose size was not announced
		return read.Bytes(), done, nil
	case err != nil:
		return nil, done, err
	case !s.acquire(r.Context()):
		return nil, done, r.Context().Err()
	}
	done = s.release
	_, err = read.ReadFrom(reader)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		err = errBodyTooLarge
	}
	return read.Bytes(), done, err
}

// limitListener hands out at most maxConnections connections that are open at the same time, and turns away an address
// that has maxAddressConnections of them: so no client can keep the others out by holding connections open.
type limitListener struct {
	net.Listener
	slots  slots
	closed context.Context
	close  context.CancelFunc

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newLimitListener(listener net.Listener) *limitListener {
	closed, cancel := context.WithCancel(context.Background())
	return &limitListener{
		Listener: listener, slots: make(slots, maxConnections), closed: closed, close: cancel, open: make(map[netip.Prefix]int),
	}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	if !l.slots.acquire(l.closed) {
		return nil, net.ErrClosed
	}
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			l.slots.release()
			return nil, err
		}
		source := remoteNetwork(conn)
		if l.enter(source) {
			return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { l.leave(source) })}, nil
		}
		conn.Close() // nothing was written that could be lost
	}
}

// remoteNetwork is what the other side counts as; the zero Prefix if it has no IP address.
func remoteNetwork(conn net.Conn) netip.Prefix {
	address, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return clients.Network(address.AddrPort().Addr())
}

func (l *limitListener) enter(source netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source] >= maxAddressConnections {
		return false
	}
	l.open[source]++
	return true
}

func (l *limitListener) leave(source netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source]--; l.open[source] == 0 {
		delete(l.open, source)
	}
	l.slots.release()
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.close()
	return l.Listener.Close()
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
