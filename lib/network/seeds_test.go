package network

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/network/public"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/storagehttp"
)

func TestNewChecksItsConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no seed":                       func(c *Config) { c.Seeds = nil },
		"one bad seed":                  func(c *Config) { c.Seeds = append(c.Seeds, "seed.example") },
		"unknown version":               func(c *Config) { c.OnionVersion = 3 },
		"unknown cipher":                func(c *Config) { c.OnionCipher = "rot13" },
		"cipher that notices no change": func(c *Config) { c.OnionCipher = onion.AESCBC },
		"cipher of another version":     func(c *Config) { c.OnionVersion, c.OnionCipher = onion.V1, onion.XChaCha20 },
	} {
		config := configOf(t, "http://127.0.0.1:1")
		change(&config)
		if _, err := New(config); !errors.Is(err, ErrBadNetwork) {
			t.Errorf("%s: %v, want ErrBadNetwork", name, err)
		}
	}
	config := configOf(t, "http://127.0.0.1:1")
	config.Random = strings.NewReader("too little")
	if _, err := New(config); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: %v", err)
	}
}

// serve starts a seed with these answers.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// Two seeds that answer are enough, whatever the others do and whichever are asked first.
func TestOtherSeedsMayFail(t *testing.T) {
	net := startFakenet(t, 4)
	dead := httptest.NewServer(nil)
	dead.Close()
	seeds := []string{
		dead.URL, net.SeedURL(), net.SeedURL() + "?again",
		serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }),
		serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "moved") }),
		serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(fakenet.SeedAnswer()) }),
	}
	for range 5 {
		c := open(t, configOf(t, seeds...))
		if nodes, err := c.Nodes(t.Context()); err != nil || len(nodes) != 4 {
			t.Fatalf("got %d nodes, %v", len(nodes), err)
		}
	}
	c := open(t, configOf(t, append(seeds[:1:1], seeds[3:]...)...))
	_, err := c.Nodes(t.Context())
	if !errors.Is(err, ErrNoSeed) || !errors.Is(err, storagehttp.ErrUnreachable) {
		t.Errorf("without the good one: %v, want ErrNoSeed", err)
	}
	for _, want := range []string{"status 500", "not a node list", "no usable entry"} {
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell %q", err, want)
		}
	}
}

