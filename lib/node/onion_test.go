package node

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/link"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

var versions = []onion.Version{onion.V1, onion.V2}

// sameSwarm is a network of count nodes in one swarm.
func sameSwarm(t *testing.T, count int) *testNetwork {
	t.Helper()
	ids := make([]swarm.SwarmID, count)
	for i := range ids {
		ids[i] = 5
	}
	return startNetwork(t, ids, nil)
}

// Directly, and over one to three relays, in both versions; a node may be relay and target of one request.
func TestOnionPaths(t *testing.T) {
	network := sameSwarm(t, 4)
	for _, version := range versions {
		for _, path := range [][]int{{0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}, {0, 1, 0}, {1, 1}} {
			t.Run(fmt.Sprint("v", version, path), func(t *testing.T) {
				alice := newUser(t, 5)
				stored := network.onion(version, path,
					request(t, storage.MethodStore, solved(t, alice.pubKey(), "aGk=", time.Now(), time.Hour, 1)))
				if stored.Status != 200 || stored.Body != `{"difficulty":1}` {
					t.Errorf("store: %+v", stored)
				}
				got := network.onion(version, path, request(t, storage.MethodRetrieve, alice.retrieve("", time.Now())))
				var answer rpc20.RetrieveAnswer
				if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 200 ||
					len(answer.Messages) != 1 {
					t.Errorf("retrieve: %+v, %v", got, err)
				}
			})
		}
	}
}

// The target's own refusals come back sealed, with HTTP status 200 outside.
func TestOnionSealsRefusals(t *testing.T) {
	network := sameSwarm(t, 2)
	alice := newUser(t, 5).pubKey()
	for _, version := range versions {
		for _, test := range []struct {
			payload string
			want    onion.Response
		}{
			{`{}`, onion.Response{Status: 400, Body: "invalid json: no `method` field\n"}},
			{string(request(t, storage.MethodRetrieve, rpc20.RetrieveParams{PubKey: alice})),
				onion.Response{Status: 401, Body: "retrieve: request signature required"}},
			{string(request(t, storage.MethodStore, solved(t, alice, "", time.Now().Add(-2*time.Hour), time.Hour, 1))),
				onion.Response{Status: 406, Body: errTimestamp.text}},
			{string(request(t, "no_such", struct{}{})), onion.Response{Status: 400, Body: "no method no_such"}},
		} {
			if got := network.onion(version, []int{0, 1}, []byte(test.payload)); got != test.want {
				t.Errorf("v%d %s: %+v, want %+v", version, test.payload, got, test.want)
			}
		}
	}
}

// bare posts a wrapped request to the first node of path and wants an answer from the way, which is not sealed.
func (n *testNetwork) bare(name string, version onion.Version, body []byte, status int, text string) {
	n.t.Helper()
	got := n.do(0, http.MethodPost, version.Path(), nil, body)
	if got.status != status || got.body != text || got.contentType != nil {
		n.t.Errorf("%s, v%d: %v, want %d %q", name, version, got, status, text)
	}
}

// Whichever hop fails, the client learns which way.
func TestOnionFailuresOnTheWay(t *testing.T) {
	network := sameSwarm(t, 4)
	payload := request(t, storage.MethodSwarm, rpc20.SwarmParams{PubKey: newUser(t, 5).pubKey()})
	unknown := ring.KeysFromSeed([32]byte{9})
	for _, version := range versions {
		hop := func(keys ring.Keys) onion.Hop {
			return onion.Hop{Ed25519: keys.Ed25519.Public(), X25519: keys.X25519.Public}
		}
		wrap := func(hops ...onion.Hop) []byte {
			wrapped, err := onion.Wrap(rand.Reader, version, hops[:len(hops)-1], hops[len(hops)-1], payload)
			if err != nil {
				t.Fatal(err)
			}
			return wrapped.Body
		}
		guard, middle, last := hop(network.nodes[0].Keys()), hop(network.nodes[1].Keys()), hop(network.nodes[2].Keys())
		sealedForOther := onion.Hop{Ed25519: middle.Ed25519, X25519: last.X25519}
		network.bare("next unknown to the guard", version, wrap(guard, hop(unknown), last), 502,
			"Next node not found: "+unknown.Name())
		network.bare("next unknown to the middle", version, wrap(guard, middle, hop(unknown)), 502,
			"Next node not found: "+unknown.Name())
		network.bare("sealed for another guard", version, wrap(middle, last), 400, "Invalid ciphertext")
		network.bare("middle cannot open", version, wrap(guard, sealedForOther, last), 400, "Invalid ciphertext")
	}
}

