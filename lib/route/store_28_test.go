package route

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/envelope"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// One member is asked, and all have the message: each has signed for it.
func TestStore28(t *testing.T) {
	net := startFakenet(t, 5)
	newSwarm28(net.Nodes...)
	router, _ := storer28(t, net.SeedURL(), Options{Quorum: 3})
	bob := someone(t)
	before := time.Now().UnixMilli()
	receipt, err := router.Store(t.Context(), requestFor(bob, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	want := rpc28.MessageHash(bob, 0, []byte("hello"))
	if !receipt.OK || receipt.MessageHash != want || receipt.Stored != 5 || receipt.Difficulty != 0 ||
		len(receipt.Nodes) != 5 {
		t.Errorf("receipt %+v", receipt)
	}
	asked := calls(storage.MethodStore, net.Nodes...)
	if len(asked) != 1 {
		t.Fatalf("%d members have been asked", len(asked))
	}
	p := asked[0].Params
	stamp, err := strconv.ParseInt(p["timestamp"], 10, 64)
	if err != nil || stamp < before || stamp != receipt.TimestampMS || p["ttl"] != strconv.Itoa(minute) ||
		p["pubkey"] != bob.String() {
		t.Errorf("asked with %v", p)
	}

	// The same bytes once more are recognised.
	receipt, err = router.Store(t.Context(), requestFor(bob, "hello"))
	if err != nil || !receipt.OK || receipt.MessageHash != want || !receipt.Nodes[0].Already {
		t.Errorf("again: %+v, %v", receipt, err)
	}
}

// A failed member is reported and does not count.
func TestStore28AtFailedMembers(t *testing.T) {
	net := startFakenet(t, 5)
	s := newSwarm28(net.Nodes...)
	s.tell = func(node *fakenet.Node, result *rpc28.MemberResult) {
		switch node {
		case net.Nodes[0]:
			*result = rpc28.MemberResult{Failed: true, Timeout: true}
		case net.Nodes[1]:
			*result = rpc28.MemberResult{Failed: true, Code: storage.StatusBadTimestamp, Reason: "check your clock\n"}
		case net.Nodes[2]:
			*result = rpc28.MemberResult{Failed: true, QueryFailure: true}
		}
	}
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	if err != nil || receipt.Stored != 2 {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	for _, node := range receipt.Nodes {
		at := slices.IndexFunc(net.Nodes, func(p *fakenet.Node) bool { return p.Name() == node.PubkeyEd25519 })
		want := map[int]string{0: "did not answer", 1: "check your clock", 2: "database"}[at]
		if node.OK != (at > 2) || !strings.Contains(node.Error, want) || strings.Contains(node.Error, "\n") ||
			(node.Error == "") != node.OK {
			t.Errorf("member %d: %+v", at, node)
		}
	}
}

// Later servers answer 500 if every member failed (storage-2.8.md section 4.3). The members' results are in the body; a
// 500 with another body is what the node says.
func TestStore28FailedEverywhere(t *testing.T) {
	net := startFakenet(t, 5)
	s := newSwarm28(net.Nodes...)
	s.tell = func(_ *fakenet.Node, result *rpc28.MemberResult) {
		*result = rpc28.MemberResult{Failed: true, QueryFailure: true}
	}
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "every member failed", err, ErrNotStored)
	if len(receipt.Nodes) != 5 {
		t.Errorf("results of %d members, want 5", len(receipt.Nodes))
	}
	for _, node := range receipt.Nodes {
		if node.OK || node.Error != "its database failed" {
			t.Errorf("member %+v", node)
		}
	}
	// Three members each before and after another look at the swarm: the fourth could do no better.
	if asked := calls(storage.MethodStore, net.Nodes...); len(asked) > 6 {
		t.Errorf("%d members have been asked, want 6 at most", len(asked))
	}

	always(storage.MethodStore, storage.StatusFailed, "request failed", net.Nodes...)
	receipt, err = router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "500 without results", err, ErrNotStored)
	for _, node := range receipt.Nodes {
		if node.Status != storage.StatusFailed || node.Error != "request failed" {
			t.Errorf("member %+v", node)
		}
	}
}

// A member speaks for itself alone: what it says of others counts as far as they have signed it.
func TestStore28BelievesSignaturesAlone(t *testing.T) {
	net := startFakenet(t, 5)
	s := newSwarm28(net.Nodes...)
	s.tell = func(_ *fakenet.Node, result *rpc28.MemberResult) {
		result.Signature = net.Nodes[0].Sign([]byte(result.Hash))
	}
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	if err != nil || receipt.Stored != 1 || !slices.Equal(taken(receipt), []string{net.Nodes[0].Name()}) {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	// One that has it is not enough to believe that it spreads: others were asked, too.
	if asked := calls(storage.MethodStore, net.Nodes...); len(asked) != 3 {
		t.Errorf("%d members have been asked, want 3", len(asked))
	}

	s.tell = func(_ *fakenet.Node, result *rpc28.MemberResult) { result.Signature = "" }
	receipt, err = router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "nobody signs", err, ErrNotStored)
	if receipt.OK || receipt.Stored != 0 {
		t.Errorf("nobody signs: %+v", receipt)
	}
}

func TestStore28UnderAnotherHash(t *testing.T) {
	net := startFakenet(t, 4)
	always(storage.MethodStore, storage.StatusOK, `{"hash":"x","swarm":{}}`, net.Nodes...)
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "another hash", err, ErrNotStored)
	if len(receipt.Nodes) == 0 || !strings.Contains(receipt.Nodes[0].Error, "another hash") {
		t.Errorf("receipt %+v", receipt)
	}
}

