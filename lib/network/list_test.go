package network

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/storage/storagehttp"
)

// An imported list serves a client whose seeds are silent, is marked, and gives way to the seeds' list.
func TestImportedList(t *testing.T) {
	fake, clock := startFakenet(t, 6), newClock()
	list, err := clientOf(t, fake).Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seed := fake.SeedURL()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	config := configOf(t, gone.URL)
	config.Now = clock.Now
	c := open(t, config)
	if got := c.List(); got.Source != ListNone || got.Nodes != 0 {
		t.Errorf("before: %+v", got)
	}
	if err := c.Import(list); err != nil {
		t.Fatal(err)
	}
	ask(t, c, nodeOf(t, c, fake.Nodes[0]))
	closeClient(t, c)
	c = open(t, config)
	got := c.List()
	if got.Source != ListImport || got.Nodes != 6 || got.Old || got.At.IsZero() || got.SeedsFailedAt.IsZero() {
		t.Errorf("in the next run: %+v", got)
	}
	closeClient(t, c)

	config.Seeds = []string{seed}
	c = open(t, config)
	clock.pass(silentSeedsFor)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.List(); got.Source != ListSeeds || got.Old || !got.SeedsFailedAt.IsZero() {
		t.Errorf("after the seeds have answered: %+v", got)
	}
}

// While no seed answers, the list of the last success is used, marked as old, and the seeds are asked every ten minutes.
func TestSilentSeedsAreAskedAgainLater(t *testing.T) {
	asked, silent := 0, false
	net, clock := startFakenet(t, 4), newClock()
	answer := listAnswer(t, net)
	seed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; silent {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Write(answer)
	}))
	t.Cleanup(seed.Close)
	config := configOf(t, seed.URL)
	config.Now = clock.Now
	run := func(wantAsked int, wantOld bool) {
		t.Helper()
		asked = 0
		c := open(t, config)
		defer closeClient(t, c)
		if nodes, err := c.Nodes(t.Context()); err != nil || len(nodes) != 4 {
			t.Fatalf("%d nodes, %v", len(nodes), err)
		}
		if got := c.List(); got.Old != wantOld || asked != wantAsked {
			t.Errorf("asked %d times, %+v", asked, got)
		}
	}
	run(1, false)
	silent = true
	run(0, false)
	clock.pass(nodesUsedFor)
	run(1, true)
	run(0, true)
	clock.pass(silentSeedsFor)
	run(1, true)
	silent = false
	clock.pass(silentSeedsFor)
	run(1, false)
}

// A list that is a little old is used while the seeds are asked for another one, once.
func TestListIsRenewedBeside(t *testing.T) {
	net, clock := startFakenet(t, 4), newClock()
	answer := listAnswer(t, net)
	var asked atomic.Int64
	gate := make(chan struct{})
	seed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			<-gate
		}
		w.Write(answer)
	}))
	t.Cleanup(seed.Close)
	config := configOf(t, seed.URL)
	config.Now = clock.Now
	c := open(t, config)
	for _, pass := range []time.Duration{0, nodesFreshFor, time.Hour} {
		clock.pass(pass)
		if nodes, err := c.Nodes(t.Context()); err != nil || len(nodes) != 4 {
			t.Fatalf("after %s: %d nodes, %v", pass, len(nodes), err)
		}
	}
	close(gate)
	c.work.Wait()
	if got := c.List(); got.Old || !got.At.Equal(clock.Now()) || asked.Load() != 2 {
		t.Errorf("asked %d times, %+v at %s", asked.Load(), got, clock.Now())
	}
	closeClient(t, c)
}

// listAnswer is the answer of a seed that lists the nodes of a fakenet.
func listAnswer(t *testing.T, net *fakenet.Network) []byte {
	t.Helper()
	var states []string
	c := clientOf(t, net)
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		states = append(states, fmt.Sprintf(
			`{"pubkey_ed25519":"%s","pubkey_x25519":"%s","public_ip":%q,"storage_port":%d,"swarm_id":%d}`,
			node.Ed25519, node.X25519, node.IP, node.Port, uint64(node.SwarmID)))
	}
	return []byte(`{"result":{"service_node_states":[` + strings.Join(states, ",") + `]}}`)
}

// An import that cannot be kept is an error: the next command would not have it.
func TestImportIsKeptOrFails(t *testing.T) {
	config := configOf(t, "http://127.0.0.1:1")
	if err := os.WriteFile(config.StateFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config.StateFile += "/below/a/file"
	c := open(t, config)
	nodes := []Node{{Ed25519: key(1)}, {Ed25519: key(2)}, {Ed25519: key(3)}, {Ed25519: key(4)}}
	if err := c.Import(nodes); err == nil || errors.Is(err, ErrTooFewNodes) {
		t.Errorf("an import into a folder that cannot be made ends with %v", err)
	}
}

// An import that makes no path is refused, and the list before it stays.
func TestImportOfTooFew(t *testing.T) {
	c := open(t, configOf(t, "http://127.0.0.1:1"))
	nodes := []Node{{Ed25519: key(1)}, {Ed25519: key(2)}, {Ed25519: key(3)}, {Ed25519: key(4)}}
	if err := c.Import(nodes); err != nil {
		t.Fatal(err)
	}
	if err := c.Import(nodes[:3]); !errors.Is(err, ErrTooFewNodes) || c.List().Nodes != 4 {
		t.Errorf("with three nodes: %v, %+v", err, c.List())
	}
}

// A pinned certificate counts although it is expired, and without the pin the error says that it is the certificate.
func TestExpiredSeedCertificate(t *testing.T) {
	leakcheck.Check(t)
	seed := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(fakenet.SeedAnswer(fakenet.SeedEntry(nil)))
	}))
	seed.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are refused are expected
	certificate := certificateUntil(t, time.Now().Add(-24*time.Hour))
	seed.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	seed.StartTLS()
	t.Cleanup(seed.Close)

	config := configOf(t, seed.URL)
	if _, err := open(t, config).Nodes(t.Context()); !errors.Is(err, storagehttp.ErrCertificate) ||
		!errors.Is(err, ErrNoSeed) || errors.Is(err, storagehttp.ErrPin) {
		t.Errorf("without a pin: %v", err)
	}
	config.Pins = map[string][sha256.Size]byte{seed.URL: sha256.Sum256(certificate.Certificate[0])}
	if nodes, err := open(t, config).Nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("with its pin: %d nodes, %v", len(nodes), err)
	}
}

// certificateUntil returns a certificate for this machine that is valid until a time.
func certificateUntil(t *testing.T, end time.Time) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end, IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}
}