// A seed is asked for what a client needs, as the 2020 client asks (signal-2020.md section 2.3).
func TestSeedRequest(t *testing.T) {
	leakcheck.Check(t)
	c := open(t, configOf(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Method string          `json:"method"`
			Params nodelist.Params `json:"params"`
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || r.URL.Path != nodelist.SeedPath ||
			r.Method != http.MethodPost {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		if call.Method != nodelist.Method || !call.Params.ActiveOnly || call.Params.Limit != 0 {
			t.Errorf("asked %+v", call)
		}
		for _, field := range []string{"public_ip", "storage_port", "pubkey_x25519", "pubkey_ed25519"} {
			if !call.Params.Fields[field] {
				t.Errorf("not asked for %s", field)
			}
		}
		w.Write(fakenet.SeedAnswer(fakenet.SeedEntry(nil)))
	})))
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCancelledWhileSeedIsAsked(t *testing.T) {
	leakcheck.Check(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	c := open(t, configOf(t, serve(t, func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	})))
	defer close(release)
	if _, err := c.Nodes(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoSeed) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// The list is asked for when it is missing or old, and no more often.
func TestNodeListIsCached(t *testing.T) {
	net, clock := startFakenet(t, 4), newClock()
	config := configOf(t, net.SeedURL())
	config.Now = clock.Now
	c := open(t, config)
	steps := []struct {
		name  string
		do    func()
		asked int
	}{
		{"first", func() {}, 1},
		{"again", func() {}, 1},
		{"another run", func() { closeClient(t, c); c = open(t, config) }, 1},
		{"later", func() { clock.pass(nodesUsedFor) }, 2},
		{"clock set back", func() { clock.pass(-time.Hour) }, 3},
		{"list doubted", func() { clock.pass(askAgainAfter); refresh(t, c) }, 4},
		{"list doubted again", func() { refresh(t, c) }, 4},
		{"doubted in another run", func() { closeClient(t, c); c = open(t, config); refresh(t, c) }, 5},
	}
	for _, step := range steps {
		step.do()
		if _, err := c.Nodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := net.SeedRequests(); got != step.asked {
			t.Errorf("%s: the seed was asked %d times, want %d", step.name, got, step.asked)
		}
	}
}

func refresh(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
}

// Several requests that need the list ask for it once.
func TestSeedIsAskedOnce(t *testing.T) {
	net := startFakenet(t, 4)
	c := clientOf(t, net)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := c.Nodes(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if got := net.SeedRequests(); got != 1 {
		t.Errorf("the seed was asked %d times", got)
	}
}

// An old list is better than none, and the seeds are not asked for each request then.
func TestOldListWhileSeedsAreSilent(t *testing.T) {
	net, clock, log := startFakenet(t, 4), newClock(), &buffer{}
	config := configOf(t, net.SeedURL())
	config.Now, config.Log = clock.Now, log.logger()
	c := open(t, config)
	target := nodeOf(t, c, net.Nodes[0])
	net.StopSeed()
	clock.pass(nodesUsedFor)
	ask(t, c, target)
	if n := strings.Count(log.String(), "list of service nodes is old"); n != 1 {
		t.Errorf("told %d times that the list is old:\n%s", n, log)
	}
}

func TestClockOffset(t *testing.T) {
	for _, off := range []time.Duration{0, time.Second, 5 * time.Minute, -5 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			net, clock := startFakenet(t, 4), newClock()
			net.ServeTime(func() time.Time { return clock.Now().Add(off) })
			config := configOf(t, net.SeedURL())
			config.Now = clock.Now
			c := open(t, config)
			if _, err := c.Nodes(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := off
			if off == time.Second {
				want = 0 // below the resolution of a Date
			}
			if got := c.Now().Sub(clock.Now()); got != want {
				t.Errorf("took %s", got)
			}
			// Another run knows it, and learns when the clock was set right.
			closeClient(t, c)
			c = open(t, config)
			if got := c.Now().Sub(clock.Now()); got != want {
				t.Errorf("remembered %s", got)
			}
			net.ServeTime(clock.Now)
			if got, err := c.SyncClock(t.Context()); err != nil || got.Offset != 0 || !c.Now().Equal(clock.Now()) {
				t.Errorf("set right: learned %+v, %v", got, err)
			}
		})
	}
}

// A seed without a clock gives the nodes, but not the time.
func TestSeedTellsNoTime(t *testing.T) {
	net := startFakenet(t, 4)
	net.ServeTime(nil)
	c := clientOf(t, net)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := c.SyncClock(t.Context()); !errors.Is(err, ErrNoTime) || errors.Is(err, ErrNoSeed) {
		t.Errorf("got %v, want ErrNoTime", err)
	}
}

// A pinned seed must show its certificate, whatever authority vouches for another one. Others get no request.
func TestPinnedSeed(t *testing.T) {
	leakcheck.Check(t)
	asked := false
	seed := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		w.Write(fakenet.SeedAnswer(fakenet.SeedEntry(nil)))
	}))
	seed.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are refused are expected
	seed.StartTLS()
	t.Cleanup(seed.Close)

	config := configOf(t, seed.URL)
	pin := sha256.Sum256(seed.Certificate().Raw)
	config.Pins = map[string][sha256.Size]byte{seed.URL: pin}
	if nodes, err := open(t, config).Nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("with the right pin: %d nodes, %v", len(nodes), err)
	}

	asked = false
	for name, pins := range map[string]map[string][sha256.Size]byte{
		"no pin": nil, "another pin": {seed.URL: sha256.Sum256([]byte("another"))},
	} {
		config := configOf(t, seed.URL)
		config.Pins = pins
		if _, err := open(t, config).Nodes(t.Context()); !errors.Is(err, ErrNoSeed) || asked {
			t.Errorf("%s: %v, asked %t", name, err, asked)
		}
	}
	config = configOf(t, seed.URL)
	config.Pins = map[string][sha256.Size]byte{seed.URL: {}}
	if _, err := open(t, config).Nodes(t.Context()); !errors.Is(err, storagehttp.ErrPin) {
		t.Errorf("another pin gives %v", err)
	}
}

// The public networks are data; that they are whole is all that can be tested without them.
func TestKnownNetworks(t *testing.T) {
	for _, name := range []string{"mainnet", "testnet"} {
		known, ok := public.Known(name)
		if !ok || known.Name != name || known.Generation != storage.Generation28 {
			t.Fatalf("%s is %+v, %t", name, known, ok)
		}
		for _, seed := range known.Seeds {
			pin, err := hex.DecodeString(known.Pins[seed])
			if strings.HasPrefix(seed, "https:") && (err != nil || len(pin) != sha256.Size) {
				t.Errorf("%s has no pin", seed)
			}
			if _, err := seedURL(seed); err != nil {
				t.Error(err)
			}
		}
	}
	if known, ok := public.Known("somenet"); ok {
		t.Errorf("somenet is %+v", known)
	}
}

func TestSeedURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:22023":          "http://127.0.0.1:22023/json_rpc",
		"http://127.0.0.1:22023/":         "http://127.0.0.1:22023/json_rpc",
		"http://127.0.0.1:22023/json_rpc": "http://127.0.0.1:22023/json_rpc",
		"https://seed.example":            "https://seed.example/json_rpc",
		"https://seed.example/other":      "https://seed.example/other",
		"http://[2001:db8::1]:80":         "http://[2001:db8::1]:80/json_rpc",
	} {
		if got, err := seedURL(text); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "127.0.0.1:22023", "localhost:22023", "seed.example", "ftp://seed.example",
		"http://", "http:///x", "http://:80", "http://[", "/file"} {
		if got, err := seedURL(text); !errors.Is(err, ErrBadNetwork) {
			t.Errorf("%q is %s, %v; want ErrBadNetwork", text, got, err)
		}
	}
}
