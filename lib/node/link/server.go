package link

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
)

// maxRequests bounds the concurrent requests of one link. Further requests wait unread. It equals the bound of requests
// that the asking side relays, because all of them may be polls that wait for messages.
const maxRequests = 2048

// ServerTLS returns the TLS configuration of a node's server. name is the node's address. A client whose handshake has
// this server name is a node: it gets the identity certificate, and must present its own certificate if it negotiates
// [Protocol]. All other clients get the configuration clients.
func ServerTLS(name string, identity tls.Certificate, clients *tls.Config) *tls.Config {
	nodes := &tls.Config{Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12}
	linked := &tls.Config{
		Certificates: nodes.Certificates, MinVersion: tls.VersionTLS13,
		NextProtos: Protocols(), ClientAuth: tls.RequireAnyClientCert,
	}
	// Ticket keys belong to the configuration with GetConfigForClient, which must be one with tickets.
	config := nodes.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case hello.ServerName != name:
			return clients, nil
		case slices.ContainsFunc(Protocols(), func(p string) bool { return slices.Contains(hello.SupportedProtos, p) }):
			return linked, nil
		}
		return nil, nil // config itself
	}
	return config
}

// Server answers requests that arrive over links. All fields are required.
type Server struct {
	Context   context.Context         // parent of all requests
	Known     func(key [32]byte) bool // whether a listed node has this Ed25519 key
	HopHeader string                  // header for the number of hops that a request has passed
	Log       *slog.Logger
}

// servedConn is the answering side of one link.
type servedConn struct {
	server  *Server
	handler http.Handler // answers as it does over HTTP
	from    string       // host and port
	writer  *frameWriter

	mu      sync.Mutex
	serving map[uint32]context.CancelFunc // requests by number
}

// Serve answers the requests that arrive over a link until it ends, and then cancels the rest. It returns at once if
// the other side is no listed node. It has the type of the functions in TLSNextProto of [http.Server].
func (s *Server) Serve(_ *http.Server, conn *tls.Conn, handler http.Handler) {
	sender, known := s.peer(conn)
	if !known {
		return
	}
	c := &servedConn{
		server: s, handler: handler, from: conn.RemoteAddr().String(), writer: newFrameWriter(conn),
		serving: make(map[uint32]context.CancelFunc),
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	requests, servers := make(chan frame), 0
	defer close(requests)
	ctx, cancel := context.WithCancel(context.WithValue(s.Context, senderKey{}, sender))
	defer cancel()
	serve := func() { // goroutines are reused, because a new one's stack would have to grow each time
		for f := range requests {
			if c.serve(ctx, f) != nil {
				conn.Close() // ends the reader, too
			}
		}
	}
	for reader := bufio.NewReaderSize(conn, bufferSize); ; {
		f, err := readFrame(conn, reader, idleTimeout, MaxBody)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.Log.Debug("link ends", "error", err)
			}
			return
		}
		if f.code == cancelCode {
			c.cancel(f.id)
			continue
		}
		select {
		case requests <- f:
			continue
		default:
		}
		if servers < maxRequests {
			servers++
			serving.Go(serve)
		}
		requests <- f
	}
}

// serve answers one request. The error is that of the connection.
func (c *servedConn) serve(ctx context.Context, f frame) error {
	ctx, cancel := context.WithCancel(ctx)
	defer c.cancel(f.id)
	c.mu.Lock()
	c.serving[f.id] = cancel
	c.mu.Unlock()
	return c.writer.write(c.server.serveFrame(ctx, c.handler, c.from, f))
}

// cancel ends a request that is being served. It does not remove one that still waits for its turn.
func (c *servedConn) cancel(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.serving[id]; cancel != nil {
		cancel()
		delete(c.serving, id)
	}
}

// senderKey is the key of the sender in the context of a request.
type senderKey struct{}

// Sender returns the Ed25519 key of the node that sent a request over a link. It returns false for other requests. The
// node was listed when it opened the link.
func Sender(ctx context.Context) (key [32]byte, ok bool) {
	key, ok = ctx.Value(senderKey{}).([32]byte)
	return key, ok
}

// peer returns the key of the other side of a link, and whether it is a listed node.
func (s *Server) peer(conn *tls.Conn) (key [32]byte, known bool) {
	certificates := conn.ConnectionState().PeerCertificates
	if len(certificates) == 0 {
		return key, false
	}
	public, ok := certificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return key, false
	}
	key = [ed25519.PublicKeySize]byte(public)
	return key, s.Known(key)
}

// serveFrame answers one request. If the handler panics the answer has code 0, and the link stays open.
func (s *Server) serveFrame(ctx context.Context, handler http.Handler, from string, f frame) (result frame) {
	result.id = f.id
	path := int(f.code >> 8)
	if path == 0 || path >= len(paths) {
		result.code = http.StatusNotFound
		return result
	}
	request := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: paths[path]}, RequestURI: paths[path], RemoteAddr: from,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{s.HopHeader: {strconv.Itoa(int(f.code & 0xff))}},
		Body:   io.NopCloser(bytes.NewReader(f.body)), ContentLength: int64(len(f.body)),
	}).WithContext(ctx)
	answer := responseRecorder{header: make(http.Header)}
	defer func() {
		reason := recover()
		if reason != nil && reason != http.ErrAbortHandler { // net/http survives panics, too
			s.Log.Error("serving a request over a link", "panic", reason)
		}
		if reason == nil {
			result.code, result.body = answer.status, answer.body.Bytes()
		}
	}()
	handler.ServeHTTP(&answer, request)
	return result
}

// responseRecorder is an http.ResponseWriter that keeps the answer.
type responseRecorder struct {
	header http.Header
	status uint16
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *responseRecorder) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *responseRecorder) WriteHeader(status int) { a.status = uint16(status) }

// Write implements http.ResponseWriter.
func (a *responseRecorder) Write(data []byte) (int, error) { return a.body.Write(data) }
