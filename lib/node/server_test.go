package node

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/node/replication"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// Everything that is not the storage RPC (storage-2.0.md section 1.2).
func TestOtherRequests(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/get_stats/v1", 200, "{\n    \"version\": \"2.0.7\"\n}"},
		{"GET", "/", 404, "unknown target for GET: /"},
		{"GET", "/storage_rpc/v1", 404, "unknown target for GET: /storage_rpc/v1"},
		{"GET", "/x?y=z", 404, "unknown target for GET: /x?y=z"},
		{"POST", "/nothing", 404, "unknown target for POST: /nothing"},
		{"POST", "/get_stats/v1", 404, "unknown target for POST: /get_stats/v1"},
		{"PUT", "/storage_rpc/v1", 400, ""},
		{"DELETE", "/", 400, ""},
		{"OPTIONS", "/storage_rpc/v1", 400, ""},
		{"HEAD", "/get_stats/v1", 400, ""},
	} {
		got := network.do(0, test.method, test.path, nil, nil)
		if got.status != test.status || got.body != test.body || got.contentType != nil {
			t.Errorf("%s %s: %v, want %d %q without type", test.method, test.path, got, test.status, test.body)
		}
	}
}

// A node in no swarm refuses every POST, and answers GET.
func TestNotReady(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{swarm.NoSwarm}, nil)
	for _, path := range []string{storage.RPCPath, "/onion_req", "/onion_req/v2", replication.PushPath, "/nothing"} {
		got := network.do(0, http.MethodPost, path, nil, []byte("{}"))
		if got.status != 503 || got.body != "Service node is not ready: not in any swarm; \n" ||
			got.contentType != nil {
			t.Errorf("POST %s: %v", path, got)
		}
	}
	if got := network.do(0, http.MethodGet, storage.StatsPath, nil, nil); got.status != 200 {
		t.Errorf("GET %s: %v", storage.StatsPath, got)
	}
}

func TestBodyLimit(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	padded := func(size int) string {
		body := `{"method":"x","params":{}}`
		return strings.Repeat(" ", size-len(body)) + body
	}
	if got := network.post(0, padded(storage.MaxBodyBytes)); got.status != 400 || got.body != "no method x" {
		t.Errorf("at the limit: %d %.40q", got.status, got.body)
	}
	// The server may answer or hang up before all is sent; both do.
	if got, err := network.try(0, http.MethodPost, storage.RPCPath, nil,
		[]byte(padded(storage.MaxBodyBytes+1))); err == nil && got.status != 413 {
		t.Errorf("over the limit: %d %.40q", got.status, got.body)
	}
	if got := network.post(0, `{"method":"x","params":{}}`); got.status != 400 {
		t.Errorf("afterwards: %v", got)
	}
}

// The Date of an answer is the node's own clock, wrong or not: clients learn from it.
func TestDateIsTheNodesClock(t *testing.T) {
	at := time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)
	network := startNetwork(t, []swarm.SwarmID{5}, frozen(at))
	response, err := network.client.Get("https://" + network.address(0) + storage.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if date := response.Header.Get("Date"); date != "Fri, 05 Jun 2020 12:00:00 GMT" {
		t.Errorf("Date is %q", date)
	}
}

// Several requests go over one connection, unlike at the 2020 server.
func TestKeepAlive(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	dials := 0
	transport := network.client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, kind, address string) (net.Conn, error) {
		dials++
		return dial(ctx, kind, address)
	}
	for range 5 {
		network.post(0, "{}")
	}
	if dials != 1 {
		t.Errorf("five requests took %d connections", dials)
	}
}

// Long polls wait two seconds, but not for a client that is gone or a node that closes.
func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		closed := make(chan struct{})
		close(closed)
		for _, test := range []struct {
			name    string
			ctx     context.Context
			closing chan struct{}
			want    time.Duration
		}{
			{"usual", t.Context(), make(chan struct{}), longPollDelay},
			{"client is gone", gone, make(chan struct{}), 0},
			{"node closes", t.Context(), closed, 0},
		} {
			n := bareNode(t)
			n.closing = test.closing
			request := httptest.NewRequestWithContext(test.ctx, http.MethodPost, storage.RPCPath,
				strings.NewReader("{}"))
			request.Header.Set(longPollHeader, "true")
			recorder, start := httptest.NewRecorder(), time.Now()
			n.ServeHTTP(recorder, request)
			if took := time.Since(start); took != test.want || recorder.Code != 400 {
				t.Errorf("%s: status %d after %v, want 400 after %v", test.name, recorder.Code, took, test.want)
			}
		}
	})
}

// A client that stops half way through its request gets no answer, and the node goes on.
func TestHalfARequest(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	conn, err := network.dialTLS(0, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn,
		"POST /storage_rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); len(answer) > 0 && err == nil {
		t.Errorf("half a request is answered with %q", answer)
	}
	conn.Close()
	if got := network.post(0, "{}"); got.status != 400 {
		t.Errorf("afterwards: %v", got)
	}
}
