package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/rpc"
)

// Between nodes a URL has the node's address ("....snode"), which is its Ed25519 key, in the place of a host. TLS names
// it to the server, the server then shows a certificate of that very key, and the client checks it: so the one who
// answers is the node that was meant, wherever the connection leads.

// newPeerClient makes the HTTP client for requests to other nodes. find looks up a node by its address, dial opens
// connections.
func newPeerClient(find func(address string) *ring.Peer, dial DialFunc) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: true, // no authority knows nodes
				VerifyConnection:   ring.VerifyPeer,
				MinVersion:         tls.VersionTLS12,
				ClientSessionCache: tls.NewLRUClientSessionCache(256),
			},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				to := find(host)
				if to == nil {
					return nil, fmt.Errorf("node %s is no longer listed", host)
				}
				return dial(ctx, network, to.HostPort)
			},
			TLSHandshakeTimeout:    hopTimeout,
			MaxIdleConnsPerHost:    32,
			IdleConnTimeout:        idleTimeout / 2, // hang up before the other node does
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newPeerRequest makes a POST to another node that may be sent again if a kept connection turns out to be dead: all
// kinds of request between nodes may arrive twice without harm.
func newPeerRequest(ctx context.Context, to *ring.Peer, path string, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+to.Address()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header["Idempotency-Key"] = nil // not sent; tells net/http that it may repeat the request
	request.Header["User-Agent"] = nil
	return request, nil
}

// peerTimeout bounds one signed request between nodes (storage-2.0.md section 8.1).
const peerTimeout = 15 * time.Second

// errPeerRefused reports a request that will be refused however often it is repeated.
var errPeerRefused = errors.New("peer refuses the request")

// caller makes signed requests to other nodes. It is safe for concurrent use.
type caller struct {
	client *http.Client
	keys   ring.Keys
	now    func() time.Time
}

// call posts a signed body to a path of another node and returns the body of its answer, which must have status 200 and
// at most maxAnswer bytes. The error is errPeerRefused if there is no point in trying again.
func (c *caller) call(ctx context.Context, to *ring.Peer, path string, body []byte, maxAnswer int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	status, answer, err := c.post(ctx, to, path, body, maxAnswer)
	if err != nil {
		return nil, err
	}
	switch status {
	case rpc.StatusOK:
		return answer, nil
	case rpc.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusNotFound:
		return nil, fmt.Errorf("%w: status %d: %.200q", errPeerRefused, status, answer)
	}
	return nil, fmt.Errorf("status %d: %.200q", status, answer)
}

// post posts a signed body to a path of another node and returns its answer of at most maxAnswer bytes.
func (c *caller) post(ctx context.Context, to *ring.Peer, path string, body []byte, maxAnswer int64) (status int, answer []byte, err error) {
	request, err := newPeerRequest(ctx, to, path, body)
	if err != nil {
		return 0, nil, err
	}
	sign(request.Header, c.keys, to.Name(), path, c.now(), body)
	response, err := c.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && int64(len(answer)) > maxAnswer {
		err = fmt.Errorf("answer exceeds %d bytes", maxAnswer)
	}
	return response.StatusCode, answer, err
}
