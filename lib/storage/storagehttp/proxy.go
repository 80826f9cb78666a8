package storagehttp

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// ErrProxy reports that the proxy, and not the server behind it, is at fault: it is not reachable, it is not a proxy of
// that kind, or it refuses to serve this client.
var ErrProxy = errors.New("the proxy cannot be used")

// ErrProxyURL reports a text that names no proxy.
var ErrProxyURL = errors.New("not the URL of a proxy")

// proxySchemes are the kinds of proxies. A SOCKS proxy gets names, not addresses, so that it resolves them itself: socks5
// means the same as socks5h.
var proxySchemes = []string{"socks5h", "socks5", "http", "https"}

// Proxy is a proxy through which a [Client] makes all its connections. The zero value is no proxy.
type Proxy struct {
	url *url.URL
	// except has the hosts that are reached without it.
	except exceptions
	// hung is when the proxy was last found to hang, in Unix nanoseconds. All connections of a client share it.
	hung *atomic.Int64
}

// ParseProxy reads the URL of a proxy: socks5h, socks5, http or https, with a host. An http proxy has to allow CONNECT.
// The error wraps [ErrProxyURL] and does not show a password.
func ParseProxy(text string) (Proxy, error) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		return Proxy{}, fmt.Errorf("%w: it is malformed", ErrProxyURL)
	case !slices.Contains(proxySchemes, parsed.Scheme) || parsed.Hostname() == "":
		return Proxy{}, fmt.Errorf("%w: %q is not socks5h://HOST:PORT, http://HOST:PORT or https://HOST:PORT",
			ErrProxyURL, parsed.Redacted())
	case strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		return Proxy{}, fmt.Errorf("%w: %q has more than a host and a port", ErrProxyURL, parsed.Redacted())
	}
	parsed.Path = ""
	return Proxy{url: parsed, hung: new(atomic.Int64)}, nil
}

// Except returns the proxy with the hosts that are reached without it: a list in the form of NO_PROXY, of names, addresses
// and ranges of addresses, with or without ports, or * for all hosts.
func (p Proxy) Except(hosts string) Proxy {
	p.except = parseExceptions(hosts)
	return p
}

// IsZero reports whether there is no proxy.
func (p Proxy) IsZero() bool { return p.url == nil }

// HasPassword reports whether the URL has a password.
func (p Proxy) HasPassword() bool {
	if p.url == nil {
		return false
	}
	_, has := p.url.User.Password()
	return has
}

// String returns the URL without its password, or nothing.
func (p Proxy) String() string {
	if p.url == nil {
		return ""
	}
	return p.url.Redacted()
}

// Check connects to the proxy and asks it for nothing. The error wraps [ErrProxy] or is the context's.
func (p Proxy) Check(ctx context.Context) error {
	conn, err := p.reach(ctx, (&net.Dialer{}).DialContext)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Bounds for the proxy itself. Together they are shorter than the time for a seed, so that a proxy that hangs is not
// taken for a seed that does.
const (
	proxyTimeout = 4 * time.Second // for a connection, and for the first answer of a SOCKS proxy, which needs no server
	// connectPatience is how long an http proxy may be silent before it is asked whether it answers at all, for
	// probeTimeout at most: its answer to CONNECT takes as long as its connection to the server.
	connectPatience = 2 * time.Second
	probeTimeout    = 2 * time.Second
	// lateFailure is how long a failure takes that counts as a proxy that hangs, too: a system gives a machine that is
	// gone up after three seconds, and each request would wait for that.
	lateFailure = time.Second
	// hungFor is how long a proxy that hangs is not tried again. A command makes several requests in a row, and would
	// wait for each.
	hungFor = 8 * time.Second
)

// errProxySilent reports a proxy that hangs: it accepts no connection in time, or answers nothing on one.
var errProxySilent = fmt.Errorf("%w: it does not answer", ErrProxy)

// use makes a transport take the proxy for each connection.
func (p Proxy) use(transport *http.Transport) {
	if p.url == nil {
		return
	}
	direct := transport.DialContext
	if p.socks() {
		transport.Proxy = func(request *http.Request) (*url.URL, error) {
			if p.except.have(request.URL.Hostname(), portOf(request.URL)) {
				return nil, nil
			}
			return p.url, nil
		}
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address != p.address() {
				return direct(ctx, network, address)
			}
			conn, err := p.reach(ctx, direct)
			if err != nil {
				return nil, err
			}
			return &greeting{Conn: conn, proxy: p}, nil
		}
		return
	}
	// net/http would ask for plain http without CONNECT, which some proxies do not serve.
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err != nil || p.except.have(host, port) {
			return direct(ctx, network, address)
		}
		return p.connect(ctx, direct, address)
	}
}

