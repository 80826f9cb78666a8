package devnet

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// machine simulates the machine of a node: its port and its connections. It can vanish and come back. While it is gone,
// old connections stay open and new ones are accepted, but none carries data, so that others wait as for a machine
// without power. It is safe for concurrent use.
type machine struct {
	gone atomic.Bool

	mu        sync.Mutex
	listener  *net.TCPListener // that of the present node, or of the last one while the machine is gone
	open      []net.Conn       // connections that stay open until the machine comes back
	accepting sync.WaitGroup   // acceptIdle
}

// listen makes the node's listener out of listener.
func (m *machine) listen(listener net.Listener) net.Listener {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listener = listener.(*net.TCPListener) // of listenAt
	return &machineListener{m.listener, m}
}

// vanish disconnects the machine. The caller then closes the node and calls acceptIdle.
func (m *machine) vanish() { m.gone.Store(true) }

// acceptIdle accepts connections in the place of the node, which is closed.
func (m *machine) acceptIdle() {
	m.listener.SetDeadline(time.Time{}) // cannot fail before the listener is closed
	m.accepting.Go(func() {
		for {
			conn, err := m.listener.Accept()
			if err != nil {
				return
			}
			m.keep(conn)
		}
	})
}

// keep holds a connection.
func (m *machine) keep(conn net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = append(m.open, conn)
}

// restore ends vanish: it closes the old connections, as a restarted machine does, and returns the listener for the
// next node. It returns nil if the machine was not gone.
func (m *machine) restore() net.Listener {
	if !m.gone.Load() {
		return nil
	}
	m.listener.SetDeadline(past) // ends acceptIdle
	m.accepting.Wait()
	m.listener.SetDeadline(time.Time{})
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, conn := range m.open {
		conn.Close() // nothing is left to be written
	}
	m.open = nil
	m.gone.Store(false)
	return m.listener
}

// close ends a machine that is gone.
func (m *machine) close() error {
	if listener := m.restore(); listener != nil {
		return listener.Close()
	}
	return nil
}

// past is a deadline that ends a blocked Accept or Read.
var past = time.Unix(1, 0)

// machineListener is a listener that stays open when its machine has vanished.
type machineListener struct {
	*net.TCPListener
	machine *machine
}

// Accept implements net.Listener.
func (l *machineListener) Accept() (net.Conn, error) {
	conn, err := l.TCPListener.Accept()
	if err != nil {
		if l.machine.gone.Load() {
			return nil, net.ErrClosed
		}
		return nil, err
	}
	return l.machine.conn(conn), nil
}

// Close implements net.Listener.
func (l *machineListener) Close() error {
	if l.machine.gone.Load() {
		return l.SetDeadline(past) // wakes up Accept
	}
	return l.TCPListener.Close()
}

// machineConn is a connection of a machine, opened by either side.
type machineConn struct {
	net.Conn
	machine *machine
	once    sync.Once
}

func (m *machine) conn(conn net.Conn) net.Conn { return &machineConn{Conn: conn, machine: m} }

// Write implements io.Writer. It discards the data of a machine that is gone.
func (c *machineConn) Write(data []byte) (int, error) {
	if c.machine.gone.Load() {
		return len(data), nil
	}
	return c.Conn.Write(data)
}

// Close implements net.Conn. The connection of a machine that is gone ends for the node alone.
func (c *machineConn) Close() (err error) {
	c.once.Do(func() {
		if !c.machine.gone.Load() {
			err = c.Conn.Close()
			return
		}
		err = c.SetReadDeadline(past) // wakes up Read
		c.machine.keep(c.Conn)
	})
	return err
}

// ended returns a context that has ended: a machine without power does not finish its requests.
func ended() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("the machine has vanished"))
	return ctx
}
