package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
)

// ErrNoLink reports a request that the caller has to send over HTTP instead.
var ErrNoLink = errors.New("no link to the node")

// ErrClosed reports a link that ended before the answer came.
var ErrClosed = errors.New("link to the node is closed")

// ForwardPath is the path of a group of changes from another member of a swarm (package forward). It exists on links
// alone: a request at this path has a [Sender].
const ForwardPath = "/swarms/forward/v2"

// paths are the paths of requests over links. Their indices are the numbers in frames. Links of onionProtocol lack the
// last one.
var paths = []string{"", onion.V1.Path(), onion.V2.Path(), ForwardPath}

// Protocols are the names in the TLS handshake by which a node offers links, the best one first.
func Protocols() []string { return []string{Protocol, onionProtocol} }

// retryAfter is the pause before a node that does not speak the protocol is tried again.
const retryAfter = 10 * time.Minute

// Links are a node's links to others. A link is opened by the first request to a node and closed after a minute
// without frames. Links is safe for concurrent use.
type Links struct {
	config  *tls.Config // without a server name
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	timeout time.Duration   // bound of the handshake
	tasks   sync.WaitGroup  // one per connection
	ctx     context.Context // of all connections
	end     context.CancelFunc

	mu   sync.Mutex
	open map[string]*connection // by the node's name
}

// New makes Links without any connection. identity is the certificate of this node's key ([ring.IdentityCertificate]),
// dial opens TCP connections, and timeout bounds one handshake.
func New(
	identity tls.Certificate, dial func(ctx context.Context, network, address string) (net.Conn, error),
	timeout time.Duration,
) *Links {
	l := &Links{dial: dial, timeout: timeout, open: make(map[string]*connection), config: &tls.Config{
		Certificates:       []tls.Certificate{identity},
		InsecureSkipVerify: true, // no authority certifies nodes; VerifyPeer checks the key
		VerifyConnection:   ring.VerifyPeer,
		MinVersion:         tls.VersionTLS13,
		NextProtos:         append(Protocols(), "http/1.1"),
	}}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// Close closes all links and returns when their goroutines have ended. Later calls of [Links.Call] fail with ErrClosed.
func (l *Links) Close() {
	l.mu.Lock() // connectionTo opens no link after this section
	l.end()
	l.mu.Unlock()
	l.tasks.Wait()
}

// connection is a link that this node has opened or is opening.
type connection struct {
	ready    chan struct{} // closed when writer, forwards and err are set
	writer   *frameWriter
	forwards bool  // whether the node takes requests at ForwardPath
	err      error // the reason why there is no link

	mu       sync.Mutex
	last     uint32                  // number of the last request
	inFlight map[uint32]chan<- frame // requests by number; nil when the link has ended
	retryAt  time.Time               // no new link is tried before
}

// Call sends a request to a node and returns its answer. Status 0 means that the node ended the request without an
// answer. path is one of paths, and hops, below 256, the number of relays that the request has passed. The error is
// ErrNoLink if the caller has to use HTTP: the node does not speak the protocol, does not list this node yet, or the
// body exceeds [MaxBody].
func (l *Links) Call(
	ctx context.Context, to *ring.Peer, path string, hops int, body []byte,
) (status int, answer []byte, err error) {
	number := slices.Index(paths, path)
	if number < 1 || len(body) > MaxBody {
		return 0, nil, ErrNoLink
	}
	f, err := l.exchange(ctx, to, uint16(number<<8|hops), body)
	return int(f.code), f.body, err
}

// Forward sends a group of changes to a member of this node's swarm and returns its answer, as [Links.Call] does.
func (l *Links) Forward(ctx context.Context, to *ring.Peer, group []byte) (status int, answer []byte, err error) {
	return l.Call(ctx, to, ForwardPath, 0, group)
}

// exchange sends a request frame to a node and returns the answer frame.
func (l *Links) exchange(ctx context.Context, to *ring.Peer, code uint16, body []byte) (frame, error) {
	for {
		k, fresh := l.connectionTo(to)
		if k == nil {
			return frame{}, ErrClosed
		}
		select {
		case <-k.ready:
		case <-ctx.Done():
			return frame{}, ctx.Err()
		}
		if k.err == nil && !k.forwards && paths[code>>8] == ForwardPath {
			return frame{}, ErrNoLink
		}
		answer, err := k.call(ctx, code, body)
		switch closed := errors.Is(err, ErrClosed); {
		case closed && fresh:
			return frame{}, ErrNoLink
		case !closed: // otherwise the link was in use before, and may have been closed as idle
			return answer, err
		}
	}
}

// connectionTo returns the link to a node and whether this call opened it. After Close it returns nil.
func (l *Links) connectionTo(p *ring.Peer) (k *connection, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, false
	}
	if k = l.open[p.Name()]; k != nil && !k.expired() {
		return k, false
	}
	k = &connection{ready: make(chan struct{}), inFlight: make(map[uint32]chan<- frame)}
	l.open[p.Name()] = k
	l.tasks.Go(func() { l.run(k, p) })
	return k, true
}