// A node that is not a member names the members.
func TestStore28FromTheWrongSwarm(t *testing.T) {
	net := startFakenet(t, 8)
	wrong, right := net.Nodes[:3], net.Nodes[3:6]
	newSwarm28(right...)
	always(storage.MethodStore, storage.StatusWrongSwarm, fakenet.Swarm(right...), wrong...)
	router, c := storer28(t, net.SeedURL(), Options{})
	bob := someone(t)
	net.OneSwarm(wrong...)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AdoptSwarm(t.Context(), bob, fakenet.Swarm(wrong...)); err != nil {
		t.Fatal(err)
	}
	net.OneSwarm(right...)
	receipt, err := router.Store(t.Context(), requestFor(bob, "hello"))
	if err != nil || receipt.Stored != 3 {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	for _, node := range receipt.Nodes {
		if !node.OK && (node.Status != storage.StatusWrongSwarm || !strings.Contains(node.Error, "not a member")) {
			t.Errorf("node %+v", node)
		}
	}
}

// A refused clock is corrected with the nodes' time, once. Two statuses report it.
func TestStore28WithAWrongClock(t *testing.T) {
	for _, status := range []int{storage.StatusBadTimestamp, storage.StatusTooEarly} {
		t.Run(strconv.Itoa(status), func(t *testing.T) { testStore28WithAWrongClock(t, status) })
	}
}

func testStore28WithAWrongClock(t *testing.T, status int) {
	net := startFakenet(t, 5)
	s := newSwarm28(net.Nodes...)
	ahead := time.Now().Add(time.Hour)
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			switch call.Method {
			case rpc28.MethodInfo:
				return storage.StatusOK, fmt.Sprintf(`{"version":[2,8,0],"timestamp":%d,"t":%d,"hf":[19,4]}`,
					ahead.UnixMilli(), ahead.UnixMilli())
			case storage.MethodStore:
				if stamp, err := strconv.ParseInt(call.Params["timestamp"], 10, 64); err != nil ||
					stamp < ahead.UnixMilli()-minute {
					return status, "Timestamp error: check your clock"
				}
			}
			return s.answer(call)
		})
	}
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	if err != nil || receipt.Stored != 5 || receipt.TimestampMS < ahead.UnixMilli()-minute {
		t.Errorf("receipt %+v, %v", receipt, err)
	}

	always(storage.MethodStore, status, "Timestamp error: check your clock", net.Nodes...)
	_, err = router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "whatever the time is", err, ErrClock)
}

func TestStore28ThatIsRefused(t *testing.T) {
	net := startFakenet(t, 5)
	always(storage.MethodStore, storage.StatusBadTTL, "Provided expiry/TTL is not valid.", net.Nodes...)
	router, _ := storer28(t, net.SeedURL(), Options{})
	_, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "refused by all", err, ErrRefused)
	if asked := calls(storage.MethodStore, net.Nodes...); len(asked) != 5 {
		t.Errorf("%d members have been heard, want all", len(asked))
	}

	// One alone decides nothing.
	newSwarm28(net.Nodes[1:]...)
	if receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello")); err != nil || receipt.Stored != 4 {
		t.Errorf("refused by one: %+v, %v", receipt, err)
	}

	_, err = router.Store(t.Context(), StoreRequest{To: someone(t), TTLMillis: minute, Data: "not base64"})
	wantError(t, "not base64", err, envelope.ErrMalformed)
}
