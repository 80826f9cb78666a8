package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"sessiontool/lib/rpc"
)

// maxLinkRequests bounds the requests of one link that are served at a time; further ones wait unread. It is as many as the
// other side relays, of which most may wait for messages.
const maxLinkRequests = maxRelays

// serverTLS returns the configuration of a node's server. A node that calls it by its address, name, gets the identity
// certificate, and has to show its own certificate if it asks for a link. All others are clients.
func serverTLS(name string, identity tls.Certificate, clients *tls.Config) *tls.Config {
	nodes := &tls.Config{Certificates: []tls.Certificate{identity}, MinVersion: tls.VersionTLS12}
	linked := &tls.Config{
		Certificates: nodes.Certificates, MinVersion: tls.VersionTLS13,
		NextProtos: []string{linkProtocol}, ClientAuth: tls.RequireAnyClientCert,
	}
	// The configuration that chooses holds the ticket keys of all: it must be one that has tickets.
	config := nodes.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case hello.ServerName != name:
			return clients, nil
		case slices.Contains(hello.SupportedProtos, linkProtocol):
			return linked, nil
		}
		return nil, nil // config itself
	}
	return config
}

// linkServer is the side of a link that answers.
type linkServer struct {
	node    *Node
	handler http.Handler // answers as over HTTP
	from    string       // host and port
	writer  *frameWriter

	mu      sync.Mutex
	serving map[uint32]context.CancelFunc // by number
}

// serveLink answers the requests that come over a link until it ends. Then nobody waits for the rest.
func (n *Node) serveLink(_ *http.Server, conn *tls.Conn, handler http.Handler) {
	if !n.knowsCaller(conn) {
		return
	}
	s := &linkServer{
		node: n, handler: handler, from: conn.RemoteAddr().String(), writer: newFrameWriter(conn),
		serving: make(map[uint32]context.CancelFunc),
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	requests, servers := make(chan frame), 0
	defer close(requests)
	ctx, cancel := context.WithCancel(n.background)
	defer cancel()
	serve := func() { // again and again, since the stack of a new goroutine would have to grow each time
		for f := range requests {
			if s.serve(ctx, f) != nil {
				conn.Close() // so that the reader ends, too
			}
		}
	}
	for reader := bufio.NewReaderSize(conn, linkBuffer); ; {
		f, err := readFrame(conn, reader, idleTimeout, maxLinkBody)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				n.log.Debug("link ends", "error", err)
			}
			return
		}
		if f.code == linkCancel {
			s.cancel(f.id)
			continue
		}
		select {
		case requests <- f:
			continue
		default:
		}
		if servers < maxLinkRequests {
			servers++
			serving.Go(serve)
		}
		requests <- f
	}
}

// serve answers one request. The error is that of the connection.
func (s *linkServer) serve(ctx context.Context, f frame) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.cancel(f.id)
	s.mu.Lock()
	s.serving[f.id] = cancel
	s.mu.Unlock()
	return s.writer.write(s.node.serveFrame(ctx, s.handler, s.from, f))
}

// cancel ends a request, if it is being served. One that has yet to wait for its turn is served for nothing.
func (s *linkServer) cancel(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.serving[id]; cancel != nil {
		cancel()
		delete(s.serving, id)
	}
}

// knowsCaller reports whether the other side of a link is a listed node.
func (n *Node) knowsCaller(conn *tls.Conn) bool {
	certificates := conn.ConnectionState().PeerCertificates
	if len(certificates) == 0 {
		return false
	}
	key, ok := certificates[0].PublicKey.(ed25519.PublicKey)
	return ok && n.members.View().Addresses[rpc.SnodeAddress([ed25519.PublicKeySize]byte(key))] != nil
}

// serveFrame answers one request. A handler that breaks off leaves it without an answer.
func (n *Node) serveFrame(ctx context.Context, handler http.Handler, from string, f frame) (result frame) {
	result.id = f.id
	path := int(f.code >> 8)
	if path == 0 || path >= len(linkPaths) {
		result.code = http.StatusNotFound
		return result
	}
	request := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: linkPaths[path]}, RequestURI: linkPaths[path], RemoteAddr: from,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{hopHeader: {strconv.Itoa(int(f.code & 0xff))}},
		Body:   io.NopCloser(bytes.NewReader(f.body)), ContentLength: int64(len(f.body)),
	}).WithContext(ctx)
	answer := linkAnswer{header: make(http.Header)}
	defer func() {
		reason := recover()
		if reason != nil && reason != http.ErrAbortHandler { // net/http would also go on
			n.log.Error("serving a request over a link", "panic", reason)
		}
		if reason == nil {
			result.code, result.body = answer.status, answer.body.Bytes()
		}
	}()
	handler.ServeHTTP(&answer, request)
	return result
}

// linkAnswer is a http.ResponseWriter that keeps the answer.
type linkAnswer struct {
	header http.Header
	status uint16
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *linkAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *linkAnswer) WriteHeader(status int) { a.status = uint16(status) }

// Write implements http.ResponseWriter.
func (a *linkAnswer) Write(data []byte) (int, error) { return a.body.Write(data) }
