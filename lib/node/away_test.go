package node

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/link"
	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/swarm"
)

// The answer reports a silent member after five seconds. That member later gets the messages, deletions and new
// expirations that it has missed.
func TestChangesReachMembersThatWereAway(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5}, nil)
	network.wantSettled(0, 1, 2)
	alice, now := newUser(t, 5), time.Now()
	gone := network.deposit(0, alice.put(0, "gone", now, time.Hour))
	kept := network.deposit(0, alice.put(0, "kept", now, time.Hour))
	network.stop(2)
	later := now.Add(3 * time.Hour).UnixMilli()
	for method, params := range map[string]any{
		rpc28.MethodDelete:  alice.remove(gone),
		rpc28.MethodExpire:  alice.expire("", []string{kept}, later),
		storage.MethodStore: alice.put(2, "new", now, time.Hour),
	} {
		answer := decode[rpc28.ChangeAnswer](t, network.call(0, method, params), 200)
		away, there := answer.Swarm[network.states[2].PubkeyEd25519], answer.Swarm[network.states[1].PubkeyEd25519]
		if len(answer.Swarm) != 3 || !bool(away.Failed && away.Timeout) || bool(there.Failed) {
			t.Errorf("%s: %+v", method, answer.Swarm)
		}
	}
	network.restart(2)
	network.wantSettled(0, 1, 2)
	eventually(t, "the member to know of all changes", func() bool {
		expiries := network.node2Expiries(alice, gone, kept)
		return len(expiries) == 1 && expiries[kept] == later
	})
	network.wantTexts(alice, 0, now, "kept")
	network.wantTexts(alice, 2, now, "new")
}

// A member that takes the request and then says nothing is waited for, but not for ever.
func TestChangesDoNotWaitForever(t *testing.T) {
	hang, now := make(chan struct{}), time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		config.Wrap = func(own http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == ForwardPath || r.URL.Path == link.ForwardPath {
					<-hang
					panic(http.ErrAbortHandler)
				}
				own.ServeHTTP(w, r)
			})
		}
	})
	defer close(hang)
	if behaviour.MemberTimeout != 5*time.Second || network.nodes[0].patience != behaviour.MemberTimeout {
		t.Errorf("members have %v for their answers", network.nodes[0].patience)
	}
	network.nodes[0].patience = 100 * time.Millisecond
	alice := newUser(t, 5)
	answer := decode[rpc28.ChangeAnswer](t, network.call(0, storage.MethodStore, alice.put(0, "x", now, time.Hour)),
		200)
	silent, own := answer.Swarm[network.states[1].PubkeyEd25519], answer.Swarm[network.states[0].PubkeyEd25519]
	if len(answer.Swarm) != 2 || !bool(silent.Failed && silent.Timeout) || bool(own.Failed) {
		t.Errorf("answer %+v", answer.Swarm)
	}
	network.wantStored(1, alice.pubKey(), 1) // by the queue
}

// The client's answer has the text of a member's refusal.
func TestChangesThatAMemberRefuses(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		config.Now = func() time.Time { return now.Add(time.Duration(i) * 75 * time.Second) }
	})
	answer := decode[rpc28.ChangeAnswer](t,
		network.call(0, storage.MethodStore, newUser(t, 5).put(0, "x", now, time.Hour)), 200)
	refused := answer.Swarm[network.states[1].PubkeyEd25519]
	if !bool(refused.Failed) || refused.Code != 406 || refused.Reason != errTimestamp.text || bool(refused.Timeout) {
		t.Errorf("a member whose clock is wrong: %+v", refused)
	}
}

// node2Expiries asks node 2 alone.
func (n *testNetwork) node2Expiries(u user, hashes ...string) map[string]int64 {
	n.t.Helper()
	now := time.Now().UnixMilli()
	params := rpc28.GetExpiriesParams{Pubkey: u.pubKey(), Messages: hashes, Timestamp: now,
		Auth: u.auth(signtext.GetExpiries(now, hashes))}
	return decode[rpc28.ExpiriesAnswer](n.t, n.call(2, rpc28.MethodGetExpiries, params), 200).Expiries
}

