package node

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/link"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// Bounds in time of a client's connection. The 2020 server gives every connection 30 s (storage-2.0.md section 1.1).
const (
	headerTimeout = 10 * time.Second
	writeTimeout  = 60 * time.Second
	maxHeader     = 8 << 10
)

const (
	// longPollHeader delays an answer by longPollDelay (storage-2.0.md section 2.1). Session Desktop 1.0.1 relies on it
	// to pause between its polls.
	longPollHeader = "X-Loki-Long-Poll"
	longPollDelay  = 2 * time.Second
)

// linkService serves a connection that is a link.
type linkService func(server *http.Server, conn *tls.Conn, handler http.Handler)

// newServer makes the HTTP server around handler. HTTP/2 is off, because no storage server supports it.
func newServer(
	b *behaviour.Rules, handler http.Handler, serveLink linkService, config *tls.Config, log *slog.Logger,
) *http.Server {
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       behaviour.ReadTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       b.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
		TLSNextProto:      make(map[string]func(*http.Server, *tls.Conn, http.Handler)),
	}
	for _, protocol := range link.Protocols() {
		server.TLSNextProto[protocol] = serveLink
	}
	server.Protocols.SetHTTP1(true)
	server.SetKeepAlivesEnabled(!b.OneRequest)
	closeUnusedOnShutdown(server)
	return server
}

// closeUnusedOnShutdown makes Shutdown close connections without any request at once. Clients keep such connections in
// reserve, and Shutdown would wait five seconds for their first request.
func closeUnusedOnShutdown(server *http.Server) {
	var mu sync.Mutex
	unused := make(map[net.Conn]struct{})
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if state == http.StateNew {
			unused[conn] = struct{}{}
		} else {
			delete(unused, conn)
		}
	}
	server.RegisterOnShutdown(func() {
		mu.Lock()
		defer mu.Unlock()
		for conn := range unused {
			conn.Close()
		}
	})
}

// ServeHTTP answers clients and other nodes (storage-2.0.md section 1.2).
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.serving.RLock()
	defer n.serving.RUnlock()
	if n.closed {
		panic(http.ErrAbortHandler)
	}
	switch {
	case clients.FromBrowser(r):
		n.write(w, fromBrowser)
	case r.Method == http.MethodPost && r.URL.Path == storage.PingPath:
		n.servePing(w)
	case r.Method == http.MethodPost && !n.members.View().Ready():
		n.write(w, n.notReady(r))
	case r.Method == http.MethodPost:
		n.servePost(w, r)
	case r.Method == http.MethodGet && r.URL.Path == storage.StatsPath:
		n.write(w, n.texts.stats)
	default:
		n.write(w, n.texts.elsewhere(r))
	}
}

// fromBrowser is the answer to a request of a web page in a browser.
var fromBrowser = bareAnswer(http.StatusForbidden, "requests from web pages are refused")

// write sends an answer.
func (n *Node) write(w http.ResponseWriter, a answer) {
	n.writeHead(w, a.status, a.contentType, int64(len(a.body)))
	w.Write(a.body) // the client notices an error
}

// writeHead sends everything but the body, whose length may be -1 for unknown. Date is the node's clock, from which
// clients compute the offset of their own.
func (n *Node) writeHead(w http.ResponseWriter, status int, contentType string, length int64) {
	header := w.Header()
	header["Content-Type"] = nil // keeps net/http from guessing one
	if contentType != typeNone {
		header["Content-Type"] = []string{contentType}
	}
	if length >= 0 {
		header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	n.behaviour.SetHeader(header, n.now())
	w.WriteHeader(status)
}

// pingHeader is the header of a ping's answer with the node's key in base64 (storage-2.8.md section 1.2).
const pingHeader = "X-Oxen-Snode-Pubkey"

// servePing answers the reachability test of nodes of 2.8, also when this node belongs to no swarm.
func (n *Node) servePing(w http.ResponseWriter) {
	public := n.keys.Ed25519.Public()
	w.Header().Set(pingHeader, base64.StdEncoding.EncodeToString(public[:]))
	n.write(w, textAnswer(storage.StatusOK, ""))
}

// notReady returns the answer of a node that belongs to no swarm. To a relay it names this node as the failing hop.
func (n *Node) notReady(r *http.Request) answer {
	if passedHops(r) > 0 {
		return bareAnswer(storage.StatusNotReady, onion.TextNotReady+n.keys.Name())
	}
	return n.texts.notReady
}

func (n *Node) servePost(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case storage.RPCPath:
		n.serveStorage(w, r)
	case onion.V1.Path():
		n.withBody(w, r, func(body []byte) { n.serveOnion(w, r, onion.V1, body) })
	case onion.V2.Path():
		n.withBody(w, r, func(body []byte) { n.serveOnion(w, r, onion.V2, body) })
	case onion.ProxyPath:
		n.withBody(w, r, func(body []byte) { n.serveProxy(w, r, body) })
	case replication.PushPath, replication.DigestPath, replication.NamesPath, replication.FetchPath,
		replication.OfferPath:
		n.fromPeer(w, r, n.serveReplication)
	case ForwardPath:
		n.fromPeer(w, r, n.serveForwarded)
	case link.ForwardPath:
		n.serveGroup(w, r)
	default:
		n.write(w, n.texts.elsewhere(r))
	}
}

// serveStorage answers a storage request that did not come in an onion.
func (n *Node) serveStorage(w http.ResponseWriter, r *http.Request) {
	if !n.limiter.Allow(r.RemoteAddr, n.now()) {
		n.write(w, n.texts.manyRequests)
		return
	}
	if r.Header.Get(longPollHeader) != "" && n.texts.longPoll != nil {
		n.write(w, *n.texts.longPoll)
		return
	}
	n.withBody(w, r, func(body []byte) {
		result := n.storageRPC(r.Context(), body)
		if r.Header.Get(longPollHeader) != "" {
			n.pause(r.Context(), longPollDelay)
		}
		n.write(w, result)
	})
}

// pause waits for delay. It ends early if the client disconnects or the node is closing.
func (n *Node) pause(ctx context.Context, delay time.Duration) {
	if delay == 0 {
		return
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	case <-n.closing:
	}
}

// withBody reads the request's body and serves it. An incomplete body gets no answer, because its client is gone.
func (n *Node) withBody(w http.ResponseWriter, r *http.Request, serve func(body []byte)) {
	body, done, err := n.largeBodies.readBody(w, r)
	defer done()
	switch {
	case err == nil:
		serve(body)
	case errors.Is(err, errBodyTooLarge) && !n.behaviour.HangUpOnLarge:
		n.write(w, tooLarge)
	default:
		panic(http.ErrAbortHandler)
	}
}
