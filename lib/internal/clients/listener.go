package clients

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Listener bounds the open connections, in all and from one address ([Network]). At the total limit a new connection
// replaces the connection that was idle for longest, of the address with the most. So clients that hold connections
// open cannot keep others out. At the limit of one address its new connections are closed.
type Listener struct {
	net.Listener
	most           int // connections in all
	mostPerAddress int

	mu    sync.Mutex
	count int
	open  map[netip.Prefix]map[*limitedConn]struct{}
}

// NewListener makes a Listener of at most most connections, mostPerAddress of them from one address.
func NewListener(listener net.Listener, most, mostPerAddress int) *Listener {
	return &Listener{
		Listener: listener, most: most, mostPerAddress: mostPerAddress,
		open: make(map[netip.Prefix]map[*limitedConn]struct{}),
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		limited := &limitedConn{Conn: conn, listener: l, source: remoteNetwork(conn)}
		limited.active.Store(time.Now().UnixNano())
		victim, ok := l.enter(limited)
		if victim != nil {
			victim.Close() // outside the lock; an error means nothing here
		}
		if ok {
			return limited, nil
		}
		conn.Close() // nothing was written that could be lost
	}
}

// remoteNetwork returns the network of the other side, or the zero Prefix if it has no IP address.
func remoteNetwork(conn net.Conn) netip.Prefix {
	address, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return Network(address.AddrPort().Addr())
}

// enter counts a connection. It returns false if its address has mostPerAddress connections. victim is the connection
// that the caller must close for it, nil if there is room.
func (l *Listener) enter(conn *limitedConn) (victim *limitedConn, ok bool) {
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

// idlest returns the connection that was idle for longest, of the addresses with the most. The caller holds l.mu.
func (l *Listener) idlest() (found *limitedConn) {
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

func (l *Listener) leave(conn *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(conn)
}

// remove stops counting a connection, if it is counted. The caller holds l.mu.
func (l *Listener) remove(conn *limitedConn) {
	conns := l.open[conn.source]
	if _, counted := conns[conn]; !counted {
		return
	}
	l.count--
	if delete(conns, conn); len(conns) == 0 {
		delete(l.open, conn.source)
	}
}

// limitedConn is a connection that leaves the count of its Listener when it is closed.
type limitedConn struct {
	net.Conn
	listener *Listener
	source   netip.Prefix
	active   atomic.Int64 // time of the latest read or write, in nanoseconds since 1970
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
