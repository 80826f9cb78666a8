package node

import (
	"net/http"
	"testing"
	"time"

	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// A member that does not answer is told of after five seconds, and gets what it has missed later: messages, deletions
// and other times.
func TestChangesReachMembersThatWereAway(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5}, nil)
	network.wantSettled(0, 1, 2)
	alice, now := newUser(t, 5), time.Now()
	gone := network.deposit(0, alice.put(0, "gone", now, time.Hour))
	kept := network.deposit(0, alice.put(0, "kept", now, time.Hour))
	network.stop(2)
	later := now.Add(3 * time.Hour).UnixMilli()
	for method, params := range map[string]any{
		rpc.MethodDelete: alice.remove(gone),
		rpc.MethodExpire: alice.expire("", []string{kept}, later),
		rpc.MethodStore:  alice.put(2, "new", now, time.Hour),
	} {
		answer := decode[rpc.ChangeAnswer](t, network.call(0, method, params), 200)
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
				if r.URL.Path == ForwardPath {
					<-hang
					panic(http.ErrAbortHandler)
				}
				own.ServeHTTP(w, r)
			})
		}
	})
	defer close(hang)
	if forwardTimeout != 5*time.Second || network.nodes[0].patience != forwardTimeout {
		t.Errorf("members have %v for their answers", network.nodes[0].patience)
	}
	network.nodes[0].patience = 100 * time.Millisecond
	alice := newUser(t, 5)
	answer := decode[rpc.ChangeAnswer](t, network.call(0, rpc.MethodStore, alice.put(0, "x", now, time.Hour)), 200)
	silent, own := answer.Swarm[network.states[1].PubkeyEd25519], answer.Swarm[network.states[0].PubkeyEd25519]
	if len(answer.Swarm) != 2 || !bool(silent.Failed && silent.Timeout) || bool(own.Failed) {
		t.Errorf("answer %+v", answer.Swarm)
	}
	network.wantHeld(1, alice.pubKey(), 1) // by the queue
}

// What a member says when it refuses is told.
func TestChangesThatAMemberRefuses(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		config.Now = func() time.Time { return now.Add(time.Duration(i) * 65 * time.Second) }
	})
	answer := decode[rpc.ChangeAnswer](t, network.call(0, rpc.MethodStore, newUser(t, 5).put(0, "x", now, time.Hour)), 200)
	refused := answer.Swarm[network.states[1].PubkeyEd25519]
	if !bool(refused.Failed) || refused.Code != 406 || refused.Reason != errTimestamp.text || bool(refused.Timeout) {
		t.Errorf("a member whose clock is wrong: %+v", refused)
	}
}

// node2Expiries asks node 2 alone.
func (n *testNetwork) node2Expiries(u user, hashes ...string) map[string]int64 {
	n.t.Helper()
	now := time.Now().UnixMilli()
	params := rpc.GetExpiriesParams{Pubkey: u.pubKey(), Messages: hashes, Timestamp: now, Auth: u.auth(rpc.GetExpiriesSignatureText(now, hashes))}
	return decode[rpc.ExpiriesAnswer](n.t, n.call(2, rpc.MethodGetExpiries, params), 200).Expiries
}

// A deleted message does not come back from a member that has missed the deletion, even if the one that was asked for it
// is gone for good: the others know. Nodes of other swarms are not believed.
func TestDeletedStaysDeleted(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5, 9}, frozen(now))
	alice := newUser(t, 5, 5, 9)
	m := newTodayMessage(alice.pubKey(), 0, now.UnixMilli(), time.Hour.Milliseconds(), []byte("x"))
	for i := range 3 {
		mustInsert(t, network.nodes[i].store, m)
	}
	buried := record{name: nameOf(m), life: life{version: uint64(now.UnixMilli()), expiration: m.expiration(), deleted: true}}
	if got := network.pushed(network.nodes[3].keys, now, appendRecord(nil, buried)); got.body != `{"stored":0,"refused":1}` {
		t.Errorf("a node of another swarm deletes: %v", got)
	}
	if got := network.texts(0, alice, 0, now); len(got) != 1 {
		t.Errorf("now there is %q", got)
	}
	network.call(0, rpc.MethodDelete, alice.remove(m.hashText()))
	network.stop(0)
	// A member that has missed it gives its own to one that has not.
	if got := network.pushedTo(1, network.nodes[2].keys, now, encode(m)); got.body != `{"stored":1,"refused":0}` {
		t.Errorf("the message comes again: %v", got)
	}
	if got := network.texts(1, alice, 0, now); len(got) != 0 {
		t.Errorf("it is back: %q", got)
	}
	mustWrite(t, network.nodes[2].store, &undelete{newContent(m)})
	with := network.nodes[1].members.view().peers[network.nodes[2].keys.Name()]
	if found, _, err := network.nodes[1].compareWith(t.Context(), with); err != nil || found != 0 {
		t.Errorf("comparing found %d (%v); want the deletion given", found, err)
	}
	if got := network.texts(2, alice, 0, now); len(got) != 0 {
		t.Errorf("after comparing there is %q", got)
	}
}

