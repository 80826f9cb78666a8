package devnet

import (
	random "math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Packets of a connection with FaultLoss. TCP hides a lost packet: the sender notices that no acknowledgement comes and
// sends it again, and what follows on the connection waits for it. So a connection stalls and is not reset, unless
// every attempt is lost.
const (
	// segmentBytes is what a packet carries of a connection: an Ethernet frame without the headers of IPv4 and TCP.
	segmentBytes = 1448
	// retransmitAfter is the shortest time after which Linux sends a packet again; openAfter is that of the packets that
	// open a connection (RFC 6298 section 2). Each further attempt waits twice as long, at most retransmitLimit.
	retransmitAfter = 200 * time.Millisecond
	openAfter       = time.Second
	retransmitLimit = 2 * time.Minute
	// maxRetransmits is the number of attempts after which a connection breaks, as Linux has it.
	maxRetransmits = 15
)

// lossyListener loses packets of the connections that it accepts.
type lossyListener struct {
	net.Listener
	share func() float64
}

// Accept implements net.Listener.
func (l lossyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newLossyConn(conn, l.share), nil
}

// lossyConn is a connection of which a share of packets is lost, in either direction.
type lossyConn struct {
	net.Conn
	share  func() float64 // of packets, 0 to 1
	opened sync.Once
	ended  chan struct{} // closed by Close
	close  sync.Once
}

func newLossyConn(conn net.Conn, share func() float64) *lossyConn {
	return &lossyConn{Conn: conn, share: share, ended: make(chan struct{})}
}

// Read implements io.Reader.
func (c *lossyConn) Read(data []byte) (n int, err error) {
	if n, err = c.Conn.Read(data); err != nil {
		return n, err
	}
	if err := c.open(); err != nil {
		return 0, err
	}
	if err := c.pass(segments(n), retransmitAfter); err != nil {
		return 0, err
	}
	return n, nil
}

// Write implements io.Writer.
func (c *lossyConn) Write(data []byte) (int, error) {
	if err := c.open(); err != nil {
		return 0, err
	}
	if err := c.pass(segments(len(data)), retransmitAfter); err != nil {
		return 0, err
	}
	return c.Conn.Write(data)
}

// Close implements net.Conn. It ends the waits of Read and Write.
func (c *lossyConn) Close() error {
	c.close.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// open waits, once, for the two packets that open the connection. The system has exchanged the real ones already.
func (c *lossyConn) open() (err error) {
	c.opened.Do(func() { err = c.pass(2, openAfter) })
	return err
}

// segments returns how many packets carry n bytes.
func segments(n int) int { return (n + segmentBytes - 1) / segmentBytes }

// pass waits until every one of packets has arrived. The first attempt costs no time.
func (c *lossyConn) pass(packets int, again time.Duration) error {
	for range packets {
		wait := again
		for attempt := 0; lost(c.share()); attempt++ {
			if attempt == maxRetransmits {
				return syscall.ETIMEDOUT
			}
			select {
			case <-time.After(wait):
			case <-c.ended:
				return net.ErrClosed
			}
			wait = min(2*wait, retransmitLimit)
		}
	}
	return nil
}

// lost draws whether a packet is lost.
func lost(share float64) bool { return share > 0 && random.Float64() < share }
