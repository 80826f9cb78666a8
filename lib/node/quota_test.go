package node

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// A stranger stores without a proof of work for one owner until the node refuses. What the owner signs, what others
// prove and other owners have their room still.
func TestStrangerCannotFillAnAccount(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5}, func(i int, config *Config) {
		frozen(now)(i, config)
		config.MaxStoreBytes = 16 << 20 // so that one owner has 1 MiB without a proof of work
	})
	alice, bob := newUser(t, 5), newUser(t, 5)
	spam := strings.Repeat("x", 70_000)
	stored := 0
	for {
		got := network.call(0, storage.MethodStore, alice.put(0, fmt.Sprint(stored, spam), now, time.Hour))
		if got.status == 503 && got.body == textQuota {
			break
		}
		if got.status != 200 || stored > 100 {
			t.Fatalf("after %d messages: %v", stored, got)
		}
		stored++
	}
	if stored < 8 || stored > 11 {
		t.Errorf("%d messages of 96 KB fit into an owner's share of 1 MiB", stored)
	}
	if got := network.call(0, storage.MethodStore, alice.put(2, "settings", now, time.Hour)); got.status != 200 {
		t.Errorf("what the owner signed: %v", got)
	}
	if got := network.call(0, storage.MethodStore,
		solved(t, alice.pubKey(), "b2xk", now, time.Hour, 1)); got.status != 200 {
		t.Errorf("what is proved: %v", got)
	}
	if got := network.call(0, storage.MethodStore, bob.put(0, "for another owner", now, time.Hour)); got.status != 200 {
		t.Errorf("for another owner: %v", got)
	}
	held := network.texts(0, alice, 0, now)
	for i := range held {
		held[i] = held[i][:min(len(held[i]), 3)]
	}
	params := alice.get(0, now)
	if got := network.call(0, storage.MethodRetrieve, params); got.status != 200 || len(held) == 0 {
		t.Errorf("the owner reads %q: %v", held, got.status)
	}
}

// Strangers who store without a proof of work for made-up owners get half of the disk together. Proved messages go in.
func TestStrangersCannotFillANode(t *testing.T) {
	small, err := store.Open(t.TempDir(), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	now := time.Now()
	data := []byte(strings.Repeat("x", 70_000))
	refused := 0
	for i := range 100 {
		owner := newUser(t, 5)
		err := small.Insert(false,
			store.NewMessage28(owner.pubKey(), 0, now.UnixMilli(), time.Hour.Milliseconds(), append(data, byte(i))))
		if err != nil {
			refused++
		}
	}
	if refused < 70 || refused > 90 {
		t.Errorf("%d of 100 messages of 93 KB are refused by a disk of 4 MiB, want those beyond 2 MiB", refused)
	}
	for range 3 {
		m := store.NewMessage20(solved(t, newUser(t, 5).pubKey(), strings.Repeat("A", 70_000), now, time.Hour, 1))
		if err := small.Insert(false, m); err != nil {
			t.Errorf("a proved message: %v", err)
		}
	}
}
