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
	"sessiontool/lib/storage/tickets"
)

// ErrUnreachable reports that no complete HTTP answer arrived: the connection was refused, cut, not TLS, or too slow.
var ErrUnreachable = errors.New("no answer")

// ErrTooLarge reports an answer of more than [storage.MaxBodyBytes].
var ErrTooLarge = errors.New("answer is too large")

// ErrPin reports a seed whose certificate is not the pinned one. It wraps [ErrCertificate].
var ErrPin = fmt.Errorf("%w: it is not the pinned one", ErrCertificate)

// ErrCertificate reports a seed without a pin whose certificate no authority confirms: it is expired, self-signed or
// that of another host. The dates of a pinned certificate do not count.
var ErrCertificate = errors.New("the seed's certificate is refused")

// Bounds of the client. The caller's context bounds the time of a whole exchange.
const (
	connectTimeout = 10 * time.Second // for TCP, and again for TLS
	idleTimeout    = 60 * time.Second
	// maxIdlePerHost is the connections to a node that are kept for the next requests: a batch has a hundred requests
	// under way through three guards, and each handshake costs as much as the onions of a message.
	maxIdlePerHost = 64
	// maxSessions is how many TLS sessions are kept, in memory: servers of 2020 serve one request per connection.
	maxSessions    = 64
	maxHeaderBytes = 16 << 10
)

// Answer is a complete HTTP answer. Date and LastModified are those headers, or zero if the server sent none. Nodes of
// 2020 send neither. Seeds of 2020 send only Last-Modified, which is the time of their answer.
type Answer struct {
	Status       int
	Body         []byte
	Date         time.Time
	LastModified time.Time
}

// Time returns the time of a server that does not cache its answers: Date, else Last-Modified. It is zero if the answer
// has neither.
func (a Answer) Time() time.Time {
	if a.Date.IsZero() {
		return a.LastModified
	}
	return a.Date
}

// Client makes HTTP requests to nodes and seeds. It keeps and reuses connections if the server allows it. It is safe
// for concurrent use.
type Client struct {
	dial   DialFunc
	proxy  Proxy
	nodes  *http.Client
	seeds  *http.Client
	pinned map[string]*http.Client // seeds by URL
}

// NewClient makes a client. It does not verify certificates of nodes: they are self-signed, and the onion layer binds a
// node to its keys. It verifies certificates of https seeds as usual, unless they are pinned ([Client.PinSeed]). It
// takes no proxy from the environment.
func NewClient() *Client { return NewClientOver(nil, Proxy{}) }

// DialFunc opens a connection, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// NewClientOver is [NewClient] with connections that dial opens, or a net.Dialer if dial is nil, and a proxy.
func NewClientOver(dial DialFunc, proxy Proxy) *Client {
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	c := &Client{dial: dial, proxy: proxy, pinned: make(map[string]*http.Client)}
	c.nodes = c.newHTTPClient(nodeTLS())
	c.seeds = c.newHTTPClient(&tls.Config{MinVersion: tls.VersionTLS12})
	return c
}

// NewClientThrough is [NewClient] with a transport in place of connections, for simulations of a network.
func NewClientThrough(transport http.RoundTripper) *Client {
	client := withoutRedirects(transport)
	return &Client{nodes: client, seeds: client, pinned: make(map[string]*http.Client)}
}

// PinSeed makes [Client.PostSeed] accept, for this URL, only the certificate with this SHA-256 digest, not even another
// one from a certificate authority. Call it before the client is used.
func (c *Client) PinSeed(url string, certificate [sha256.Size]byte) {
	c.pinned[url] = c.newHTTPClient(&tls.Config{
		MinVersion: tls.VersionTLS12,
		// The seeds of the real network have self-signed certificates: only the digest is checked.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if sha256.Sum256(state.PeerCertificates[0].Raw) != certificate {
				return ErrPin
			}
			return nil
		},
	})
}

// nodeTLS is the configuration for nodes, which have certificates of their own making: the onion layers bind a node to
// its keys.
func nodeTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
}

