package node

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

// A guard that counts bytes sees the same sizes for a look-up, a poll that finds nothing, one that finds a text of 2
// 000 characters, and a store of such a text: requests and answers.
func TestGuardSeesOneSize(t *testing.T) {
	now := time.Now()
	network := startNetwork(t, []swarm.SwarmID{5, 5}, frozen(now))
	alice, bob, carol := newUser(t, 5), newUser(t, 5), newUser(t, 5)
	// The largest text of 2 000 characters, with room for every protocol's layers around it.
	text := strings.Repeat("\U0001F600", 2000) + strings.Repeat("x", 2800)
	network.deposit(1, bob.put(0, text, now, time.Hour))
	hop := func(i int) onion.Hop {
		return onion.Hop{
			Ed25519: network.nodes[i].keys.Ed25519.Public(), X25519: network.nodes[i].keys.X25519.Public,
			Cipher: onion.AESGCM,
		}
	}
	type sizes struct{ request, answer int }
	seen := make(map[sizes][]string)
	for name, payload := range map[string][]byte{
		"look-up":         request(t, storage.MethodSwarm, rpc28.GetSwarmParams{Pubkey: alice.pubKey()}),
		"empty poll":      request(t, storage.MethodRetrieve, alice.get(0, now)),
		"poll of a text":  request(t, storage.MethodRetrieve, bob.get(0, now)),
		"store of a text": request(t, storage.MethodStore, carol.put(0, text, now, time.Hour)),
	} {
		wrapped, err := onion.Wrap(rand.Reader, onion.V2, []onion.Hop{hop(0)}, hop(1), onion.Pad(payload))
		if err != nil {
			t.Fatal(err)
		}
		got := network.do(0, http.MethodPost, onion.V2.Path(), nil, wrapped.Body)
		response, err := wrapped.OpenResponse([]byte(got.body))
		if err != nil || response.Status != 200 {
			t.Fatalf("%s: %v (%v)", name, response, err)
		}
		if has := strings.Contains(response.Body,
			base64.StdEncoding.EncodeToString([]byte(text))); has != (name == "poll of a text") {
			t.Errorf("%s: the text is in the answer: %v", name, has)
		}
		key := sizes{len(wrapped.Body), len(got.body)}
		seen[key] = append(seen[key], name)
	}
	if len(seen) != 1 {
		t.Errorf("a guard tells apart %v", seen)
	}
}
