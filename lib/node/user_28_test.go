package node

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// auth signs as clients of 2.8 do.
func (u user) auth(text []byte) rpc28.Auth {
	public, signature := u.Ed25519Public(), u.Sign(text)
	return rpc28.Auth{
		PubkeyEd25519: hex.EncodeToString(public[:]), Signature: base64.StdEncoding.EncodeToString(signature[:]),
	}
}

// put makes a store request for a namespace, signed where it has to be.
func (u user) put(namespace rpc28.Namespace, data string, at time.Time, ttl time.Duration) rpc28.StoreParams {
	params := rpc28.StoreParams{
		Pubkey: u.pubKey(), Namespace: namespace, Timestamp: at.UnixMilli(), TTL: ttl.Milliseconds(),
		Data: base64.StdEncoding.EncodeToString([]byte(data)),
	}
	if !namespace.StoreIsPublic() {
		params.Auth = u.auth(signtext.Store(namespace, params.Timestamp))
	}
	return params
}

func (u user) get(namespace rpc28.Namespace, now time.Time) rpc28.RetrieveParams {
	return rpc28.RetrieveParams{
		Pubkey: u.pubKey(), Namespace: namespace, Timestamp: now.UnixMilli(),
		Auth: u.auth(signtext.Retrieve(namespace, now.UnixMilli())),
	}
}

func (u user) remove(hashes ...string) rpc28.DeleteParams {
	return rpc28.DeleteParams{Pubkey: u.pubKey(), Messages: hashes, Auth: u.auth(signtext.Delete(hashes))}
}

func (u user) removeAll(scope rpc28.Scope, now time.Time) rpc28.DeleteAllParams {
	return rpc28.DeleteAllParams{
		Pubkey: u.pubKey(), Namespace: scope, Timestamp: now.UnixMilli(),
		Auth: u.auth(signtext.DeleteAll(scope, now.UnixMilli())),
	}
}

func (u user) removeBefore(scope rpc28.Scope, before time.Time) rpc28.DeleteBeforeParams {
	return rpc28.DeleteBeforeParams{
		Pubkey: u.pubKey(), Namespace: scope, Before: before.UnixMilli(),
		Auth: u.auth(signtext.DeleteBefore(scope, before.UnixMilli())),
	}
}

func (u user) expireAll(scope rpc28.Scope, expiry time.Time) rpc28.ExpireAllParams {
	return rpc28.ExpireAllParams{
		Pubkey: u.pubKey(), Namespace: scope, Expiry: expiry.UnixMilli(),
		Auth: u.auth(signtext.ExpireAll(scope, expiry.UnixMilli())),
	}
}

// expire makes a request with one expiry or several. flag is "shorten", "extend" or "".
func (u user) expire(flag string, hashes []string, expiry ...int64) rpc28.ExpireParams {
	shorten, extend := flag == "shorten", flag == "extend"
	return rpc28.ExpireParams{
		Pubkey: u.pubKey(), Messages: hashes, Expiry: expiry, Shorten: shorten, Extend: extend,
		Auth: u.auth(signtext.Expire(shorten, extend, expiry, hashes)),
	}
}

// change makes a request at node i that all members have to carry out, checks their signatures over text and that they
// agree, and returns the result of node i. A member that compares its messages with those of node i at that moment may
// have got the message already.
func (n *testNetwork) change(
	i int, method string, params any, text func(rpc28.MemberResult) []byte,
) rpc28.MemberResult {
	n.t.Helper()
	got := n.call(i, method, params)
	answer, err := rpc28.ParseChange(got.body)
	if got.status != 200 || err != nil {
		n.t.Fatalf("%s: %v, %v", method, got, err)
	}
	if answer.T == 0 || answer.HardFork == [2]int{} {
		n.t.Errorf("%s: no clock in %s", method, got.body)
	}
	var common string
	var asked rpc28.MemberResult
	for member, state := range n.states {
		result := answer.Swarm[state.PubkeyEd25519]
		signature, err := base64.StdEncoding.DecodeString(result.Signature)
		key, keyErr := hex.DecodeString(state.PubkeyEd25519)
		if err != nil || keyErr != nil || bool(result.Failed) || !ed25519.Verify(key, text(result), signature) {
			n.t.Errorf("%s: result %+v of %s is not signed", method, result, state.PubkeyEd25519)
		}
		result.Signature, result.T = "", 0 // which differ: see Test28StoreTellsTheTimeTwice
		if member == i {
			asked = result
		}
		result.Already = false
		text, err := json.Marshal(result)
		if err != nil {
			n.t.Fatal(err)
		}
		if common == "" {
			common = string(text)
		}
		if common != string(text) {
			n.t.Errorf("%s: members disagree: %s and %s", method, common, text)
		}
	}
	if len(answer.Swarm) != len(n.states) {
		n.t.Errorf("%s: %d members have answered, want %d", method, len(answer.Swarm), len(n.states))
	}
	return asked
}

// deposit stores at node i and returns the hash.
func (n *testNetwork) deposit(i int, params rpc28.StoreParams) string {
	n.t.Helper()
	return n.change(i, storage.MethodStore, params,
		func(r rpc28.MemberResult) []byte { return signtext.Stored(r.Hash) }).Hash
}

// texts returns the data in u's box at node i.
func (n *testNetwork) texts(i int, u user, namespace rpc28.Namespace, now time.Time) (texts []string) {
	n.t.Helper()
	page := decode[rpc28.PageAnswer](n.t, n.call(i, storage.MethodRetrieve, u.get(namespace, now)), 200)
	for _, m := range page.Messages {
		data, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			n.t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	return texts
}

// wantTexts checks u's box at every node.
func (n *testNetwork) wantTexts(u user, namespace rpc28.Namespace, now time.Time, want ...string) {
	n.t.Helper()
	for i := range n.nodes {
		if got := n.texts(i, u, namespace, now); !slices.Equal(got, want) {
			n.t.Errorf("node %d has %q in namespace %d, want %q", i, got, namespace, want)
		}
	}
}