// expired reports whether a new link may replace this ended one.
func (k *connection) expired() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.inFlight == nil && !time.Now().Before(k.retryAt)
}

// run opens a link and delivers the answers that arrive until it ends.
func (l *Links) run(k *connection, to *ring.Peer) {
	conn, err := l.connect(to)
	if err != nil {
		k.err = err
		k.fail(errors.Is(err, ErrNoLink))
		close(k.ready)
		return
	}
	defer conn.Close() // no write is pending that could be lost
	defer context.AfterFunc(l.ctx, func() { conn.Close() })()
	defer k.fail(false)
	k.writer, k.forwards = newFrameWriter(conn), conn.ConnectionState().NegotiatedProtocol == Protocol
	close(k.ready)
	reader := bufio.NewReaderSize(conn, bufferSize)
	for {
		f, err := readFrame(conn, reader, idleTimeout/2, MaxAnswer) // close before the other node does
		if err != nil {
			return
		}
		k.mu.Lock()
		answer := k.inFlight[f.id]
		delete(k.inFlight, f.id)
		k.mu.Unlock()
		if answer != nil {
			answer <- f // has room for one
		}
	}
}

// connect makes the TLS connection of a link. The error is ErrNoLink if the node does not speak the protocol.
func (l *Links) connect(to *ring.Peer) (*tls.Conn, error) {
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
	if err == nil && !slices.Contains(Protocols(), conn.ConnectionState().NegotiatedProtocol) {
		err = ErrNoLink
	}
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// fail ends a link and all calls that wait for its answers. If forLong is set, no new link is tried for retryAfter.
func (k *connection) fail(forLong bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, answer := range k.inFlight {
		close(answer)
	}
	k.inFlight = nil
	if forLong {
		k.retryAt = time.Now().Add(retryAfter)
	}
}

// call makes one request over a link that is ready.
func (k *connection) call(ctx context.Context, code uint16, body []byte) (frame, error) {
	if k.err != nil {
		return frame{}, k.err
	}
	answer := make(chan frame, 1)
	k.mu.Lock()
	if k.inFlight == nil {
		k.mu.Unlock()
		return frame{}, ErrClosed
	}
	k.last++
	id := k.last
	k.inFlight[id] = answer
	k.mu.Unlock()
	defer k.forget(id)
	if err := k.writer.write(frame{id, code, body}); err != nil {
		return frame{}, errors.Join(ErrClosed, err)
	}
	select {
	case f, ok := <-answer:
		if !ok {
			return frame{}, ErrClosed
		}
		return f, nil
	case <-ctx.Done():
		return frame{}, errors.Join(ctx.Err(), k.writer.write(frame{id: id, code: cancelCode}))
	}
}

func (k *connection) forget(id uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.inFlight, id)
}