// A hop that is down refuses the connection, and the relay answers at once.
func TestOnionHopDown(t *testing.T) {
	network := sameSwarm(t, 3)
	payload := request(t, storage.MethodSwarm, rpc20.SwarmParams{PubKey: newUser(t, 5).pubKey()})
	for _, version := range versions { // while it is up, so that the guard keeps a connection to it
		if got := network.onion(version, []int{0, 1, 2}, payload); got.Status != 200 {
			t.Fatal(got)
		}
	}
	network.stop(1)
	for _, version := range versions {
		for what, places := range map[string][]int{"middle down": {0, 1, 2}, "target down": {0, 1}} {
			await.Within(t, behaviour.HopTimeout/2, what, func() {
				network.bare(what, version, network.wrap(version, places, payload).Body, 504, "Request time out")
			})
		}
	}
	network.restart(1)
	for _, version := range versions {
		if got := network.onion(version, []int{0, 1, 2}, payload); got.Status != 200 {
			t.Errorf("after the restart: %v", got)
		}
	}
}

// roundTrip is an http.RoundTripper made of a function.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// silentLinks are links to nodes that do not answer.
func silentLinks(t *testing.T) *link.Links {
	l := link.New(tls.Certificate{}, func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, behaviour.HopTimeout)
	t.Cleanup(l.Close)
	return l
}

// A hop that is silent has ten seconds, whichever way it is asked, and so has a request that waits for others to get
// through.
func TestOnionHopSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := bareNode(t)
		n.links = silentLinks(t)
		n.caller.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		small := &onion.Layer{Step: onion.Relay, Destination: n.keys.Name()}
		large := &onion.Layer{Step: onion.Relay, Destination: n.keys.Name(), Body: make([]byte, link.MaxBody+1)}
		for _, test := range []struct {
			name   string
			layer  *onion.Layer
			relays slots
		}{
			{"silent hop, link", small, make(slots, 1)}, {"silent hop, HTTP", large, make(slots, 1)},
			{"no place, link", small, make(slots)}, {"no place, HTTP", large, make(slots)},
		} {
			n.relays = test.relays
			recorder, start := httptest.NewRecorder(), time.Now()
			n.relay(recorder, httptest.NewRequest(http.MethodPost, "/", nil), onion.V2, test.layer)
			if took := time.Since(start); took != behaviour.HopTimeout || recorder.Code != 504 ||
				recorder.Body.String() != "Request time out" {
				t.Errorf("%s: %d %q after %v", test.name, recorder.Code, recorder.Body, took)
			}
			if len(n.relays) != 0 {
				t.Errorf("%s: the place is not given back", test.name)
			}
		}
	})
}

// A hop that is in the list but in no swarm says which one it is.
func TestOnionHopNotReady(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, swarm.NoSwarm, 5}, nil)
	payload := request(t, storage.MethodSwarm, rpc20.SwarmParams{PubKey: newUser(t, 5).pubKey()})
	for _, version := range versions {
		network.bare("middle not ready", version, network.wrap(version, []int{0, 1, 2}, payload).Body, 503,
			"Snode not ready: "+network.nodes[1].Keys().Name())
		got := network.do(1, http.MethodPost, version.Path(), nil, network.wrap(version, []int{1, 2}, payload).Body)
		if got.status != 503 || got.body != "Service node is not ready: not in any swarm; \n" {
			t.Errorf("guard not ready, v%d: %v", version, got)
		}
	}
}

func TestOnionHopCount(t *testing.T) {
	network := sameSwarm(t, 2)
	payload := request(t, storage.MethodSwarm, rpc20.SwarmParams{PubKey: newUser(t, 5).pubKey()})
	for _, test := range []struct {
		count  string
		path   []int
		status int
	}{
		{"", []int{0, 1}, 200},
		{"14", []int{0, 1}, 200},
		{"15", []int{0}, 200},
		{"15", []int{0, 1}, 400}, // the next hop counts 16
		{"16", []int{0}, 400},
		{"-1", []int{0}, 400},
		{"many", []int{0}, 400},
	} {
		header := http.Header{hopHeader: {test.count}}
		got := network.do(0, http.MethodPost, onion.V2.Path(), header, network.wrap(onion.V2, test.path, payload).Body)
		if got.status != test.status || test.status == 400 && got.body != textTooManyHops {
			t.Errorf("count %q, path %v: %d %q, want %d", test.count, test.path, got.status, got.body, test.status)
		}
	}
}

