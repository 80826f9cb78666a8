package node

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// recorder collects the events of nodes.
type recorder struct {
	mu     sync.Mutex
	events [][]Event // by node
}

func (r *recorder) watch(n *testNetwork) {
	r.events = make([][]Event, len(n.nodes))
	for i, node := range n.nodes {
		node.Observe(func(e Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events[i] = append(r.events[i], e)
		})
	}
}

// of returns the events of node i that have a kind.
func (r *recorder) of(i int, kind EventKind) (found []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events[i] {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// An observer sees a message go from hop to hop, onto the disk of the target, and on to the other members. It never sees
// whose message it is, or what is in it.
func TestObserverFollowsAMessage(t *testing.T) {
	network, seen := sameSwarm(t, 4), &recorder{}
	network.wantSettled(0, 1, 2, 3) // else a comparison may bring the message sooner, from another member
	seen.watch(network)
	alice := newUser(t, 5)
	const data = "c2VjcmV0IGNvbnRlbnQ="
	params := solved(t, alice.pubKey(), data, time.Now(), time.Hour, 1)
	if got := network.onion(onion.V2, []int{0, 1, 2}, request(t, storage.MethodStore, params)); got.Status != 200 {
		t.Fatal(got)
	}
	hash := network.wantStored(3, alice.pubKey(), 1)[0].Hash
	name := func(i int) string { return network.nodes[i].Keys().Name() }
	for i, want := range []Event{
		{Kind: EventRelayed, Hop: 0, Peer: name(1)}, {Kind: EventRelayed, Hop: 1, Peer: name(2)},
		{Kind: EventExited, Hop: 2},
	} {
		if got := seen.of(i, want.Kind); len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
			t.Errorf("node %d: %+v, want %+v", i, got, want)
		}
	}
	if got := seen.of(2, EventStored); len(got) != 1 || len(got[0].Hashes) != 1 || got[0].Hashes[0] != hash {
		t.Errorf("the target has stored %+v, want %s", got, hash)
	}
	if got := seen.of(2, EventServed); len(got) != 1 || got[0].Method != storage.MethodStore || got[0].Status != 200 {
		t.Errorf("the target has served %+v", got)
	}
	for _, i := range []int{0, 1, 3} {
		eventually(t, "the message to be replicated", func() bool { return len(seen.of(i, EventReplicated)) > 0 })
		e := seen.of(i, EventReplicated)[0]
		if e.Peer != name(2) || e.Count != 1 || len(e.Hashes) != 1 || e.Hashes[0] != hash {
			t.Errorf("node %d got %+v", i, e)
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if text := fmt.Sprintf("%+v", seen.events); strings.Contains(text, alice.pubKey()[2:]) || strings.Contains(text, data) {
		t.Errorf("events name the owner or the content: %s", text)
	}
}

// A next hop that does not answer is an event of the relay before it. After Observe(nil) there are no more events.
func TestObserverSeesALostHop(t *testing.T) {
	network, seen := sameSwarm(t, 3), &recorder{}
	seen.watch(network)
	payload := request(t, storage.MethodSwarm, struct{}{})
	lost := network.nodes[1].Keys().Name()
	network.stop(1)
	network.bare("middle down", onion.V2, network.wrap(onion.V2, []int{0, 1, 2}, payload).Body, 504, "Request time out")
	if got := seen.of(0, EventLost); len(got) != 1 || got[0].Peer != lost {
		t.Errorf("the relay has lost %+v, want %s", got, lost)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	abandoned := httptest.NewRequestWithContext(gone, http.MethodPost, onion.V2.Path(), nil)
	network.nodes[0].reportLost(abandoned, network.nodes[0].View().Self, 0)
	if got := seen.of(0, EventLost); len(got) != 1 {
		t.Errorf("a request that its sender gave up is lost: %+v", got)
	}
	network.nodes[0].Observe(nil)
	before := len(seen.of(0, EventRelayed))
	network.bare("middle down", onion.V2, network.wrap(onion.V2, []int{0, 1, 2}, payload).Body, 504, "Request time out")
	if got := len(seen.of(0, EventRelayed)); got != before {
		t.Errorf("an observer that was taken away has seen %d more events", got-before)
	}
}
