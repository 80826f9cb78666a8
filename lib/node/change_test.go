package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/swarm"
)

// What is deleted at one member is gone at all of them, and stays gone.
func TestDelete(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5, 5}, frozen(now))
	network.wantSettled(0, 1, 2)
	alice, bob := newUser(t, 5), newUser(t, 5)
	stays := network.deposit(0, alice.put(0, "stays", now, time.Hour))
	first := network.deposit(1, alice.put(0, "first", now, time.Hour))
	private := network.deposit(2, alice.put(2, "private", now, time.Hour))
	theirs := network.deposit(0, bob.put(0, "first", now, time.Hour))
	requested := []string{private, first, theirs}
	text := func(r rpc28.MemberResult) []byte { return signtext.Deleted(alice.pubKey(), requested, r.Deleted.List) }
	want := []string{first, private}
	slices.Sort(want)
	if got := network.change(1, rpc28.MethodDelete, alice.remove(requested...), text); !slices.Equal(got.Deleted.List,
		want) {
		t.Errorf("deleted %v, want %v", got.Deleted, want)
	}
	network.wantTexts(alice, 0, now, "stays")
	network.wantTexts(alice, 2, now)
	network.wantTexts(bob, 0, now, "first")

	if got := network.change(0, rpc28.MethodDelete, alice.remove(requested...), text); len(got.Deleted.List) != 0 {
		t.Errorf("deleted once more: %v", got.Deleted)
	}
	required := alice.remove(requested...)
	required.Required = true
	answer := decode[rpc28.ChangeAnswer](t, network.call(0, rpc28.MethodDelete, required), 404)
	if len(answer.Swarm) != 3 {
		t.Errorf("nothing there, but required: %+v", answer)
	}
	required = alice.remove(stays)
	required.Required = true
	if got := network.call(2, rpc28.MethodDelete, required); got.status != 200 {
		t.Errorf("required and there: %v", got)
	}
	network.wantTexts(alice, 0, now)
	// Who stores it once more means it.
	if again := network.deposit(0, alice.put(0, "first", now, time.Hour)); again != first {
		t.Errorf("stored again as %s, want %s", again, first)
	}
	network.wantTexts(alice, 0, now, "first")
}

