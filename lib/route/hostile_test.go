package route

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// A member cannot raise a receipt with the signatures of registered nodes that are no members: its accomplices.
func TestHostileReceipt(t *testing.T) {
	net := startFakenet(t, 8)
	members, outsiders := net.Nodes[:3], net.Nodes[5:]
	net.OneSwarm(members...)
	s := newSwarm28(members...)
	for _, hostile := range members {
		hostile.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodStore {
				return s.answer(call)
			}
			bob := mustParse(t, call.Params["pubkey"])
			hash := rpc28.MessageHash(bob, 0, decoded(t, call.Params["data"]))
			answer := rpc28.ChangeAnswer{Hash: hash, Swarm: make(map[string]rpc28.MemberResult)}
			for _, node := range append(outsiders[:len(outsiders):len(outsiders)], hostile) {
				answer.Swarm[node.Name()] = rpc28.MemberResult{Hash: hash, Signature: node.Sign([]byte(hash))}
			}
			return storage.StatusOK, textOf(answer)
		})
	}
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Stored != len(receipt.Nodes)-len(outsiders) || receipt.Stored < 2 {
		t.Errorf("stored %d: %+v", receipt.Stored, receipt.Nodes)
	}
	for _, result := range receipt.Nodes {
		for _, outsider := range outsiders {
			if result.PubkeyEd25519 == outsider.Name() && result.OK {
				t.Errorf("outsider %s counts", outsider.Name())
			}
		}
	}
}

// One member that never ends its list, or has large pages, gives little once the others were read to their end.
func TestHostileMemberIsBounded(t *testing.T) {
	for name, size := range map[string]int{"many": 10, "large": 64 << 10} {
		t.Run(name, func(t *testing.T) {
			const pageSize = 50
			net := startFakenet(t, 4)
			bob := newPerson(t, "bob", net.SeedURL())
			always(storage.MethodRetrieve, storage.StatusOK, pageOf(), net.Nodes[1:]...)
			n := 0
			net.Nodes[0].Answer(func(call fakenet.Call) (int, string) {
				if call.Method != storage.MethodRetrieve {
					return 0, ""
				}
				page := make([]storage.Stored, pageSize)
				for i := range page {
					n++
					page[i] = storage.Stored{Data: strings.Repeat("c", size), Hash: strconv.Itoa(n)}
				}
				return storage.StatusOK, pageOf(page...)
			})
			got, err := bob.retrieved(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			taken := got[net.Nodes[0].Key()]
			// A page may have come before the others' answers.
			if most := min(mailbox.ExtraMessages, mailbox.ExtraBytes/size) + 4*pageSize; len(taken) > most {
				t.Errorf("took %d messages of %d bytes, at most %d are in the budget", len(taken), size, most)
			}
		})
	}
}

// What waits in the outbox is sent also by a poll that no member answers.
func TestOutboxIsSentAfterFailedRetrieval(t *testing.T) {
	net := startFakenet(t, 6)
	always(storage.MethodStore, 500, "", net.Nodes...)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	if _, err := alice.Router.Send(t.Context(), alice.drafted(bob.ID(), "hello")); err == nil {
		t.Fatal("no node takes anything, and the message is sent")
	}
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method == storage.MethodRetrieve {
				return 500, "hostile"
			}
			return 0, ""
		})
	}
	_, err := alice.tryPoll()
	wantError(t, "nobody answers", err, ErrNotRetrieved)
	if waiting := alice.waiting(); len(waiting) != 0 {
		t.Errorf("%d messages wait", len(waiting))
	}
}

// A guard sees requests of one size: for a poll, and for any text of up to 2 000 characters. Every hop sees another
// size, since each takes one layer off.
func TestRequestSizes(t *testing.T) {
	net := startFakenet(t, 8)
	var mu sync.Mutex
	sizes := make(map[int64]int)
	for _, node := range net.Nodes {
		node.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			sizes[r.ContentLength]++
			return false
		})
	}
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	texts := []string{"", "x", strings.Repeat("x", 2000), strings.Repeat("\u6c34", 2000),
		strings.Repeat("\U0001f600", 2000)}
	for _, text := range texts {
		if _, err := alice.Router.Send(t.Context(), alice.drafted(bob.ID(), text)); err != nil {
			t.Fatal(err)
		}
		if _, err := alice.tryPoll(); err != nil {
			t.Fatal(err)
		}
	}
	if len(sizes) != network.Hops+1 {
		t.Errorf("guards, relays and targets see %d sizes, want %d: %v", len(sizes), network.Hops+1, sizes)
	}
}

func mustParse(t *testing.T, text string) sessionid.ID {
	t.Helper()
	id, err := sessionid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
