package node

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"sessiontool/lib/rpc"
)

// auth signs as today's clients do.
func (u user) auth(text []byte) rpc.Auth {
	public, signature := u.Ed25519Public(), u.Sign(text)
	return rpc.Auth{
		PubkeyEd25519: hex.EncodeToString(public[:]), Signature: base64.StdEncoding.EncodeToString(signature[:]),
	}
}

// put makes a store request for a namespace, signed where it has to be.
func (u user) put(namespace rpc.Namespace, data string, at time.Time, ttl time.Duration) rpc.TodayStoreParams {
	params := rpc.TodayStoreParams{
		Pubkey: u.pubKey(), Namespace: namespace, Timestamp: at.UnixMilli(), TTL: ttl.Milliseconds(),
		Data: base64.StdEncoding.EncodeToString([]byte(data)),
	}
	if !namespace.StoreIsPublic() {
		params.Auth = u.auth(rpc.StoreSignatureText(namespace, params.Timestamp))
	}
	return params
}

func (u user) get(namespace rpc.Namespace, now time.Time) rpc.TodayRetrieveParams {
	return rpc.TodayRetrieveParams{
		Pubkey: u.pubKey(), Namespace: namespace, Timestamp: now.UnixMilli(),
		Auth: u.auth(rpc.RetrieveSignatureText(namespace, now.UnixMilli())),
	}
}

func (u user) remove(hashes ...string) rpc.DeleteParams {
	return rpc.DeleteParams{Pubkey: u.pubKey(), Messages: hashes, Auth: u.auth(rpc.DeleteSignatureText(hashes))}
}

func (u user) removeAll(scope rpc.Scope, now time.Time) rpc.DeleteAllParams {
	return rpc.DeleteAllParams{
		Pubkey: u.pubKey(), Namespace: scope, Timestamp: now.UnixMilli(),
		Auth: u.auth(rpc.DeleteAllSignatureText(scope, now.UnixMilli())),
	}
}

func (u user) removeBefore(scope rpc.Scope, before time.Time) rpc.DeleteBeforeParams {
	return rpc.DeleteBeforeParams{
		Pubkey: u.pubKey(), Namespace: scope, Before: before.UnixMilli(),
		Auth: u.auth(rpc.DeleteBeforeSignatureText(scope, before.UnixMilli())),
	}
}

func (u user) expireAll(scope rpc.Scope, expiry time.Time) rpc.ExpireAllParams {
	return rpc.ExpireAllParams{
		Pubkey: u.pubKey(), Namespace: scope, Expiry: expiry.UnixMilli(),
		Auth: u.auth(rpc.ExpireAllSignatureText(scope, expiry.UnixMilli())),
	}
}

// expire makes a request with one expiry or several. flag is "shorten", "extend" or "".
func (u user) expire(flag string, hashes []string, expiry ...int64) rpc.ExpireParams {
	shorten, extend := flag == "shorten", flag == "extend"
	return rpc.ExpireParams{
		Pubkey: u.pubKey(), Messages: hashes, Expiry: expiry, Shorten: shorten, Extend: extend,
		Auth: u.auth(rpc.ExpireSignatureText(shorten, extend, expiry, hashes)),
	}
}

// change makes a request at node i that all members have to carry out, checks their signatures over text and returns the
// one result that all of them have.
func (n *testNetwork) change(i int, method string, params any, text func(rpc.MemberResult) []byte) rpc.MemberResult {
	n.t.Helper()
	got := n.call(i, method, params)
	answer, err := rpc.ParseChange(got.body)
	if got.status != 200 || err != nil {
		n.t.Fatalf("%s: %v, %v", method, got, err)
	}
	if answer.T == 0 || answer.HardFork == [2]int{} {
		n.t.Errorf("%s: no clock in %s", method, got.body)
	}
	var common string
	var result rpc.MemberResult
	for _, state := range n.states {
		result = answer.Swarm[state.PubkeyEd25519]
		signature, err := base64.StdEncoding.DecodeString(result.Signature)
		key, keyErr := hex.DecodeString(state.PubkeyEd25519)
		if err != nil || keyErr != nil || bool(result.Failed) || !ed25519.Verify(key, text(result), signature) {
			n.t.Errorf("%s: result %+v of %s is not signed", method, result, state.PubkeyEd25519)
		}
		result.Signature, result.T = "", 0 // which differ: see TestTodayStoreTellsTheTimeTwice
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
	return result
}

// deposit stores at node i and returns the hash.
func (n *testNetwork) deposit(i int, params rpc.TodayStoreParams) string {
	n.t.Helper()
	return n.change(i, rpc.MethodStore, params, func(r rpc.MemberResult) []byte { return rpc.StoredText(r.Hash) }).Hash
}

// texts returns the data in u's box at node i.
func (n *testNetwork) texts(i int, u user, namespace rpc.Namespace, now time.Time) (texts []string) {
	n.t.Helper()
	page := decode[rpc.PageAnswer](n.t, n.call(i, rpc.MethodRetrieve, u.get(namespace, now)), 200)
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
func (n *testNetwork) wantTexts(u user, namespace rpc.Namespace, now time.Time, want ...string) {
	n.t.Helper()
	for i := range n.nodes {
		if got := n.texts(i, u, namespace, now); !slices.Equal(got, want) {
			n.t.Errorf("node %d has %q in namespace %d, want %q", i, got, namespace, want)
		}
	}
}