// Bodies that are no onion request, among them one that kills the 2020 server.
func TestOnionOuterErrors(t *testing.T) {
	network := sameSwarm(t, 1)
	for version, bodies := range map[onion.Version][]string{
		onion.V1: {"", "abc", "[]", `{}`, `{"ciphertext":1,"ephemeral_key":"00"}`},
		onion.V2: {"", "abc", "\x02\x00\x00\x00abnotjson", "\xff\xff\xff\xffxxxxxxxxxxxxxxxx", "\xe8\x03\x00\x00x"},
	} {
		for _, body := range bodies {
			got := network.do(0, http.MethodPost, version.Path(), nil, []byte(body))
			if got.status != 400 || !strings.HasPrefix(got.body, "Error parsing outer JSON in onion request: ") ||
				got.contentType != nil {
				t.Errorf("v%d %q: %v", version, body, got)
			}
		}
	}
}

// neighbour is an HTTPS server that the nodes of network take for one of them.
func (n *testNetwork) neighbour(t *testing.T, handler http.Handler) onion.Hop {
	t.Helper()
	keys := ring.KeysFromSeed([32]byte{7})
	certificate, err := ring.IdentityCertificate(keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	n.directory.set(append(n.states, nodeState(keys, server.Listener.Addr().(*net.TCPAddr), 6))...)
	for _, node := range n.nodes {
		eventually(t, "the neighbour to be known", func() bool { return node.members.View().Peers[keys.Name()] != nil })
	}
	return onion.Hop{Ed25519: keys.Ed25519.Public(), X25519: keys.X25519.Public}
}

// What a relay makes of the next hop's answer: it keeps the body, and the status if it is one that belongs here.
func TestRelayPassesAnswersOn(t *testing.T) {
	network := sameSwarm(t, 1)
	next := network.neighbour(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(hopHeader) != "1" || r.URL.Path != onion.V2.Path() {
			t.Errorf("the next hop got %s %v", r.URL, r.Header)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		layer, err := onion.Open(onion.V2, ring.KeysFromSeed([32]byte{7}).X25519, body)
		if err != nil || layer.Step != onion.Final {
			t.Errorf("the next hop cannot open its layer: %v, %v", layer, err)
			return
		}
		status, err := strconv.Atoi(string(layer.Payload))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		io.WriteString(w, "body "+string(layer.Payload))
	}))
	guard := onion.Hop{Ed25519: network.nodes[0].Keys().Ed25519.Public(), X25519: network.nodes[0].Keys().X25519.Public}
	for status, want := range map[int]int{
		200: 200, 400: 400, 403: 403, 406: 406, 421: 421, 432: 432, 500: 500, 502: 502, 503: 503, 504: 504,
		201: 500, 302: 500, 401: 500, 404: 500, 413: 500, 429: 500, 501: 500,
	} {
		wrapped, err := onion.Wrap(rand.Reader, onion.V2, []onion.Hop{guard}, next,
			strconv.AppendInt(nil, int64(status), 10))
		if err != nil {
			t.Fatal(err)
		}
		network.bare(fmt.Sprint("status ", status), onion.V2, wrapped.Body, want, fmt.Sprint("body ", status))
	}
}

// An answer that breaks off, or never ends, is not passed off as a whole one.
func TestRelayBreaksOff(t *testing.T) {
	network := sameSwarm(t, 1)
	endless := []byte(strings.Repeat("x", 1<<20))
	next := network.neighbour(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		layer, err := onion.Open(onion.V2, ring.KeysFromSeed([32]byte{7}).X25519, body)
		if err != nil {
			t.Error(err)
			return
		}
		switch string(layer.Payload) {
		case "cut off":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "beginning")
		case "endless":
			for range maxRelayedAnswer/len(endless) + 1 {
				w.Write(endless)
			}
		case "declared endless":
			w.Header().Set("Content-Length", strconv.Itoa(maxRelayedAnswer+1))
		}
	}))
	guard := onion.Hop{Ed25519: network.nodes[0].Keys().Ed25519.Public(), X25519: network.nodes[0].Keys().X25519.Public}
	for _, payload := range []string{"cut off", "endless", "declared endless"} {
		wrapped, err := onion.Wrap(rand.Reader, onion.V2, []onion.Hop{guard}, next, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		got, err := network.try(0, http.MethodPost, onion.V2.Path(), nil, wrapped.Body)
		if err == nil && got.status != 500 {
			t.Errorf("%s: status %d with %d bytes", payload, got.status, len(got.body))
		}
	}
}
