package node

import (
	"math"
	"testing"
	"time"

	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

const (
	taken   = `{"stored":1,"refused":0}`
	refused = `{"stored":0,"refused":1}`
)

// tombstoneOf is a tombstone that a member pushes, with what it says that the owner has signed.
func tombstoneOf(m store.Message, number uint64, signed []byte) []byte {
	return store.AppendRecords(nil, store.Record{
		Name: store.NameOf(m), Version: store.Version{Number: number, Expiration: m.ExpirationMillis(), Deleted: true},
		Request: signed,
	})
}

// at28 is a message of storage RPC 2.8.
func at28(u user, namespace rpc28.Namespace, at time.Time, text string) store.Message {
	return store.NewMessage28(u.pubKey(), namespace, at.UnixMilli(), time.Hour.Milliseconds(), []byte(text))
}

// A hostile member pushes tombstones with its own key: no message is deleted unless its owner signed that.
func TestHostileMemberCannotDelete(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice, mallory := newUser(t, 5), newUser(t, 5)
	m, other := at28(alice, 0, now, "mail"), at28(alice, 0, now, "other")
	proved := store.NewMessage20(solved(t, alice.pubKey(), "b2xk", now, time.Hour, 1))
	mustInsert(t, network.nodes[0].store, m, proved)
	number := uint64(now.UnixMilli())
	sign := func(method string, params any) []byte { return signedRequestOf(t, method, params, now) }
	all, longAgo := rpc28.Scope{All: true}, now.Add(-time.Hour)
	del := sign(rpc28.MethodDelete, alice.remove(m.HashText()))
	for name, test := range map[string]struct {
		m      store.Message
		number uint64
		signed []byte
		want   string
	}{
		"unsigned":                          {m, number, nil, refused},
		"unsigned, with the highest number": {m, math.MaxUint64, nil, refused},
		"of a proved message":               {proved, number, nil, refused},
		"signed, with the highest number":   {m, math.MaxUint64, del, refused},
		"signed, beyond the window":         {m, number + 2*60_000 + 10_001, del, refused},
		"not a request":                     {m, number, []byte("{}"), refused},
		"signed by another account": {m, number, sign(rpc28.MethodDelete, mallory.remove(m.HashText())),
			refused},
		"about another message": {m, number, sign(rpc28.MethodDelete, alice.remove(other.HashText())),
			refused},
		"about another namespace": {m, number,
			sign(rpc28.MethodDeleteAll, alice.removeAll(rpc28.Scope{Namespace: 2}, now)), refused},
		"a request to expire": {m, number,
			sign(rpc28.MethodExpireAll, alice.expireAll(all, now.Add(time.Minute))), refused},
		"from the future": {m, number,
			sign(rpc28.MethodDeleteAll, alice.removeAll(all, now.Add(2*time.Minute))), refused},
		"a store request": {m, number,
			sign(storage.MethodStore, alice.put(0, "mail", now, time.Hour)), refused},
		// These are the owner's and only not about this message, which a member sees when it has the message.
		"an old request to delete all": {m, number, sign(rpc28.MethodDeleteAll, alice.removeAll(all, longAgo)),
			taken},
		"an old request to delete before": {m, number, sign(rpc28.MethodDeleteBefore, alice.removeBefore(all, longAgo)),
			taken},
		"another message's hash": {proved, number, sign(rpc28.MethodDelete, alice.remove(other.HashText())),
			taken},
	} {
		got := network.pushed(network.nodes[1].Keys(), now, tombstoneOf(test.m, test.number, test.signed))
		if got.body != test.want {
			t.Errorf("%s: %v, want %s", name, got, test.want)
		}
		if stored := network.texts(0, alice, 0, now); len(stored) != 2 {
			t.Fatalf("%s: the member is left with %q", name, stored)
		}
	}
	if got := network.pushed(network.nodes[1].Keys(), now, tombstoneOf(m, number, del)); got.body != taken {
		t.Errorf("the owner's request: %v", got)
	}
	if stored := network.texts(0, alice, 0, now); len(stored) != 1 {
		t.Errorf("after the owner's request there is %q", stored)
	}
}

// A tombstone that comes before the message hides it only if the owner's request is about the message.
func TestHostileMemberCannotDeleteInAdvance(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice, mallory := newUser(t, 5), newUser(t, 5)
	all, number := rpc28.Scope{All: true}, uint64(now.UnixMilli())
	from := network.nodes[1].Keys()
	before := func(u user, at time.Time) []byte {
		return signedRequestOf(t, rpc28.MethodDeleteBefore, u.removeBefore(all, at), now)
	}
	for text, test := range map[string]struct {
		number uint64
		signed []byte
		answer string // to the tombstone
		hidden bool
	}{
		"unsigned":                   {number, nil, refused, false},
		"unsigned, a number of 0":    {0, nil, refused, false},
		"signed by another account":  {number, before(mallory, now), refused, false},
		"signed, the highest number": {math.MaxUint64, before(alice, now), refused, false},
		"a request to expire": {
			number, signedRequestOf(t, rpc28.MethodExpireAll, alice.expireAll(all, now), now), refused, false,
		},
		"about older messages":        {number, before(alice, now.Add(-time.Hour)), taken, false},
		"about the message as others": {number, before(alice, now), taken, true},
	} {
		m := at28(alice, 0, now, text)
		if got := network.pushed(from, now, tombstoneOf(m, test.number, test.signed)); got.body != test.answer {
			t.Errorf("%s: the tombstone is answered with %v, want %s", text, got, test.answer)
		}
		network.pushed(from, now, encode(m))
		stored, err := network.nodes[0].store.ByHash(alice.pubKey(), []string{m.HashText()}, now.UnixMilli())
		if err != nil || (len(stored) == 0) != test.hidden {
			t.Errorf("%s: stored are %v (%v); want hidden %v", text, stored, err, test.hidden)
		}
	}
}

// A hostile member cannot make mail expire sooner, nor keep a later decision of the owner from taking effect.
func TestHostileMemberCannotExpire(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice, mallory := newUser(t, 5), newUser(t, 5)
	m := at28(alice, 0, now, "mail")
	mustInsert(t, network.nodes[0].store, m)
	soon, own, later := now.Add(time.Second).UnixMilli(), m.ExpirationMillis(), now.Add(2*time.Hour).UnixMilli()
	number := uint64(now.UnixMilli())
	push := func(v store.Version, signed []byte) string {
		return network.pushed(network.nodes[1].Keys(), now, store.AppendRecords(nil, store.Record{
			Name: store.NameOf(m), Version: v, Message: m, Request: signed,
		})).body
	}
	expire := func(u user, expiry int64) []byte {
		return signedRequestOf(t, rpc28.MethodExpire, u.expire("", []string{m.HashText()}, expiry), now)
	}
	for name, test := range map[string]struct {
		v      store.Version
		signed []byte
	}{
		"unsigned":                  {store.Version{Number: number, Expiration: soon}, nil},
		"unsigned, never stored so": {store.Version{Expiration: soon}, nil},
		"highest number":            {store.Version{Number: math.MaxUint64, Expiration: own}, nil},
		"for years": {store.Version{Number: number,
			Expiration: now.Add(20 * 24 * time.Hour).UnixMilli()}, nil},
		"signed by another account":  {store.Version{Number: number, Expiration: soon}, expire(mallory, soon)},
		"signed for another time":    {store.Version{Number: number, Expiration: soon}, expire(alice, later)},
		"signed, the highest number": {store.Version{Number: math.MaxUint64, Expiration: soon}, expire(alice, soon)},
	} {
		if got := push(test.v, test.signed); got != refused {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := network.expiriesAt(0, alice, now, m); got != own {
		t.Errorf("it expires at %d, want %d", got, own)
	}
	if got := push(store.Version{Number: number, Expiration: later}, expire(alice, later)); got != taken {
		t.Errorf("the owner's request: %s", got)
	}
	// Without a request the member can only say that it was stored, for its own time.
	push(store.Version{Number: number + 1, Expiration: own}, nil)
	if got := network.expiriesAt(0, alice, now, m); got != later {
		t.Errorf("in the end it expires at %d, want the owner's %d", got, later)
	}
	network.call(0, rpc28.MethodDelete, alice.remove(m.HashText()))
	if stored := network.texts(0, alice, 0, now); len(stored) != 0 {
		t.Errorf("after the owner deleted it there is %q", stored)
	}
}

// expiriesAt asks node i's store when a message expires.
func (n *testNetwork) expiriesAt(i int, u user, now time.Time, m store.Message) int64 {
	n.t.Helper()
	found, err := n.nodes[i].store.ByHash(u.pubKey(), []string{m.HashText()}, now.UnixMilli())
	if err != nil || len(found) != 1 {
		n.t.Fatalf("node %d holds %v (%v)", i, found, err)
	}
	return found[0].Expiration
}

// A hostile member cannot put messages into namespaces that need the owner's signature, and an old signature of the
// owner is of no use for newer messages.
func TestHostileMemberCannotStoreForTheOwner(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice, mallory := newUser(t, 5), newUser(t, 5)
	m := at28(alice, 2, now, "settings")
	put := func(u user, namespace rpc28.Namespace, at time.Time) []byte {
		return signedRequestOf(t, storage.MethodStore, u.put(namespace, "settings", at, time.Hour), now)
	}
	push := func(m store.Message, signed []byte) string {
		return network.pushed(network.nodes[1].Keys(), now, store.AppendRecords(nil, store.Record{
			Name: store.NameOf(m), Version: store.Version{Expiration: m.ExpirationMillis()}, Message: m, Stored: signed,
		})).body
	}
	for name, signed := range map[string][]byte{
		"unsigned":                  nil,
		"signed by another account": put(mallory, 2, now),
		"for another namespace":     put(alice, 3, now),
		"signed an hour ago":        put(alice, 2, now.Add(-time.Hour)),
		"a request to delete":       signedRequestOf(t, rpc28.MethodDelete, alice.remove(m.HashText()), now),
	} {
		if got := push(m, signed); got != refused {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := push(m, put(alice, 2, now)); got != taken {
		t.Errorf("the owner's: %s", got)
	}
	if got := push(at28(alice, 0, now, "public"), put(alice, 2, now)); got != refused {
		t.Errorf("a request where none is needed: %s", got)
	}
}

// What the owner signed reaches members by every way: a member that was away gets deletion, expiry and signed store by
// catch-up, from another than the one that was asked.
func TestSignedRequestsTravel(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5}, frozen(now))
	network.wantSettled(0, 1, 2)
	alice := newUser(t, 5)
	gone := network.deposit(0, alice.put(0, "gone", now, time.Hour))
	kept := network.deposit(0, alice.put(0, "kept", now, time.Hour))
	network.wantStored(2, alice.pubKey(), 2)
	network.stop(2)
	later := now.Add(3 * time.Hour).UnixMilli()
	network.nodes[0].patience = 100 * time.Millisecond
	network.call(0, rpc28.MethodDelete, alice.remove(gone))
	network.call(0, rpc28.MethodExpire, alice.expire("", []string{kept}, later))
	network.call(0, storage.MethodStore, alice.put(2, "private", now, time.Hour))
	network.stop(0)
	network.restart(2)
	eventually(t, "the deletion to arrive", func() bool { return len(network.texts(2, alice, 0, now)) == 1 })
	eventually(t, "the private message to arrive", func() bool { return len(network.texts(2, alice, 2, now)) == 1 })
	if got := network.node2Expiries(alice, kept)[kept]; got != later {
		t.Errorf("it expires at %d, want %d", got, later)
	}
}

// Owners' requests go when the last message that refers to them has expired; a request about many messages is kept
// once.
func TestSignedRequestsAreBounded(t *testing.T) {
	n := bareNode(t)
	alice := newUser(t, 5)
	hashes := make([]string, 30_000)
	for i := range hashes {
		hashes[i] = at28(alice, 0, time.Now(), string(rune(i))).HashText()
	}
	got := n.storageRPC(t.Context(), request(t, rpc28.MethodDelete, alice.remove(hashes...)))
	if got.status != 400 || string(got.body) != errRequest.text {
		t.Errorf("a request that no other member could take: status %d, %q", got.status, got.body)
	}
}