// KeepSessions makes connections to nodes resume the TLS sessions of a cache, unless they go through a proxy: a ticket
// would show a node that two clients behind a proxy are one. It must be called before the first request.
func (c *Client) KeepSessions(sessions *tickets.Cache) {
	if !c.proxy.IsZero() || c.dial == nil {
		return
	}
	transport := c.newTransport(nodeTLS())
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := c.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := nodeTLS()
		config.ClientSessionCache = sessions.For(conn)
		secure := tls.Client(conn, config)
		ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, errHandshakeTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secure, nil
	}
	c.nodes = withoutRedirects(transport)
}

var errHandshakeTimeout = errors.New("the TLS handshake takes too long")

func (c *Client) newHTTPClient(config *tls.Config) *http.Client {
	return withoutRedirects(c.newTransport(config))
}

func (c *Client) newTransport(config *tls.Config) *http.Transport {
	config.ClientSessionCache = tls.NewLRUClientSessionCache(maxSessions)
	transport := &http.Transport{
		TLSClientConfig:        config,
		DialContext:            c.dial,
		TLSHandshakeTimeout:    connectTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true, // a small answer must not become a large one
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	c.proxy.use(transport)
	return transport
}

func withoutRedirects(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: transport,
		// A redirect is an answer like any other: a server may not choose where the client sends its request.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close closes idle connections, so that no goroutine of the client is left.
func (c *Client) Close() {
	c.nodes.CloseIdleConnections()
	c.seeds.CloseIdleConnections()
	for _, pinned := range c.pinned {
		pinned.CloseIdleConnections()
	}
}

// PostNode posts body to a path of the node at ip and port. Every status is an answer. If the node closes a kept
// connection without an answer, the body is sent again over a new one: servers close idle connections after 10 s, and
// every request to a node is idempotent. The error wraps ErrUnreachable, ErrProxy or ErrTooLarge; if ctx has ended, it
// is the cause of ctx.
func (c *Client) PostNode(ctx context.Context, ip string, port uint16, path string, body []byte) (Answer, error) {
	return do(ctx, c.nodes, http.MethodPost, nodeURL(ip, port, path), body, repeatable)
}

// GetNode gets a path of the node at ip and port. Errors are those of [Client.PostNode].
func (c *Client) GetNode(ctx context.Context, ip string, port uint16, path string) (Answer, error) {
	return do(ctx, c.nodes, http.MethodGet, nodeURL(ip, port, path), nil, repeatable)
}

// PostSeed posts a JSON-RPC body to a seed's URL. Errors are those of [Client.PostNode], or ErrPin.
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
	read, err := readBody(response)
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

// trustedLength is up to which size memory is taken for a body because its header says so. Of a longer body so much must
// have come.
const trustedLength = 64 << 10

// readBody reads a body of up to one byte more than may be. A length in the header saves copies.
func readBody(response *http.Response) ([]byte, error) {
	length := response.ContentLength
	if length <= 0 || length > storage.MaxBodyBytes {
		return io.ReadAll(io.LimitReader(response.Body, storage.MaxBodyBytes+1))
	}
	read := make([]byte, min(length, trustedLength))
	_, err := io.ReadFull(response.Body, read)
	if err != nil || length <= trustedLength {
		return read, err
	}
	all := make([]byte, length)
	_, err = io.ReadFull(response.Body, all[copy(all, read):])
	return all, err
}

// unreachable returns the cause of ctx if ctx has ended, and otherwise ErrUnreachable, ErrProxy, ErrNoIPv4,
// ErrCertificate or ErrPin. It keeps only the text of the cause: a slow connect must not match
// context.DeadlineExceeded.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	wrong := (*tls.CertificateVerificationError)(nil)
	switch {
	case errors.Is(err, ErrPin):
		return ErrPin
	case proxyFault(err):
		return fmt.Errorf("%w: %v", ErrProxy, err)
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: %v", ErrCertificate, wrong.Err)
	case lacksIPv4(err):
		return fmt.Errorf("%w: %v", ErrNoIPv4, err)
	}
	return fmt.Errorf("%w: %v", ErrUnreachable, err)
}
