// Package storagehttp is the HTTP client for service nodes and seeds.
package storagehttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"

	"sessiontool/lib/storage"
)

// ErrUnreachable reports that no whole HTTP answer came: refused, cut, not TLS, or too slow.
var ErrUnreachable = errors.New("no answer")

// ErrTooLarge reports an answer of more than [storage.MaxBodyBytes].
var ErrTooLarge = errors.New("answer is too large")

// ErrPin reports a seed that shows another certificate than the pinned one.
var ErrPin = errors.New("the seed's certificate is not the pinned one")

// Bounds of the client itself; the time for a whole exchange is the caller's context.
const (
	connectTimeout = 10 * time.Second // for TCP, and again for TLS
	idleTimeout    = 60 * time.Second
	maxIdlePerHost = 8
	maxHeaderBytes = 16 << 10
)

// Answer is an HTTP answer, read whole. Date and LastModified are those headers, zero where the server sent none: nodes
// of 2020 send neither, seeds of 2020 only the second, which is the time of their answer.
type Answer struct {
	Status       int
	Body         []byte
	Date         time.Time
	LastModified time.Time
}

// Time is the clock of a server that makes its answers anew each time: its Date, else its Last-Modified. It is zero if
// the answer has neither.
func (a Answer) Time() time.Time {
	if a.Date.IsZero() {
		return a.LastModified
	}
	return a.Date
}

// Client talks HTTP to nodes and seeds. Connections are kept and reused where the server allows it.
// It is safe for concurrent use.
type Client struct {
	dial   DialFunc
	nodes  *http.Client
	seeds  *http.Client
	pinned map[string]*http.Client // seeds by URL
}

// NewClient makes a client. Nodes show self-signed certificates that prove nothing, so none is checked for them: what
// binds a node to its keys is the onion layer. Seeds over https are checked as usual, unless they are pinned.
// Environment proxies are not used, since they would see which nodes a user talks to.
func NewClient() *Client {
	return NewClientOver((&net.Dialer{Timeout: connectTimeout}).DialContext)
}

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// NewClientOver is NewClient with connections that dial opens.
func NewClientOver(dial DialFunc) *Client {
	return &Client{
		dial:   dial,
		nodes:  newHTTPClient(dial, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}),
		seeds:  newHTTPClient(dial, &tls.Config{MinVersion: tls.VersionTLS12}),
		pinned: make(map[string]*http.Client),
	}
}

// PinSeed makes PostSeed accept, for this URL, the one certificate with this SHA-256 digest and nothing else: not even
// one that an authority vouches for. rpc28.Call it before the client is used.
func (c *Client) PinSeed(url string, certificate [sha256.Size]byte) {
	c.pinned[url] = newHTTPClient(c.dial, &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The seeds of the real network sign their certificates themselves: the digest is the whole check.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if sha256.Sum256(state.PeerCertificates[0].Raw) != certificate {
				return ErrPin
			}
			return nil
		},
	})
}

func newHTTPClient(dial DialFunc, config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        config,
			DialContext:            dial,
			TLSHandshakeTimeout:    connectTimeout,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			IdleConnTimeout:        idleTimeout,
			DisableCompression:     true, // a small answer must not become a large one
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		// A redirect is an answer like any other: whom to ask is not for the asked to say.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close drops idle connections, so that no goroutine of the client is left behind.
func (c *Client) Close() {
	c.nodes.CloseIdleConnections()
	c.seeds.CloseIdleConnections()
	for _, pinned := range c.pinned {
		pinned.CloseIdleConnections()
	}
}

// PostNode posts body to a path of the node at ip and port. Any status is an answer. The body is sent again over a new
// connection if the node closed a kept connection without an answer: servers close idle connections after 10 s, and
// every request to a node may arrive twice without harm. The error wraps ErrUnreachable or ErrTooLarge or, if ctx has
// ended, is its cause.
func (c *Client) PostNode(ctx context.Context, ip string, port uint16, path string, body []byte) (Answer, error) {
	return do(ctx, c.nodes, http.MethodPost, nodeURL(ip, port, path), body, repeatable)
}

// GetNode gets a path of the node at ip and port. Errors are those of PostNode.
func (c *Client) GetNode(ctx context.Context, ip string, port uint16, path string) (Answer, error) {
	return do(ctx, c.nodes, http.MethodGet, nodeURL(ip, port, path), nil, repeatable)
}

// PostSeed posts a JSON-RPC body to a seed's URL. Errors are those of PostNode, or ErrPin.
func (c *Client) PostSeed(ctx context.Context, url string, body []byte) (Answer, error) {
	client, ok := c.pinned[url]
	if !ok {
		client = c.seeds
	}
	return do(ctx, client, http.MethodPost, url, body, nil)
}

func nodeURL(ip string, port uint16, path string) string {
	return "https://" + net.JoinHostPort(ip, strconv.Itoa(int(port))) + path
}

// repeatable is a header that is not sent. With it net/http repeats a request whose connection was closed before the
// answer.
var repeatable = http.Header{"Idempotency-Key": nil}

func do(ctx context.Context, client *http.Client, method, url string, body []byte, header http.Header) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(request.Header, header)
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, unreachable(ctx, err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(io.LimitReader(response.Body, storage.MaxBodyBytes+1))
	if err != nil {
		return Answer{}, unreachable(ctx, err)
	}
	if len(read) > storage.MaxBodyBytes {
		return Answer{}, ErrTooLarge
	}
	answer := Answer{Status: response.StatusCode, Body: read}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		answer.Date = date
	}
	if date, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		answer.LastModified = date
	}
	return answer, nil
}

// unreachable keeps what the caller decided, to stop or to wait no longer, apart from a peer that does not answer. Of
// the latter's cause only the text is kept: a slow connect would pass for context.DeadlineExceeded.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, ErrPin) {
		return ErrPin
	}
	return fmt.Errorf("%w: %v", ErrUnreachable, err)
}