// delete_all, delete_before and expire_all act upon one namespace or upon all of them.
func TestScopes(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	all, messages := rpc28.Scope{All: true}, rpc28.Scope{}
	filled := func() (u user, old, young, private string) {
		u = newUser(t, 5)
		return u, network.deposit(0, u.put(0, "old", now.Add(-time.Minute), time.Hour)),
			network.deposit(0, u.put(0, "young", now, 2*time.Hour)),
			network.deposit(1, u.put(2, "private", now.Add(-time.Minute), 2*time.Hour))
	}
	check := func(u user, method string, when time.Time, params any, want rpc28.Hashes) {
		t.Helper()
		changed := func(r rpc28.MemberResult) *rpc28.Hashes {
			if method == rpc28.MethodExpireAll {
				return r.Updated
			}
			return r.Deleted
		}
		got := network.change(0, method, params, func(r rpc28.MemberResult) []byte {
			return signtext.ChangedAll(u.pubKey(), when.UnixMilli(), *changed(r))
		})
		slices.Sort(want.List)
		for _, part := range want.ByNamespace {
			slices.Sort(part)
		}
		if a, b := string(request(t, "", changed(got))), string(request(t, "", want)); a != b {
			t.Errorf("%s: %s, want %s", method, a, b)
		}
	}
	byNamespace := func(public, private []string) rpc28.Hashes {
		return rpc28.Hashes{ByNamespace: map[rpc28.Namespace][]string{0: public, 2: private}}
	}

	u, old, young, _ := filled()
	check(u, rpc28.MethodDeleteAll, now, u.removeAll(messages, now), rpc28.Hashes{List: []string{old, young}})
	network.wantTexts(u, 0, now)
	network.wantTexts(u, 2, now, "private")
	check(u, rpc28.MethodDeleteAll, now, u.removeAll(messages, now), rpc28.Hashes{})

	u, old, young, private := filled()
	check(u, rpc28.MethodDeleteAll, now, u.removeAll(all, now), byNamespace([]string{old, young}, []string{private}))
	network.wantTexts(u, 0, now)
	network.wantTexts(u, 2, now)

	u, old, _, private = filled()
	before := now.Add(-time.Second)
	check(u, rpc28.MethodDeleteBefore, before, u.removeBefore(messages, before), rpc28.Hashes{List: []string{old}})
	check(u, rpc28.MethodDeleteBefore, before, u.removeBefore(all, before),
		rpc28.Hashes{ByNamespace: map[rpc28.Namespace][]string{2: {private}}})
	network.wantTexts(u, 0, now, "young")
	network.wantTexts(u, 2, now)

	u, old, young, private = filled()
	expiry := now.Add(time.Hour) // after the old one
	check(u, rpc28.MethodExpireAll, expiry, u.expireAll(messages, expiry), rpc28.Hashes{List: []string{young}})
	check(u, rpc28.MethodExpireAll, expiry, u.expireAll(all, expiry),
		rpc28.Hashes{ByNamespace: map[rpc28.Namespace][]string{2: {private}}})
	expiries := network.expiries(u, now, old, young, private)
	if want := expiry.UnixMilli(); expiries[young] != want || expiries[private] != want ||
		expiries[old] != want-60_000 {
		t.Errorf("expiries are %v, want %d and a minute less for the old one", expiries, want)
	}

	for name, test := range map[string]struct {
		method string
		params any
		status int
		text   string
	}{
		"deleted a minute ago": {rpc28.MethodDeleteAll, u.removeAll(messages, now.Add(-time.Minute-time.Millisecond)),
			406, "delete_all timestamp too far from current time"},
		"deleted later": {rpc28.MethodDeleteAll, u.removeAll(messages, now.Add(time.Minute+time.Millisecond)),
			406, "delete_all timestamp too far from current time"},
		"before what comes": {rpc28.MethodDeleteBefore, u.removeBefore(all, now.Add(time.Minute+time.Millisecond)),
			401, "delete_before timestamp too far in the future"},
		"expired a minute ago": {rpc28.MethodExpireAll, u.expireAll(all, now.Add(-time.Minute-time.Millisecond)), 406,
			"expire_all timestamp should be >= current time"},
		"another scope": {rpc28.MethodDeleteAll,
			func() rpc28.DeleteAllParams { p := u.removeAll(messages, now); p.Namespace = all; return p }(), 401,
			"delete_all signature verification failed"},
	} {
		if got := network.call(0, test.method, test.params); got.status != test.status || got.body != test.text {
			t.Errorf("%s: %v, want %d %q", name, got, test.status, test.text)
		}
	}
}

// expiries asks every node, which have to agree.
func (n *testNetwork) expiries(u user, now time.Time, hashes ...string) map[string]int64 {
	n.t.Helper()
	params := rpc28.GetExpiriesParams{
		Pubkey: u.pubKey(), Messages: hashes, Timestamp: now.UnixMilli(),
		Auth: u.auth(signtext.GetExpiries(now.UnixMilli(), hashes)),
	}
	first := n.call(0, rpc28.MethodGetExpiries, params)
	for i := range n.nodes {
		if got := n.call(i, rpc28.MethodGetExpiries, params); got.body != first.body {
			n.t.Errorf("node %d tells expiries %s, node 0 %s", i, got.body, first.body)
		}
	}
	return decode[rpc28.ExpiriesAnswer](n.t, first, 200).Expiries
}

