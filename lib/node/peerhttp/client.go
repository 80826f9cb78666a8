// Package peerhttp makes and verifies the HTTP requests of service nodes to each other.
//
// The sender's node key signs every request for one receiver, path, body and time ([Sign], [Verify]). The client checks
// in TLS that the receiver has the key of the intended node ([NewClient]). A request without a valid signature is
// refused before its body is read. All requests between nodes are idempotent, so that a retry or a replay needs no
// state.
package peerhttp

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
	"sessiontool/lib/storage"
)

const (
	// handshakeTimeout bounds the TLS handshake with a node.
	handshakeTimeout = 10 * time.Second
	// keepFor is the time for which an idle connection is kept. It is half of what the other node allows, so that this
	// side closes it.
	keepFor = time.Minute
	// maxAnswerHeader bounds the header of an answer.
	maxAnswerHeader = 8 << 10
)

// A URL between nodes has the node's address ("....snode"), its Ed25519 key, in the place of a host. TLS sends it as
// the server name. The server presents a certificate of that key, and the client verifies the key. So only the intended
// node can answer, whatever the IP address leads to.

// NewClient makes the HTTP client for requests to other nodes. find returns the listed node with an address, or nil.
// dial opens connections. Redirects are not followed.
func NewClient(
	find func(address string) *ring.Peer, dial func(ctx context.Context, network, address string) (net.Conn, error),
) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				InsecureSkipVerify: true, // no authority certifies nodes; VerifyPeer checks the key
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
			TLSHandshakeTimeout:    handshakeTimeout,
			MaxIdleConnsPerHost:    128,
			IdleConnTimeout:        keepFor,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxAnswerHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NewRequest makes an unsigned POST to another node. net/http may send it again if a kept connection turns out to be
// closed: all requests between nodes are idempotent.
func NewRequest(ctx context.Context, to *ring.Peer, path string, body []byte) (*http.Request, error) {
	url := "https://" + to.Address() + path
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header["Idempotency-Key"] = nil // not sent; allows net/http to repeat the request
	request.Header["User-Agent"] = nil
	return request, nil
}

// callTimeout bounds one signed request between nodes (storage-2.0.md section 8.1).
const callTimeout = 15 * time.Second

// ErrRefused reports a request for which a retry is pointless: status 400, 404 or 413.
var ErrRefused = errors.New("peer refuses the request")

// Caller makes signed requests to other nodes. All fields are required. It is safe for concurrent use.
type Caller struct {
	Client *http.Client
	Keys   ring.Keys
	Now    func() time.Time
}

// Call posts a signed body to a path of another node and returns the body of its answer, which must have status 200
// and at most maxAnswer bytes. It takes at most 15 s. The error may be ErrRefused.
func (c *Caller) Call(ctx context.Context, to *ring.Peer, path string, body []byte, maxAnswer int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, answer, err := c.Post(ctx, to, path, body, maxAnswer)
	if err != nil {
		return nil, err
	}
	switch status {
	case storage.StatusOK:
		return answer, nil
	case storage.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusNotFound:
		return nil, fmt.Errorf("%w: status %d: %.200q", ErrRefused, status, answer)
	}
	return nil, fmt.Errorf("status %d: %.200q", status, answer)
}

// Post posts a signed body to a path of another node and returns the status and the body of its answer. A body of more
// than maxAnswer bytes is an error. Only ctx bounds its time.
func (c *Caller) Post(
	ctx context.Context, to *ring.Peer, path string, body []byte, maxAnswer int64,
) (status int, answer []byte, err error) {
	request, err := NewRequest(ctx, to, path, body)
	if err != nil {
		return 0, nil, err
	}
	Sign(request.Header, c.Keys, to.Name(), path, c.Now(), body)
	response, err := c.Client.Do(request)
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