// undelete makes a store as if it had missed a deletion.
type undelete struct{ content }

func (u *undelete) write(t tables) error {
	p, _, err := t.find(u.name)
	if err != nil {
		return err
	}
	if err := t.drop(u.name, p); err != nil {
		return err
	}
	_, err = t.create(u.content, life{expiration: p.expiration})
	return err
}

func mustWrite(t *testing.T, s *store, entries ...entry) {
	t.Helper()
	if err := s.write(entries...); err != nil {
		t.Fatal(err)
	}
}

// pushedTo posts a push to node i.
func (n *testNetwork) pushedTo(i int, from Keys, at time.Time, body []byte) reply {
	n.t.Helper()
	header := make(http.Header)
	sign(header, from, n.nodes[i].Keys().Name(), PushPath, at, body)
	return n.do(i, http.MethodPost, PushPath, header, body)
}

// Deleted messages leave no trace when they would have expired, and neither do messages that were made to expire.
func TestDeletedExpires(t *testing.T) {
	s, now := newStore(t), time.Now()
	messages := []message{
		plain(owner(1), "a", now, time.Minute),
		newTodayMessage(owner(1), 2, now.UnixMilli(), time.Minute.Milliseconds(), []byte("b")),
	}
	mustInsert(t, s, messages...)
	for _, m := range messages {
		mustWrite(t, s, &edit{name: nameOf(m), at: now.UnixMilli(), decide: func(l life) (life, bool) {
			l.deleted, l.expiration = m.namespace == 2, l.expiration+1000
			return l, true
		}})
	}
	if got := entries(t, s); got != [4]int{1, 1, 2, 2} {
		t.Errorf("buckets hold %v entries, want one message and two names", got)
	}
	if removed, err := s.sweep(t.Context(), now.Add(time.Minute).UnixMilli()); err != nil || removed != 0 {
		t.Errorf("%d messages are removed too early (%v)", removed, err)
	}
	if removed, err := s.sweep(t.Context(), now.Add(time.Minute+time.Second).UnixMilli()); err != nil || removed != 2 {
		t.Errorf("%d messages are removed (%v), want 2", removed, err)
	}
	if got := entries(t, s); got != [4]int{} {
		t.Errorf("buckets hold %v entries after the sweep", got)
	}
}

// Whatever the order in which nodes learn of the lives of a message, they end up with the same one.
func TestOverrides(t *testing.T) {
	lives := []life{
		{expiration: 1}, {expiration: 2}, {version: 1, expiration: 1}, {version: 1, expiration: 1, deleted: true},
		{version: 1, expiration: 2, deleted: true}, {version: 2, expiration: 1},
	}
	for i, a := range lives {
		for k, b := range lives {
			if got, want := b.overrides(a), k > i; got != want {
				t.Errorf("%+v overrides %+v: %v, want %v", b, a, got, want)
			}
		}
	}
	if l := (life{version: 100}); l.next(50) != 101 || l.next(200) != 200 || l.next(-1) != 101 {
		t.Errorf("after version 100 come %d, %d and %d", l.next(50), l.next(200), l.next(-1))
	}
}

// Messages of all namespaces go to the swarm that they belong to, with the time that they have; deleted ones do not, and
// what is known there already is not changed.
func TestHandOverOfNamespaces(t *testing.T) {
	a, b := swarm.SwarmID(1<<62), swarm.SwarmID(3<<62)
	network := startNetwork(t, []swarm.SwarmID{a, b}, nil)
	bob, now := newUser(t, b, a, b), time.Now()
	private := newTodayMessage(bob.pubKey(), 2, now.UnixMilli(), time.Hour.Milliseconds(), []byte("private"))
	gone := newTodayMessage(bob.pubKey(), 2, now.UnixMilli(), time.Hour.Milliseconds(), []byte("gone"))
	known := newTodayMessage(bob.pubKey(), 3, now.UnixMilli(), time.Hour.Milliseconds(), []byte("known"))
	mustInsert(t, network.nodes[1].store, known)
	mustInsert(t, network.nodes[0].store, private, gone, known)
	later := now.Add(2 * time.Hour).UnixMilli()
	for _, m := range []message{private, gone, known} {
		mustWrite(t, network.nodes[0].store, &edit{name: nameOf(m), at: now.UnixMilli(), decide: func(l life) (life, bool) {
			return life{expiration: later, deleted: m == gone}, true
		}})
	}
	network.nodes[0].handOver.again()
	var found []held
	eventually(t, "the messages to be handed over", func() bool {
		var err error
		found, err = network.nodes[1].store.inScope(bob.pubKey(), rpc.Scope{All: true}, now.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		return len(found) == 2
	})
	network.wantSettled(0)
	for _, h := range found {
		want := map[messageName]int64{nameOf(private): later, nameOf(known): known.expiration()}[h.name]
		if h.expiration != want {
			t.Errorf("%s expires at %d, want %d", h.hash, h.expiration, want)
		}
	}
	if got := network.texts(1, bob, 2, now); len(got) != 1 || got[0] != "private" {
		t.Errorf("namespace 2 holds %q", got)
	}
}
