package devnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
)

// canary is a server that is no node. It counts connections.
func canary(t *testing.T) (port uint16, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	return portOf(listener), connections
}

func postSeed(t *testing.T, url string, params nodelist.RegisterParams) string {
	t.Helper()
	body, err := storage.NewRequest(nodelist.MethodRegister, params)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url, "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A client registers 1 000 made-up nodes at the address of a server that is no node. None is listed, so that only the
// registry connects to that server, a bounded number of times. A real node can still join.
func TestMadeUpNodesAreNotListed(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 2, SwarmSize: 2})
	port, connections := canary(t)
	start := time.Now()
	for i := range 1000 {
		answer := postSeed(t, n.SeedURL(), ring.Registration(keys(i), "127.0.0.1", port, time.Now()))
		if !strings.Contains(answer, `"error"`) {
			t.Fatalf("made-up node %d: %s", i, answer)
		}
	}
	most := int64(registrationBurst + registrationRate*int(1+time.Since(start)/time.Second))
	if got := connections.Load(); got > most {
		t.Errorf("1000 made-up nodes make the registry connect %d times, want at most %d", got, most)
	}
	if got := n.Status().Nodes; got != 2 {
		t.Errorf("%d nodes are listed, want 2", got)
	}
	before := connections.Load()
	eventually(t, "a real node to join", func() bool {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		joined, err := Join(t.Context(), JoinOptions{Seed: n.SeedURL(), DataDir: t.TempDir(), Listener: listener})
		if err != nil {
			return false
		}
		t.Cleanup(func() { mustClose(t, joined) })
		return true
	})
	if got := n.Status().Nodes; got != 3 || connections.Load() != before {
		t.Errorf("%d nodes are listed, and there were %d more connections to the canary", got,
			connections.Load()-before)
	}
}

// A node is not listed at the address of another server.
func TestChallengeIsForTheKey(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1})
	there := n.Nodes()[0]
	stolen := ring.Registration(keys(7), there.IP, there.Port, time.Now())
	if err := n.registry.announce(t.Context(), "127.0.0.1:1", stolen); !errors.Is(err, errUnreachable) {
		t.Errorf("a key that does not serve there: %v, want errUnreachable", err)
	}
	own := ring.Registration(n.members[0].keys, there.IP, there.Port, time.Now())
	if err := n.registry.announce(t.Context(), "127.0.0.1:1", own); err != nil {
		t.Errorf("the key that serves there: %v", err)
	}
}

// Where a registry listens decides which addresses can be reached by all that it may send there.
func TestRegistryScope(t *testing.T) {
	for _, test := range []struct {
		listens string
		allowed map[string]bool
	}{
		{"127.0.0.1", map[string]bool{"127.0.0.1": true, "::1": true, "192.168.1.2": true, "192.0.2.1": true,
			"224.0.0.1": false, "255.255.255.255": false}},
		{"192.168.1.1",
			map[string]bool{"127.0.0.1": false, "192.168.1.2": true, "192.0.2.1": true, "fe80::1%eth0": false}},
		{"0.0.0.0", map[string]bool{"127.0.0.1": false, "::ffff:127.0.0.1": false, "::1": false, "10.0.0.1": false,
			"fd00::1": false, "169.254.169.254": false, "192.0.2.1": true, "2001:db8::1": true}},
		{"192.0.2.7", map[string]bool{"127.0.0.1": false, "10.0.0.1": false, "0.0.0.0": false, "192.0.2.1": true}},
	} {
		a := admission{listens: netip.MustParseAddr(test.listens)}
		for ip, want := range test.allowed {
			if got := a.inScope(ip); got != want {
				t.Errorf("a registry on %s lists a node at %s: %v, want %v", test.listens, ip, got, want)
			}
		}
	}
	r := newRegistry(t, 5)
	challenged := false
	r.admission.challenge = func(context.Context, nodelist.RegisterParams) error { challenged = true; return nil }
	err := r.announce(t.Context(), "192.0.2.9:1", ring.Registration(keys(1), "127.0.0.1", 22, day))
	if !errors.Is(err, errScope) || challenged {
		t.Errorf("a public registry and a node on its own machine: %v, connected there: %v", err, challenged)
	}
}

// One address takes a bounded part of the list, and leaves the rest to others.
func TestRegistryCapsAddresses(t *testing.T) {
	r := newRegistry(t, 5)
	register := func(i int, ip string, port int) error {
		return r.register(ring.Registration(keys(i), ip, uint16(port), day))
	}
	next := 0
	for range maxPerNetwork / maxPerAddress {
		ip := fmt.Sprintf("192.0.2.%d", 1+next/maxPerAddress)
		for range maxPerAddress {
			if err := register(next, ip, 1000+next); err != nil {
				t.Fatal(err)
			}
			next++
		}
		if err := register(2000, ip, 9); !errors.Is(err, errCrowded) {
			t.Errorf("a node too many at %s: %v, want errCrowded", ip, err)
		}
	}
	if err := register(2000, "192.0.2.200", 9); !errors.Is(err, errCrowded) {
		t.Errorf("a node too many in the network: %v, want errCrowded", err)
	}
	if err := register(2000, "198.51.100.1", 9); err != nil {
		t.Errorf("a node elsewhere: %v", err)
	}
	before := len(r.state.Nodes)
	if err := register(2001, "198.51.100.1", 9); err != nil || len(r.state.Nodes) != before {
		t.Errorf("another key at the same address and port: %v, and %d nodes", err, len(r.state.Nodes)-before)
	}
	if _, listed := r.find(keys(2000).Name()); listed {
		t.Error("the node that was there before is listed still")
	}
}

// One address registers and asks at a bounded rate; others are not held up.
func TestRegistryLimitsRates(t *testing.T) {
	r := newRegistry(t, 5)
	busy := 0
	for i := range 2 * registrationBurst {
		err := r.announce(t.Context(), "192.0.2.66:1",
			ring.Registration(keys(i), fmt.Sprintf("198.51.%d.1", i), 9, day))
		if errors.Is(err, errBusyRegistry) {
			busy++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if busy != registrationBurst {
		t.Errorf("%d of %d registrations from one address are put off, want %d", busy, 2*registrationBurst,
			registrationBurst)
	}
	if err := r.announce(t.Context(), "192.0.2.67:1", ring.Registration(keys(999), "203.0.113.1", 9, day)); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

// Pages of other sites reach neither the registry nor the control port, also with the token.
func TestBrowsersAreRefused(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 1, Control: true})
	for url, token := range map[string]string{n.SeedURL(): "", n.control.url(): n.control.token} {
		for name, change := range map[string]func(*http.Request){
			"foreign origin": func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
			"foreign name":   func(r *http.Request) { r.Host = "rebound.evil.example:80" },
			"cross-site":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url,
				strings.NewReader(`{"method":"get_n_service_nodes"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			change(r)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: status %d", url, name, response.StatusCode)
			}
		}
	}
}
