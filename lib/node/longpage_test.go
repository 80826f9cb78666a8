package node

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/swarm"
)

// A client that asks for it gets as many messages as fit, and whether there are more. Others get ten, as all do from a
// node that is like 2.0.7.
func TestLongPages(t *testing.T) {
	id := swarm.SwarmID(5)
	network := startNetwork(t, []swarm.SwarmID{id}, nil)
	alice := newUser(t, id)
	data := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 300)))
	const count = 25
	for i := range count {
		at := time.Now().Add(time.Duration(-i) * time.Second)
		decode[rpc20.DifficultyAnswer](t,
			network.call(0, storage.MethodStore, solved(t, alice.pubKey(), data, at, time.Hour, 1)), 200)
	}
	read := func(last, maxBytes string) rpc20.RetrieveAnswer {
		request := alice.retrieve(last, time.Now())
		request.MaxBytes = maxBytes
		return decode[rpc20.RetrieveAnswer](t, network.call(0, storage.MethodRetrieve, request), 200)
	}
	for _, test := range []struct {
		maxBytes string
		want     int
	}{
		{fmt.Sprint(20 * rpc28.PageCost(300)), 20}, {fmt.Sprint(count * rpc28.PageCost(300)), count}, {"1", 1},
		{"9999999999", count},
	} {
		page := read("", test.maxBytes)
		if len(page.Messages) != test.want || page.More == nil || *page.More != (test.want < count) {
			t.Fatalf("of %s bytes: %d messages, want %d", test.maxBytes, len(page.Messages), test.want)
		}
		rest := read(page.Messages[test.want-1].Hash, "9999999999")
		if len(rest.Messages) != count-test.want || *rest.More {
			t.Errorf("after %d messages come %d", test.want, len(rest.Messages))
		}
	}
	for _, usual := range []string{"", "0", "-5", "text", "99999999999999999999"} {
		if page := read("", usual); len(page.Messages) != rpc20.MaxRetrieved || page.More != nil {
			t.Errorf("of %q bytes: %d messages, %v", usual, len(page.Messages), page.More)
		}
	}
	if behaviour.Like207.LongPages || behaviour.Like280.LongPages || behaviour.Like211.LongPages {
		t.Error("servers give long pages to clients of 2.0")
	}
}