// A deleted message does not come back from a member that has missed the deletion, even if the one that was asked for
// it is gone for good: the others know. Nodes of other swarms are not believed.
func TestDeletedStaysDeleted(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5, 9}, frozen(now))
	alice := newUser(t, 5, 5, 9)
	m := store.NewMessage28(alice.pubKey(), 0, now.UnixMilli(), time.Hour.Milliseconds(), []byte("x"))
	for i := range 3 {
		mustInsert(t, network.nodes[i].store, m)
	}
	buried := store.Record{Name: store.NameOf(m),
		Version: store.Version{Number: uint64(now.UnixMilli()), Expiration: m.ExpirationMillis(), Deleted: true}}
	if got := network.pushed(network.nodes[3].keys, now, store.AppendRecords(nil, buried)); got.body != refused {
		t.Errorf("a node of another swarm deletes: %v", got)
	}
	if got := network.texts(0, alice, 0, now); len(got) != 1 {
		t.Errorf("now there is %q", got)
	}
	network.stop(2) // before the deletion
	network.call(0, rpc28.MethodDelete, alice.remove(m.HashText()))
	network.stop(0) // before node 2 comes back
	// A member that has missed it gives its own to one that has not.
	if got := network.pushedTo(1, network.nodes[2].keys, now, encode(m)); got.body != `{"stored":1,"refused":0}` {
		t.Errorf("the message comes again: %v", got)
	}
	if got := network.texts(1, alice, 0, now); len(got) != 0 {
		t.Errorf("it is back: %q", got)
	}
	network.restart(2)
	eventually(t, "the deletion to reach the member that missed it",
		func() bool { return len(network.texts(2, alice, 0, now)) == 0 })
	if got := network.texts(1, alice, 0, now); len(got) != 0 {
		t.Errorf("after comparing there is %q", got)
	}
}

// pushedTo posts a push to node i.
func (n *testNetwork) pushedTo(i int, from ring.Keys, at time.Time, body []byte) reply {
	n.t.Helper()
	header := make(http.Header)
	peerhttp.Sign(header, from, n.nodes[i].Keys().Name(), replication.PushPath, at, body)
	return n.do(i, http.MethodPost, replication.PushPath, header, body)
}

// put stores a message at node i alone, with the owner's signature.
func (n *testNetwork) put(i int, u user, m store.Message, at time.Time) {
	n.t.Helper()
	d := store.NewDeposit(m, false)
	d.Request = signedRequestOf(n.t, storage.MethodStore, u.put(m.Namespace, "", at, time.Hour), at)
	if err := n.nodes[i].store.Write(d); err != nil {
		n.t.Fatal(err)
	}
}

// signedRequestOf is what a member keeps of an owner's change.
func signedRequestOf(t testing.TB, method string, params any, at time.Time) []byte {
	t.Helper()
	_, members, err := parseCall(request(t, method, params))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := encodeRequest(method, members, at.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Messages of all namespaces go to the swarm that they belong to, with the time that they have; deleted ones do not,
// and what is known there already is not changed.
func TestHandOverOfNamespaces(t *testing.T) {
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, b}, nil)
	bob, now := newUser(t, b, a, b), time.Now()
	private := store.NewMessage28(bob.pubKey(), 2, now.UnixMilli(), time.Hour.Milliseconds(), []byte("private"))
	gone := store.NewMessage28(bob.pubKey(), 2, now.UnixMilli(), time.Hour.Milliseconds(), []byte("gone"))
	known := store.NewMessage28(bob.pubKey(), 3, now.UnixMilli(), time.Hour.Milliseconds(), []byte("known"))
	later := now.Add(2 * time.Hour).UnixMilli()
	for _, m := range []store.Message{private, gone, known} {
		network.put(0, bob, m, now)
	}
	network.put(1, bob, known, now)
	for _, m := range []store.Message{private, gone, known} {
		found, err := network.nodes[0].store.InScope(bob.pubKey(), rpc28.Scope{Namespace: m.Namespace}, now.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		found = slices.DeleteFunc(found, func(h store.Summary) bool { return h.Name != store.NameOf(m) })
		signed := signedRequestOf(t, rpc28.MethodExpire, bob.expire("", []string{m.HashText()}, later), now)
		if m == gone {
			signed = signedRequestOf(t, rpc28.MethodDelete, bob.remove(m.HashText()), now)
		}
		_, err = network.nodes[0].store.Edit(found, now.UnixMilli(), signed,
			func(store.Summary, store.Version) (store.Version, bool) {
				return store.Version{Expiration: later, Deleted: m == gone}, true
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	network.stop(0)
	network.restart(0) // which looks for messages of other swarms
	var found []store.Summary
	eventually(t, "the messages to be handed over", func() bool {
		var err error
		found, err = network.nodes[1].store.InScope(bob.pubKey(), rpc28.Scope{All: true}, now.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		return len(found) == 2
	})
	network.wantSettled(0)
	for _, h := range found {
		want := map[store.Name]int64{store.NameOf(private): later,
			store.NameOf(known): known.ExpirationMillis()}[h.Name]
		if h.Expiration != want {
			t.Errorf("%s expires at %d, want %d", h.Hash, h.Expiration, want)
		}
	}
	if got := network.texts(1, bob, 2, now); len(got) != 1 || got[0] != "private" {
		t.Errorf("namespace 2 holds %q", got)
	}
}
