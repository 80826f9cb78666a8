package node

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"sessiontool/lib/node/forward"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// A group has stores with and without JSON, good ones and refused ones. Each is answered in its form, and signed.
func TestGroupOfStores(t *testing.T) {
	n, other := pair(t)
	from := n.members.View().Peers[other.Name()]
	now := time.Now().UnixMilli()
	sample := func(text string, change func(*forward.Store)) forward.Store {
		s := forward.Store{At: now, Owner: [33]byte{5, 1}, Timestamp: now, TTL: 60_000, Data: []byte(text)}
		change(&s)
		return s
	}
	good := sample("x", func(*forward.Store) {})
	for _, test := range []struct {
		name   string
		change []byte
		status int
	}{
		{"bytes", good.Encode(), 200},
		{"JSON", good.JSON(), 200},
		{"another text", sample("y", func(*forward.Store) {}).Encode(), 200},
		{"only for the owner", sample("x", func(s *forward.Store) { s.Namespace = 2 }).Encode(), 400},
		{"an outbox", sample("x", func(s *forward.Store) { s.Namespace = -1 }).Encode(), 400},
		{"too long", sample(string(make([]byte, rpc28.MaxMessageBytes+1)), func(*forward.Store) {}).Encode(), 400},
		{"seconds", sample("x", func(s *forward.Store) { s.Timestamp /= 1e6 }).Encode(), 406},
		{"negative", sample("x", func(s *forward.Store) { s.TTL = -1 }).Encode(), 406},
		{"too short a time", sample("x", func(s *forward.Store) { s.TTL = 1 }).Encode(), 403},
		{"long ago", sample("x", func(s *forward.Store) { s.At -= 120_000 }).Encode(), 406},
		{"nothing", []byte{0}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			// a second store in the group is signed together with the first one
			beside := sample(test.name, func(*forward.Store) {})
			got := n.carryOutGroup(t.Context(), n.members.View(), from, [][]byte{test.change, beside.Encode()})
			if got[0].status != test.status || got[1].status != 200 {
				t.Fatalf("status %d and %d, want %d and 200: %q", got[0].status, got[1].status, test.status, got[0].body)
			}
			checkStored(t, n, got[1].body, true)
			if test.status == 200 {
				checkStored(t, n, got[0].body, test.change[0] == 0)
			}
		})
	}
}

// checkStored checks the form and the signature of a result.
func checkStored(t *testing.T, n *Node, body []byte, compact bool) {
	t.Helper()
	var result rpc28.MemberResult
	if stored, ok := forward.ParseStored(body); ok != compact {
		t.Errorf("%q: compact is %t", body, ok)
	} else if ok {
		result = stored.Result()
	} else if err := json.Unmarshal(body, &result); err != nil {
		t.Error(err)
	}
	key := n.keys.Ed25519.Public()
	signature, err := base64.StdEncoding.DecodeString(result.Signature)
	if err != nil || !ed25519.Verify(key[:], signtext.Stored(result.Hash), signature) {
		t.Errorf("%+v is not signed by the node", result)
	}
}
