package node

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
)

// A client of 2020 stores and retrieves through a node that passes its requests on, or that they are for.
func TestProxy(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{1 << 62, 3 << 62},
		func(_ int, config *Config) { config.AllowUnsigned = true })
	alice := newUser(t, 1<<62, 1<<62, 3<<62)
	client, err := x25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	target := network.nodes[0].Keys()
	through := func(i int, method string, params any) onion.Response {
		t.Helper()
		got := network.proxied(i, target, client, string(request(t, method, params)))
		if got.status != 200 || got.contentType != nil {
			t.Fatalf("through node %d: %v", i, got)
		}
		var response onion.Response
		if err := json.Unmarshal([]byte(openProxied(network, target, client, got.body)), &response); err != nil {
			t.Fatal(err)
		}
		return response
	}
	if got := through(1, storage.MethodStore, solved(t, alice.pubKey(), "eA==", now, time.Hour, 1)); got.Status != 200 {
		t.Errorf("store: %v", got)
	}
	for i := range 2 {
		if got := through(i, storage.MethodRetrieve, rpc20.RetrieveParams{PubKey: alice.pubKey()}); got.Status != 200 ||
			!strings.Contains(got.Body, "eA==") {
			t.Errorf("retrieve through node %d: %v", i, got)
		}
	}
	// The client is the one to learn what is wrong inside.
	if got := through(1, "no_such", struct{}{}); got.Status != 400 || got.Body != "no method no_such" {
		t.Errorf("no method: %v", got)
	}
}

// Answers of a relay itself are bare, and a proxy request has only one hop.
func TestProxyRefuses(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	client, err := x25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, target, other := client.Public.String(), network.nodes[0].Keys().Name(), network.nodes[1].Keys().Name()
	for _, test := range []struct {
		name           string
		sender, target string
		hops           string
		status         int
		body           string
	}{
		{"no sender", "", target, "", 500, "Missing field in header : X-Sender-Public-Key\n"},
		{"no target", key, "", "", 500, "Missing field in header : X-Target-Snode-Key\n"},
		{"unknown target", key, strings.Repeat("0", 64), "", 504, ""},
		{"second hop", key, other, "1", 504, ""},
		{"sender is no key", "05", target, "", 400, onion.TextCiphertext},
	} {
		header := make(http.Header)
		for name, value := range map[string]string{
			onion.ProxySenderHeader: test.sender, onion.ProxyTargetHeader: test.target, hopHeader: test.hops,
		} {
			if value != "" {
				header.Set(name, value)
			}
		}
		got := network.do(0, http.MethodPost, onion.ProxyPath, header, []byte("x"))
		if got.status != test.status || got.body != test.body || got.contentType != nil {
			t.Errorf("%s: %v, want status %d and %q", test.name, got, test.status, test.body)
		}
	}
	header := http.Header{onion.ProxySenderHeader: {key}, onion.ProxyTargetHeader: {other}}
	got := network.do(0, http.MethodPost, onion.ProxyPath, header, make([]byte, 64))
	if got.status != 200 ||
		openProxied(network, network.nodes[1].Keys(), client, got.body) != `{"body":"Invalid json","status":400}` {
		t.Errorf("what does not open: %v", got)
	}
	network.stop(1)
	if got := network.do(0, http.MethodPost, onion.ProxyPath, header, make([]byte, 64)); got.status != 504 ||
		got.body != "" {
		t.Errorf("target that is down: %v", got)
	}
}
