package storagehttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/fakeproxy"
	"sessiontool/lib/internal/await"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// startNode starts a server as nodes are. It counts the connections that do not come from a proxy by their absence at
// the proxy.
func startNode(t *testing.T, connections *int) (host string, port uint16) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			*connections++
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	address := server.Listener.Addr().(*net.TCPAddr)
	return address.IP.String(), uint16(address.Port)
}

func proxied(t *testing.T, url, except string) *Client {
	t.Helper()
	proxy, err := ParseProxy(url)
	if err != nil {
		t.Fatal(err)
	}
	client := NewClientOver(nil, proxy.Except(except))
	t.Cleanup(client.Close)
	return client
}

// Each connection goes through the proxy, and a failure of the proxy is told from one of the server.
func TestProxy(t *testing.T) {
	kinds := map[string]func(net.Listener) *fakeproxy.Proxy{
		"socks5h": fakeproxy.SOCKS, "socks5": fakeproxy.SOCKS, "http": fakeproxy.HTTP,
	}
	for scheme, start := range kinds {
		t.Run(scheme, func(t *testing.T) {
			connections := 0
			host, port := startNode(t, &connections)
			listener := listen(t)
			proxy := start(listener)
			defer proxy.Stop()
			client := proxied(t, scheme+"://"+listener.Addr().String(), "")
			answer, err := client.PostNode(t.Context(), host, port, "/", []byte("hello"))
			if err != nil || string(answer.Body) != "hello" {
				t.Fatalf("answer %q, %v", answer.Body, err)
			}
			// The proxy resolves names.
			if answer, err := client.PostNode(t.Context(), "localhost", port, "/", []byte("again")); err != nil ||
				string(answer.Body) != "again" || strings.Join(proxy.Named(), " ") != "localhost" {
				t.Errorf("answer %q, %v; the proxy was given the names %q", answer.Body, err, proxy.Named())
			}
			if proxy.Made() != connections || connections != 2 {
				t.Errorf("%d connections at the node, %d of them through the proxy", connections, proxy.Made())
			}
			closed := listen(t)
			closed.Close()
			_, err = client.PostNode(t.Context(), "127.0.0.1", uint16(closed.Addr().(*net.TCPAddr).Port), "/", nil)
			if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrProxy) {
				t.Errorf("a server that is down: %v", err)
			}
			proxy.Stop()
			_, err = client.PostNode(t.Context(), host, port, "/", nil)
			if !errors.Is(err, ErrProxy) || errors.Is(err, ErrUnreachable) {
				t.Errorf("a proxy that is down: %v", err)
			}
		})
	}
}

// A server that speaks another protocol than the proxy's URL says, or wants a password, is a fault of the proxy.
func TestProxyIsNone(t *testing.T) {
	connections := 0
	host, port := startNode(t, &connections)
	for name, start := range map[string]func(net.Listener) *fakeproxy.Proxy{
		"http://": func(l net.Listener) *fakeproxy.Proxy { return fakeproxy.Refuser(l, http.StatusProxyAuthRequired) },
		"socks5h://": func(l net.Listener) *fakeproxy.Proxy {
			return fakeproxy.Refuser(l, http.StatusBadRequest)
		},
	} {
		listener := listen(t)
		proxy := start(listener)
		client := proxied(t, name+listener.Addr().String(), "")
		ctx, cancel := context.WithTimeout(t.Context(), await.Hang)
		if _, err := client.PostNode(ctx, host, port, "/", nil); !errors.Is(err, ErrProxy) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		proxy.Stop()
	}
	if connections != 0 {
		t.Errorf("%d connections reach the node", connections)
	}
}

