package node

import (
	"testing"
	"time"

	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// FuzzReadSigned reads what a member may push as an owner's request: it is refused, or it is one that the owner signed,
// and that says the same of a message and of its name.
func FuzzReadSigned(f *testing.F) {
	now := time.UnixMilli(1795391232497)
	alice := newUser(f, 5)
	message := store.NewMessage28(alice.pubKey(), 0, now.UnixMilli(), time.Hour.Milliseconds(), []byte("x"))
	hash := message.Hash28()
	for method, params := range map[string]any{
		rpc28.MethodDelete:       alice.remove(hash),
		rpc28.MethodDeleteAll:    alice.removeAll(rpc28.Scope{All: true}, now),
		rpc28.MethodDeleteBefore: alice.removeBefore(rpc28.Scope{}, now),
		rpc28.MethodExpire:       alice.expire("shorten", []string{hash}, now.UnixMilli()),
		rpc28.MethodExpireAll:    alice.expireAll(rpc28.Scope{}, now),
		storage.MethodStore:      alice.put(2, "x", now, time.Hour),
		"info":                   struct{}{},
	} {
		f.Add(signedRequestOf(f, method, params, now))
	}
	stranger := newUser(f, 5).pubKey()
	f.Fuzz(func(t *testing.T, request []byte) {
		signed, err := readSigned(alice.pubKey(), request, now)
		if err != nil {
			return
		}
		if !signed.change.authentic() || signed.change.subject().pubKey != alice.pubKey() {
			t.Fatalf("%s counts as signed", request)
		}
		if latest := now.Add(forwardWindow).UnixMilli(); signed.at > latest || signed.change.notBefore() > latest {
			t.Errorf("%s is from the future", request)
		}
		if signed.Deletes(message) && !signed.MayDelete(store.NameOf(message)) {
			t.Errorf("%s deletes what it may not delete", request)
		}
		for _, expiration := range []int64{-1, 0} {
			if signed.Expires(message, expiration) {
				t.Errorf("%s makes a message expire at %d", request, expiration)
			}
		}
		if _, err := readSigned(stranger, request, now); err == nil {
			t.Errorf("%s counts as signed by another owner", request)
		}
	})
}
