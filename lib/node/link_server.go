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
	"strconv"
	"sync"

	"sessiontool/lib/rpc"
)

// maxLinkRequests bounds the requests of one link that are served at a time; further ones wait unread.
const maxLinkRequests = 256

// linkConfig returns what a node that asks for a link has to show: its own certificate. Others are not asked for one.
func linkConfig(config *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	mutual := config.Clone()
	mutual.NextProtos = []string{linkProtocol}
	mutual.ClientAuth = tls.RequireAnyClientCert
	mutual.MinVersion = tls.VersionTLS13
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, protocol := range hello.SupportedProtos {
			if protocol == linkProtocol {
				return mutual, nil
			}
		}
		return nil, nil
	}
}

// serveLink answers the requests that come over a link, with the handler that answers those over HTTP, until it ends.
func (n *Node) serveLink(_ *http.Server, conn *tls.Conn, handler http.Handler) {
	if !n.knowsCaller(conn) {
		return
	}
	ctx, cancel := context.WithCancel(n.background)
	defer cancel()
	writer, reader, from := newFrameWriter(conn), bufio.NewReaderSize(conn, linkBuffer), conn.RemoteAddr().String()
	requests, servers := make(chan frame), 0
	var serving sync.WaitGroup
	defer serving.Wait()
	defer close(requests)
	serve := func() { // again and again, since the stack of a new goroutine would have to grow each time
		for f := range requests {
			if writer.write(n.serveFrame(ctx, handler, from, f)) != nil {
				conn.Close() // so that the reader ends, too
			}
		}
	}
	for {
		f, err := readFrame(conn, reader, idleTimeout, maxLinkRequest)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				n.log.Debug("link ends", "error", err)
			}
			return
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

// knowsCaller reports whether the other side of a link is a listed node.
func (n *Node) knowsCaller(conn *tls.Conn) bool {
	certificates := conn.ConnectionState().PeerCertificates
	if len(certificates) == 0 {
		return false
	}
	key, ok := certificates[0].PublicKey.(ed25519.PublicKey)
	return ok && n.members.view().addresses[rpc.SnodeAddress([ed25519.PublicKeySize]byte(key))] != nil
}

// serveFrame answers one request. A handler that breaks off leaves it without an answer.
func (n *Node) serveFrame(ctx context.Context, handler http.Handler, from string, f frame) (result frame) {
	result.id = f.id
	path := int(f.code >> 8)
	if path == 0 || path >= len(linkPaths) {
		result.code = http.StatusNotFound
		return result
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, linkPaths[path], bytes.NewReader(f.body))
	if err != nil {
		return result
	}
	request.RemoteAddr, request.RequestURI = from, linkPaths[path]
	request.Header[hopHeader] = []string{strconv.Itoa(int(f.code & 0xff))}
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