// Messages can be made to expire sooner or later, on a condition or without, all at one time or each at its own.
func TestExpire(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	alice := newUser(t, 5)
	a, b := network.deposit(0, alice.put(0, "a", now, time.Hour)), network.deposit(0, alice.put(2, "b", now, time.Hour))
	in := func(hours int) int64 { return now.Add(time.Duration(hours) * time.Hour).UnixMilli() }
	for _, test := range []struct {
		name      string
		flag      string
		hashes    []string
		expiry    []int64
		updated   []string
		told      rpc28.Times
		unchanged map[string]int64
	}{
		{"later", "extend", []string{a}, []int64{in(3)}, []string{a}, rpc28.Times{in(3)}, map[string]int64{}},
		{"not later", "extend", []string{a, b}, []int64{in(2)}, []string{b}, rpc28.Times{in(2)},
			map[string]int64{a: in(3)}},
		{"not sooner", "shorten", []string{b}, []int64{in(4)}, nil, rpc28.Times{in(4)}, map[string]int64{b: in(2)}},
		{"sooner", "shorten", []string{b}, []int64{in(1)}, []string{b}, rpc28.Times{in(1)}, map[string]int64{}},
		{"too late", "", []string{a}, []int64{in(24 * 90)}, []string{a}, rpc28.Times{in(24 * 30)}, nil},
		{"each at its time", "", []string{a, b, strings.Repeat("A", 43)}, []int64{in(5), in(6), in(7)}, []string{a, b},
			nil, nil},
		{"unknown", "", []string{strings.Repeat("A", 43)}, []int64{in(1)}, nil, rpc28.Times{in(1)}, nil},
	} {
		got := network.change(1, rpc28.MethodExpire, alice.expire(test.flag, test.hashes, test.expiry...),
			func(r rpc28.MemberResult) []byte {
				return signtext.Expired(alice.pubKey(), r.Expiry, test.hashes, r.Updated.List, r.Unchanged)
			})
		slices.Sort(test.updated)
		if test.told == nil {
			for _, hash := range test.updated {
				test.told = append(test.told, test.expiry[slices.Index(test.hashes, hash)])
			}
		}
		want := rpc28.MemberResult{Updated: &rpc28.Hashes{List: test.updated}, Expiry: test.told,
			Unchanged: test.unchanged}
		if a, b := string(request(t, "", got)), string(request(t, "", want)); a != b {
			t.Errorf("%s: %s, want %s", test.name, a, b)
		}
	}
	if got := network.expiries(alice, now, a, b); len(got) != 2 || got[a] != in(5) || got[b] != in(6) {
		t.Errorf("in the end the expiries are %v", got)
	}
	for name, test := range map[string]struct {
		params rpc28.ExpireParams
		status int
		text   string
	}{
		"in the past": {alice.expire("", []string{a}, now.Add(-time.Minute-time.Millisecond).UnixMilli()), 401,
			"expire: timestamp should be >= current time"},
		"other flag": {func() rpc28.ExpireParams {
			p := alice.expire("", []string{a},
				in(1))
			p.Extend = true
			return p
		}(), 401, "expire: signature verification failed"},
		"two conditions": {func() rpc28.ExpireParams {
			p := alice.expire("extend", []string{a},
				in(1))
			p.Shorten = true
			return p
		}(), 400, "invalid request: cannot specify both 'shorten' and 'extend'"},
		"two times": {alice.expire("", []string{a}, in(1), in(2)), 400,
			"invalid request: 'expiry' must be a single expiry, or the same length as 'messages'"},
		"bad hash": {alice.expire("", []string{"xyz"}, in(1)), 400, "invalid request: invalid message hash: xyz"},
	} {
		if got := network.call(0, rpc28.MethodExpire, test.params); got.status != test.status || got.body != test.text {
			t.Errorf("%s: %v, want %d %q", name, got, test.status, test.text)
		}
	}
}

