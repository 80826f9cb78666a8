package node

import (
	"testing"
	"time"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

// The namespaces of session-v2 (session-v2.md section 17): published account keys are stored by their owner, read by
// everybody, one at a time; device groups are the owner's alone, several at a time, and a sequence stores one and
// deletes those that it replaces. Both are kept for 30 days.
func TestNamespacesOfSessionV2(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	network.wantSettled(0, 1)
	alice := newUser(t, 5)
	const month = 30 * 24 * time.Hour
	for _, namespace := range []rpc28.Namespace{accountkeys.Namespace, devicegroup.Namespace} {
		unsigned := alice.put(namespace, "unsigned", now, time.Hour)
		unsigned.Auth, unsigned.SigTimestamp = rpc28.Auth{}, 0
		if got := network.call(0, storage.MethodStore, unsigned); got.status == 200 {
			t.Errorf("namespace %d takes an unsigned message", namespace)
		}
		long := alice.put(namespace, "long", now, month+time.Second)
		if got := network.call(0, storage.MethodStore, long); got.status != 403 {
			t.Errorf("namespace %d takes a message for more than 30 days: %v", namespace, got)
		}
		network.deposit(0, alice.put(namespace, "one", now, month))
		network.deposit(1, alice.put(namespace, "two", now, month))
	}
	network.wantTexts(alice, accountkeys.Namespace, now, "two")
	network.wantTexts(alice, devicegroup.Namespace, now, "one", "two")

	open := rpc28.RetrieveParams{Pubkey: alice.pubKey(), Namespace: accountkeys.Namespace}
	if got := network.call(1, storage.MethodRetrieve, open); got.status != 200 {
		t.Errorf("a stranger does not get the published key: %v", got)
	}
	open.Namespace = devicegroup.Namespace
	if got := network.call(1, storage.MethodRetrieve, open); got.status == 200 {
		t.Error("a stranger gets the device group")
	}

	var old []string
	for _, text := range []string{"one", "two"} {
		old = append(old, rpc28.MessageHash(alice.ID(), devicegroup.Namespace, []byte(text)))
	}
	push := rpc28.BatchParams{Requests: []rpc28.Call{
		{Method: storage.MethodStore, Params: alice.put(devicegroup.Namespace, "three", now, month)},
		{Method: rpc28.MethodDelete, Params: alice.remove(old...)},
	}}
	results := decode[rpc28.BatchAnswer](t, network.call(0, rpc28.MethodSequence, push), 200).Results
	if len(results) != 2 || results[0].Code != 200 || results[1].Code != 200 {
		t.Errorf("the push gives %v", results)
	}
	network.wantTexts(alice, devicegroup.Namespace, now, "three")
}