// A proxy that accepts connections and answers nothing is at fault itself. One that has no answer of a server yet is not.
func TestProxyHangs(t *testing.T) {
	for _, scheme := range []string{"socks5h", "http"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			silent := listen(t) // connections wait in its backlog
			defer silent.Close()
			client := proxied(t, scheme+"://"+silent.Addr().String(), "")
			for range 3 { // the time of a test is that of the first
				if _, err := client.PostNode(t.Context(), "192.0.2.1", 1, "/", nil); !errors.Is(err, ErrProxy) ||
					!strings.Contains(err.Error(), "does not answer") {
					t.Errorf("%v", err)
				}
			}
		})
	}
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		listener := listen(t)
		asked := make(chan string, 2)
		proxy := &http.Server{DisableGeneralOptionsHandler: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- r.Method
			if r.Method == http.MethodConnect {
				<-r.Context().Done()
			}
		})}
		go proxy.Serve(listener)
		defer proxy.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		go func() {
			for range cap(asked) {
				<-asked
			}
			cancel(stopped) // the proxy has answered by itself
		}()
		_, err := proxied(t, "http://"+listener.Addr().String(), "").PostNode(ctx, "192.0.2.1", 1, "/", nil)
		if errors.Is(err, ErrProxy) {
			t.Errorf("%v", err)
		}
	})
}

// Every host is reached through the proxy, this machine's addresses among them, unless it is an exception.
func TestProxyExcept(t *testing.T) {
	closed := listen(t)
	closed.Close()
	for _, scheme := range []string{"http", "socks5h"} {
		connections := 0
		host, port := startNode(t, &connections)
		own := net.JoinHostPort(host, strconv.Itoa(int(port)))
		for _, c := range []struct {
			except, host string
			direct       bool
		}{
			{"", host, false}, {"localhost", host, false}, {host, host, true}, {own, host, true},
			{own + "0", host, false}, {"127.0.0.0/8", "localhost", false}, {"localhost", "localhost", true},
			{host, "192.0.2.1", false},
		} {
			_, err := proxied(t, scheme+"://"+closed.Addr().String(), c.except).PostNode(t.Context(), c.host, port, "/", nil)
			if c.direct != (err == nil) || !c.direct && !errors.Is(err, ErrProxy) {
				t.Errorf("%s, except %q: %s answers %v", scheme, c.except, c.host, err)
			}
		}
	}
}

// A proxy whose machine is gone is waited for once, as is one that hangs. One that refuses at once is asked again.
func TestProxyIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			takes time.Duration
			dials int
		}{{0, 3}, {3 * time.Second, 1}} {
			proxy, err := ParseProxy("socks5h://192.0.2.1:1080")
			if err != nil {
				t.Fatal(err)
			}
			dials := 0
			dial := func(context.Context, string, string) (net.Conn, error) {
				dials++
				time.Sleep(c.takes)
				return nil, syscall.EHOSTUNREACH
			}
			for range 3 {
				if _, err := proxy.reach(t.Context(), dial); !errors.Is(err, ErrProxy) {
					t.Errorf("after %s: %v", c.takes, err)
				}
			}
			if dials != c.dials {
				t.Errorf("a failure after %s: dialled %d times", c.takes, dials)
			}
			time.Sleep(hungFor)
			if _, err := proxy.reach(t.Context(), dial); !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("later: %v", err)
			}
		}
	})
}

func TestParseProxy(t *testing.T) {
	for _, text := range []string{
		"", "127.0.0.1:9050", "socks4://127.0.0.1:1080", "http://", "socks5h://:1080", "http://host/path", "http://host?a",
		"http://host#a", "http://us er@host", "://",
	} {
		if proxy, err := ParseProxy(text); !errors.Is(err, ErrProxyURL) || !proxy.IsZero() {
			t.Errorf("%q: %v, %v", text, proxy, err)
		}
	}
	proxy, err := ParseProxy("socks5h://user:" + strconv.Itoa(12345) + "@[::1]:9050/")
	if err != nil || !proxy.HasPassword() || strings.Contains(proxy.String(), "12345") || proxy.address() != "[::1]:9050" {
		t.Errorf("%s, %s, %v", proxy, proxy.address(), err)
	}
	_, err = ParseProxy("ftp://user:secret@host")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
	for text, address := range map[string]string{
		"http://a": "a:80", "https://a": "a:443", "socks5://a": "a:1080", "socks5h://a": "a:1080",
	} {
		if proxy, err := ParseProxy(text); err != nil || proxy.address() != address || proxy.HasPassword() {
			t.Errorf("%s is at %s, %v", text, proxy.address(), err)
		}
	}
}