func (p Proxy) socks() bool { return strings.HasPrefix(p.url.Scheme, "socks") }

// reach connects to the proxy itself.
func (p Proxy) reach(ctx context.Context, dial DialFunc) (net.Conn, error) {
	if time.Since(time.Unix(0, p.hung.Load())) < hungFor {
		return nil, errProxySilent
	}
	dialing, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	begun := time.Now()
	conn, err := dial(dialing, "tcp", p.address())
	if err == nil && p.url.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: p.url.Hostname(), MinVersion: tls.VersionTLS12})
		if err = secure.HandshakeContext(dialing); err != nil {
			conn.Close()
		}
		conn = secure
	}
	late := net.Error(nil)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case dialing.Err() != nil, errors.As(err, &late) && late.Timeout():
		return nil, fmt.Errorf("%w: no connection within %s", p.hangs(), proxyTimeout)
	case time.Since(begun) >= lateFailure:
		_ = p.hangs() // the error of the system says more
	}
	return nil, fmt.Errorf("%w: %w", ErrProxy, err)
}

// hangs records that the proxy hangs, and returns the error for it.
func (p Proxy) hangs() error {
	p.hung.Store(time.Now().UnixNano())
	return errProxySilent
}

// connect asks an http proxy for a connection to address (RFC 9110 section 9.3.6).
func (p Proxy) connect(ctx context.Context, dial DialFunc, address string) (_ net.Conn, err error) {
	conn, err := p.reach(ctx, dial)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	watch := time.AfterFunc(connectPatience, func() {
		if p.silent(ctx, dial) {
			cancel(p.hangs())
		}
	})
	defer func() {
		watch.Stop()
		if !stop() {
			err = context.Cause(ctx)
		}
		if err != nil {
			conn.Close()
		}
	}()
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address,
		Header: make(http.Header)}
	if user := p.url.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
		request.Header["Proxy-Authorization"] = request.Header["Authorization"]
		request.Header.Del("Authorization")
	}
	if err := request.Write(conn); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	// The server says nothing before the client does, so the reader takes no bytes of the server.
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeaderBytes)), request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	switch {
	case answer.StatusCode == http.StatusOK:
		return conn, nil
	case answer.StatusCode < http.StatusInternalServerError || answer.StatusCode == http.StatusNotImplemented:
		return nil, fmt.Errorf("%w: it answers CONNECT with %.80q", ErrProxy, answer.Status)
	}
	return nil, fmt.Errorf("the proxy has no way to the server: it answers CONNECT with %.80q", answer.Status)
}

// silent reports whether an http proxy answers not even a request that it can answer alone (RFC 9110 section 7.6.2).
// Any answer and any end of the connection will do.
func (p Proxy) silent(ctx context.Context, dial DialFunc) bool {
	probing, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := p.reach(probing, dial)
	if err != nil {
		return ctx.Err() == nil && probing.Err() != nil
	}
	defer conn.Close()
	stop := context.AfterFunc(probing, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintf(conn, "OPTIONS * HTTP/1.1\r\nHost: %s\r\nMax-Forwards: 0\r\n\r\n", p.url.Host); err == nil {
		_, _ = conn.Read(make([]byte, 1))
	}
	return ctx.Err() == nil && probing.Err() != nil
}

// greeting is a connection to a SOCKS proxy. Its first Read ends after proxyTimeout.
type greeting struct {
	net.Conn
	proxy   Proxy
	greeted bool // by the proxy; only the one reader of a connection uses it
}

// Read implements [net.Conn].
func (g *greeting) Read(b []byte) (n int, err error) {
	if g.greeted {
		return g.Conn.Read(b)
	}
	late := time.AfterFunc(proxyTimeout, func() { g.Conn.Close() })
	n, err = g.Conn.Read(b)
	if !late.Stop() && n == 0 {
		err = g.proxy.hangs()
	}
	g.greeted = n > 0
	return n, err
}

// address is the address of the proxy as net/http dials it.
func (p Proxy) address() string { return net.JoinHostPort(p.url.Hostname(), portOf(p.url)) }

// portOf returns the port of a URL, which may be the usual one of its scheme.
func portOf(at *url.URL) string {
	usual := map[string]string{"http": "80", "https": "443"}[at.Scheme]
	return cmp.Or(at.Port(), usual, "1080")
}

// proxyFault reports whether the error of an exchange is the fault of a proxy. The SOCKS client of net/http has no error
// values: only a reply about the server is an "unknown error".
func proxyFault(err error) bool {
	if errors.Is(err, ErrProxy) {
		return true
	}
	operation := (*net.OpError)(nil)
	return errors.As(err, &operation) && operation.Op == "socks connect" &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) &&
		!strings.Contains(err.Error(), "unknown error")
}
