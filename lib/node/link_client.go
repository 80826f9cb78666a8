package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
)

// errNoLink reports that a request has to go another way.
var errNoLink = errors.New("no link to the node")

// errLinkClosed reports a link that ended before the answer came.
var errLinkClosed = errors.New("link to the node is closed")

// linkPaths are the paths at which requests arrive over links; their places are the numbers in frames.
var linkPaths = []string{"", onion.V1.Path(), onion.V2.Path()}

// noLinkFor is how long a node that knows no links is not asked for one again.
const noLinkFor = 10 * time.Minute

// links are this node's links to others, opened when they are needed and closed when nothing happens on them. They are safe
// for concurrent use.
type links struct {
	config  *tls.Config // without a server name
	dial    DialFunc
	timeout time.Duration   // for the handshake
	tasks   sync.WaitGroup  // one per link
	ctx     context.Context // of all links
	end     context.CancelFunc

	mu   sync.Mutex
	open map[string]*link // by the node's name
}

func newLinks(identity tls.Certificate, dial DialFunc, timeout time.Duration) *links {
	l := &links{dial: dial, timeout: timeout, open: make(map[string]*link), config: &tls.Config{
		Certificates:       []tls.Certificate{identity},
		InsecureSkipVerify: true, // no authority knows nodes
		VerifyConnection:   ring.VerifyPeer,
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{linkProtocol, "http/1.1"},
	}}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// close ends all links and returns when nothing is left of them. Calls after it fail.
func (l *links) close() {
	l.mu.Lock() // no link is opened any more when the lock is free again
	l.end()
	l.mu.Unlock()
	l.tasks.Wait()
}

// link is a connection that this node has opened, or is opening.
type link struct {
	ready  chan struct{} // closed when writer and err are set
	writer *frameWriter
	err    error // why there is no connection

	mu      sync.Mutex
	last    uint32                  // number of the last request
	waiting map[uint32]chan<- frame // by number; nil when the link has ended
	until   time.Time               // no new link is tried before
}

// call sends a request to a node and returns its answer. path is an index of linkPaths. The error is errNoLink if the
// request has to be sent by HTTP, also because the node does not list this one yet and ended the link.
func (l *links) call(ctx context.Context, to *ring.Peer, path, hops int, body []byte) (frame, error) {
	for {
		k, fresh := l.to(to)
		if k == nil {
			return frame{}, errLinkClosed
		}
		select {
		case <-k.ready:
		case <-ctx.Done():
			return frame{}, ctx.Err()
		}
		answer, err := k.call(ctx, uint16(path<<8|hops), body)
		switch closed := errors.Is(err, errLinkClosed); {
		case closed && fresh:
			return frame{}, errNoLink
		case !closed: // otherwise the link was in use before, and may have been closed as idle
			return answer, err
		}
	}
}

// to returns the link to a node, and whether it was opened for this call; nil if there are no links any more.
func (l *links) to(p *ring.Peer) (k *link, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, false
	}
	if k = l.open[p.Name()]; k != nil && !k.over() {
		return k, false
	}
	k = &link{ready: make(chan struct{}), waiting: make(map[uint32]chan<- frame)}
	l.open[p.Name()] = k
	l.tasks.Go(func() { l.run(k, p) })
	return k, true
}

// over reports whether a new link is to be tried in the place of this one.
func (k *link) over() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waiting == nil && !time.Now().Before(k.until)
}

// run opens a link and hands out the answers that come until it ends.
func (l *links) run(k *link, to *ring.Peer) {
	conn, err := l.connect(to)
	if err != nil {
		k.err = err
		k.fail(errors.Is(err, errNoLink))
		close(k.ready)
		return
	}
	defer conn.Close() // nothing is left to be written that could be lost
	defer context.AfterFunc(l.ctx, func() { conn.Close() })()
	defer k.fail(false)
	k.writer = newFrameWriter(conn)
	close(k.ready)
	reader := bufio.NewReaderSize(conn, linkBuffer)
	for {
		f, err := readFrame(conn, reader, idleTimeout/2, maxRelayedAnswer) // hang up before the other node does
		if err != nil {
			return
		}
		k.mu.Lock()
		answer := k.waiting[f.id]
		delete(k.waiting, f.id)
		k.mu.Unlock()
		if answer != nil {
			answer <- f // has room
		}
	}
}

// connect shakes hands with a node. The error is errNoLink if it does not know links.
func (l *links) connect(to *ring.Peer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.timeout)
	defer cancel()
	raw, err := l.dial(ctx, "tcp", to.HostPort)
	if err != nil {
		return nil, err
	}
	config := l.config.Clone()
	config.ServerName = to.Address()
	conn := tls.Client(raw, config)
	err = conn.HandshakeContext(ctx)
	if err == nil && conn.ConnectionState().NegotiatedProtocol != linkProtocol {
		err = errNoLink
	}
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// fail ends a link and all calls that wait for its answers. If for is set, the next one is not tried soon.
func (k *link) fail(forLong bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, answer := range k.waiting {
		close(answer)
	}
	k.waiting = nil
	if forLong {
		k.until = time.Now().Add(noLinkFor)
	}
}

// call makes one request over a link that is ready.
func (k *link) call(ctx context.Context, code uint16, body []byte) (frame, error) {
	if k.err != nil {
		return frame{}, k.err
	}
	answer := make(chan frame, 1)
	k.mu.Lock()
	if k.waiting == nil {
		k.mu.Unlock()
		return frame{}, errLinkClosed
	}
	k.last++
	id := k.last
	k.waiting[id] = answer
	k.mu.Unlock()
	defer k.forget(id)
	if err := k.writer.write(frame{id, code, body}); err != nil {
		return frame{}, errors.Join(errLinkClosed, err)
	}
	select {
	case f, ok := <-answer:
		if !ok {
			return frame{}, errLinkClosed
		}
		return f, nil
	case <-ctx.Done():
		return frame{}, errors.Join(ctx.Err(), k.writer.write(frame{id: id, code: linkCancel}))
	}
}

func (k *link) forget(id uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.waiting, id)
}
