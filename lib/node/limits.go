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
	"sync/atomic"
	"time"

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

// limitListener bounds the connections that are open at the same time, in all and from one address. When there are as
// many as there may be, a new one takes the place of another: the one that was silent for longest of the address with the
// most. So no number of clients keeps others out by holding connections open.
type limitListener struct {
	net.Listener
	most           int // connections in all
	mostPerAddress int

	mu    sync.Mutex
	count int
	open  map[netip.Prefix]map[*limitedConn]struct{}
}

func newLimitListener(listener net.Listener, most, mostPerAddress int) *limitListener {
	return &limitListener{
		Listener: listener, most: most, mostPerAddress: mostPerAddress,
		open: make(map[netip.Prefix]map[*limitedConn]struct{}),
	}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		limited := &limitedConn{Conn: conn, listener: l, source: remoteNetwork(conn)}
		limited.active.Store(time.Now().UnixNano())
		victim, ok := l.enter(limited)
		if victim != nil {
			victim.Close() // outside the lock; errors are of no use to anybody
		}
		if ok {
			return limited, nil
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

// enter counts a connection. It returns false if its address has as many as it may have. victim is the connection that
// has to be closed for it, nil if there is room.
func (l *limitListener) enter(conn *limitedConn) (victim *limitedConn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open[conn.source]) >= l.mostPerAddress {
		return nil, false
	}
	if l.count >= l.most {
		if victim = l.idlest(); victim != nil {
			l.remove(victim)
		}
	}
	if l.open[conn.source] == nil {
		l.open[conn.source] = make(map[*limitedConn]struct{})
	}
	l.open[conn.source][conn] = struct{}{}
	l.count++
	return victim, true
}

// idlest returns the connection that was silent for longest of the addresses with the most. The caller holds l.mu.
func (l *limitListener) idlest() (found *limitedConn) {
	most := 0
	for _, conns := range l.open {
		most = max(most, len(conns))
	}
	for _, conns := range l.open {
		if len(conns) < most {
			continue
		}
		for conn := range conns {
			if found == nil || conn.active.Load() < found.active.Load() {
				found = conn
			}
		}
	}
	return found
}

func (l *limitListener) leave(conn *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(conn)
}

// remove stops counting a connection, if it is counted. The caller holds l.mu.
func (l *limitListener) remove(conn *limitedConn) {
	conns := l.open[conn.source]
	if _, counted := conns[conn]; !counted {
		return
	}
	l.count--
	if delete(conns, conn); len(conns) == 0 {
		delete(l.open, conn.source)
	}
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	listener *limitListener
	source   netip.Prefix
	active   atomic.Int64 // when bytes came or went last, in nanoseconds since 1970
}

// Read implements net.Conn.
func (c *limitedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.active.Store(time.Now().UnixNano())
	}
	return n, err
}

// Write implements net.Conn.
func (c *limitedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if n > 0 {
		c.active.Store(time.Now().UnixNano())
	}
	return n, err
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.listener.leave(c)
	return err
}
