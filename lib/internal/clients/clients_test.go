package clients

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
)

func TestLimiter(t *testing.T) {
	l, now := NewLimiter(300, 600), time.Now()
	count := func(remote string, at time.Time) (passed int) {
		for range 1000 {
			if l.Allow(remote, at) {
				passed++
			}
		}
		return passed
	}
	if got := count("192.0.2.1:1000", now); got != 600 {
		t.Errorf("%d of 1000 at once pass, want 600", got)
	}
	if got := count("192.0.2.1:2000", now.Add(time.Second)); got != 300 {
		t.Errorf("%d pass a second later from another port, want 300", got)
	}
	if got := count("192.0.2.2:1000", now); got != 600 {
		t.Errorf("%d from another address pass, want 600", got)
	}
	if got := count("[::ffff:192.0.2.2]:1000", now); got != 0 {
		t.Errorf("%d from the same address written as IPv6 pass, want 0", got)
	}
	if got := count("[2001:db8::1]:1000", now) + count("[2001:db8::2]:1000", now); got != 600 {
		t.Errorf("%d from one IPv6 network pass, want 600", got)
	}
	if l.Allow("nonsense", now) {
		t.Error("a client without address passes")
	}
	if got := NewLimiter(0, 0); !got.Allow("192.0.2.1:1000", now) {
		t.Error("no limit limits")
	}
}

// The table of addresses is bounded. Idle ones make room; if none is idle, new ones are refused.
func TestLimiterIsBounded(t *testing.T) {
	l, now := NewLimiter(1, 2), time.Now()
	for i := range maxAddresses {
		if !l.Allow(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), now) {
			t.Fatalf("address %d is refused", i)
		}
	}
	if l.Allow("192.0.2.1:1", now) || len(l.buckets) != maxAddresses {
		t.Errorf("an address too many is let in; %d are kept", len(l.buckets))
	}
	if !l.Allow("192.0.2.1:1", now.Add(2*time.Second)) || len(l.buckets) != 1 {
		t.Errorf("two seconds later there is no room; %d are kept", len(l.buckets))
	}
}

// Pages of other sites are refused, whether the browser says where a request comes from or a name leads here.
func TestBrowsersAreRefused(t *testing.T) {
	reached := 0
	handler := RefuseBrowsers(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	for _, test := range []struct {
		host, local string
		header      http.Header
		want        int
	}{
		{"127.0.0.1:22023", "127.0.0.1", nil, 200},
		{"[::1]:22023", "::1", nil, 200},
		{"localhost:22023", "127.0.0.1", nil, 200},
		{"x", "127.0.0.1", nil, 200},
		{"abc.snode", "127.0.0.1", nil, 200},
		{"seed.example.org", "192.0.2.1", nil, 200},
		{"127.0.0.1:22023", "127.0.0.1",
			http.Header{"Origin": {"http://127.0.0.1:22023"}, "Sec-Fetch-Site": {"same-origin"}}, 200},
		{"127.0.0.1:22023", "127.0.0.1", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"127.0.0.1:22023", "127.0.0.1", http.Header{"Origin": {"null"}}, 403},
		{"127.0.0.1:22023", "127.0.0.1", http.Header{"Origin": {""}}, 403},
		{"127.0.0.1:22023", "127.0.0.1", http.Header{"Origin": {"http://127.0.0.1:22023", "http://evil.example"}}, 403},
		{"127.0.0.1:22023", "127.0.0.1", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"seed.example.org", "192.0.2.1", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"rebound.evil.example:22023", "127.0.0.1", nil, 403},
		{"rebound.evil.example.", "::1", nil, 403},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		local := &net.TCPAddr{IP: net.ParseIP(test.local), Port: 22023}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
		r.Host = test.host
		if test.header != nil {
			r.Header = test.header
		}
		w := httptest.NewRecorder()
		before := reached
		handler.ServeHTTP(w, r)
		if w.Code != test.want || (reached > before) != (test.want == 200) {
			t.Errorf("%s at %s with %v: status %d, want %d", test.host, test.local, test.header, w.Code, test.want)
		}
	}
}

// At the total limit a new connection replaces the one that was idle for longest; the number of open ones is bounded.
func TestListenerIsBounded(t *testing.T) {
	const most = 3
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := NewListener(tcp, most, 100)
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	var ours []net.Conn
	for i := range most + 2 {
		conn, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		accepted.(*limitedConn).active.Store(int64(i)) // idle since then
		ours = append(ours, conn)
	}
	if listener.count != most {
		t.Errorf("%d connections are open, want %d", listener.count, most)
	}
	for i, conn := range ours[:2] {
		if err := conn.SetReadDeadline(time.Now().Add(await.Hang)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is still open: %v", i, err)
		}
	}
}