// A public outbox holds the last message only, on all members, and a signature is needed to put it there.
func TestOutboxNamespace(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	alice := newUser(t, 5)
	for _, text := range []string{"one", "two", "three"} {
		network.deposit(0, alice.put(-1, text, now, time.Hour))
	}
	network.wantTexts(alice, -1, now, "three")
	network.deposit(1, alice.put(-21, "elsewhere", now, time.Hour))
	network.wantTexts(alice, -1, now, "three")
}

// Messages of both storage RPCs are in one box. Each client sees hashes that it can use: a client of 2.0 that of the
// proof of work, and the 2.8 hash of a message that has none; a client of 2.8 sees its hash of everything.
func TestBothStorageRPCsShareABox(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	alice := newUser(t, 5)
	old := solved(t, alice.pubKey(), "b2xk", now, time.Hour, 1)
	if got := network.call(0, storage.MethodStore, old); got.body != `{"difficulty":1}` {
		t.Fatal(got)
	}
	network.wantStored(1, alice.pubKey(), 1)
	hash28 := network.deposit(0, alice.put(0, "new", now, time.Hour))
	again := solved(t, alice.pubKey(), "b2xk", now.Add(-time.Second), time.Hour, 1) // other times, so another message
	network.call(0, storage.MethodStore, again)
	network.wantStored(1, alice.pubKey(), 3)

	seen := decode[rpc20.RetrieveAnswer](t, network.call(1, storage.MethodRetrieve, alice.retrieve("", now)),
		200).Messages
	want := []storage.Stored{
		{Data: "b2xk", Expiration: now.Add(time.Hour).UnixMilli(), Hash: store.NewMessage20(old).HashText()},
		{Data: "bmV3", Expiration: now.Add(time.Hour).UnixMilli(), Hash: hash28},
		{Data: "b2xk", Expiration: now.Add(time.Hour - time.Second).UnixMilli(),
			Hash: store.NewMessage20(again).HashText()},
	}
	if !sameMessages(seen, want) {
		t.Errorf("a client of 2.0 sees %v, want %v", seen, want)
	}
	for i, message := range seen {
		rest := decode[rpc20.RetrieveAnswer](t,
			network.call(1, storage.MethodRetrieve, alice.retrieve(message.Hash, now)), 200).Messages
		if len(rest) != len(seen)-1-i {
			t.Errorf("a client of 2.0 sees %d messages after number %d", len(rest), i)
		}
	}

	page := decode[rpc28.PageAnswer](t, network.call(1, storage.MethodRetrieve, alice.get(0, now)), 200).Messages
	alias := store.NewMessage20(old).Hash28()
	if len(page) != 3 || page[0].Hash != alias || page[1].Hash != hash28 || page[2].Hash != alias ||
		page[0].Timestamp != now.UnixMilli() {
		t.Errorf("a client of 2.8 sees %+v, want the hashes %s, %s and the first again", page, alias, hash28)
	}
	params := alice.get(0, now)
	params.LastHash = alias
	if page := decode[rpc28.PageAnswer](t, network.call(1, storage.MethodRetrieve, params),
		200); len(page.Messages) != 2 {
		t.Errorf("after the first message a client of 2.8 sees %+v", page.Messages)
	}
	later := now.Add(2 * time.Hour).UnixMilli()
	network.call(0, rpc28.MethodExpire, alice.expire("", []string{alias, hash28}, later))
	if got := network.expiries(alice, now, alias, hash28); got[alias] != later || got[hash28] != later {
		t.Errorf("expiries are %v, want %d for both", got, later)
	}
	network.call(0, rpc28.MethodDelete, alice.remove(alias))
	network.wantTexts(alice, 0, now, "new")
}

func sameMessages(a, b []storage.Stored) bool {
	key := func(s storage.Stored) string { return s.Hash }
	byHash := func(x, y storage.Stored) int { return strings.Compare(key(x), key(y)) }
	a, b = slices.SortedFunc(slices.Values(a), byHash), slices.SortedFunc(slices.Values(b), byHash)
	return slices.Equal(a, b)
}
