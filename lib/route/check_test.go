package route

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// holding makes a node hold valid messages and give its version.
func holding(node *fakenet.Node, texts ...string) {
	var stored []storage.Stored
	for _, text := range texts {
		stored = append(stored,
			storage.Stored{Data: text, Hash: hashOf(text), Expiration: time.Now().Add(time.Hour).UnixMilli()})
	}
	node.Answer(func(call fakenet.Call) (int, string) {
		if call.Method != storage.MethodRetrieve {
			return 0, ""
		}
		last := slices.IndexFunc(stored, func(m storage.Stored) bool { return m.Hash == call.Params["lastHash"] })
		after := stored[last+1:]
		return storage.StatusOK, pageOf(after[:min(len(after), rpc20.MaxRetrieved)]...)
	})
	saying(node, `{"version":"2.0.7"}`)
}

// saying makes a node answer this when it is asked for its version.
func saying(node *fakenet.Node, body string) {
	node.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != storage.StatsPath {
			return false
		}
		fmt.Fprint(w, body)
		return true
	})
}

// memberOf returns what a check says of a node.
func memberOf(t *testing.T, check mailbox.SwarmCheck, node *fakenet.Node) mailbox.MemberCheck {
	t.Helper()
	i := slices.IndexFunc(check.Members, func(m mailbox.MemberCheck) bool { return m.Node.Ed25519.String() == node.Name() })
	if i < 0 {
		t.Fatalf("the check leaves out %s", node.Name())
	}
	return check.Members[i]
}

func wantMember(t *testing.T, what string, got mailbox.MemberCheck, messages int, missing ...string) {
	t.Helper()
	if !got.Reachable() || got.Version != "2.0.7" || got.Latency <= 0 || got.Messages == nil ||
		*got.Messages != messages ||
		got.Err != nil || !slices.Equal(got.Missing, missing) {
		t.Errorf("%s: %+v", what, got)
	}
}

// All members are read to the end of their lists, however many pages these have, and in whatever order messages came.
func TestCheck(t *testing.T) {
	net := startFakenet(t, 6)
	var texts []string
	for i := range 3*rpc20.MaxRetrieved + 1 {
		texts = append(texts, fmt.Sprint("message ", i))
	}
	reversed := slices.Clone(texts)
	slices.Reverse(reversed)
	for i, node := range net.Nodes {
		holding(node, [][]string{texts, reversed}[i%2]...)
	}
	alice := newPerson(t, "alice", net.SeedURL())
	check, err := mailbox.NewChecker(alice.Account, alice.network).Check(t.Context(), alice.ID())
	if err != nil || !check.Agree || len(check.Members) != 6 || check.SwarmID.String() != "1" ||
		check.SessionID != alice.ID() {
		t.Errorf("%+v, %v", check, err)
	}
	for _, member := range check.Members {
		wantMember(t, "a member", member, len(texts))
	}

	// One member lacks two messages, another holds one that no other member has.
	holding(net.Nodes[0], texts[2:]...)
	holding(net.Nodes[1], append(texts, "more")...)
	check, err = mailbox.NewChecker(alice.Account, alice.network).Check(t.Context(), alice.ID())
	if err != nil || check.Agree {
		t.Errorf("%+v, %v", check, err)
	}
	lacks := []string{hashOf(texts[0]), hashOf(texts[1]), hashOf("more")}
	slices.Sort(lacks)
	wantMember(t, "who lacks three", memberOf(t, check, net.Nodes[0]), len(texts)-2, lacks...)
	wantMember(t, "who has one more", memberOf(t, check, net.Nodes[1]), len(texts)+1)
	wantMember(t, "any other", memberOf(t, check, net.Nodes[2]), len(texts), hashOf("more"))
}

// Check does not read messages of another account.
func TestCheckOfAnother(t *testing.T) {
	net := startFakenet(t, 5)
	for _, node := range net.Nodes {
		holding(node, "x")
	}
	alice := newPerson(t, "alice", net.SeedURL())
	for name, owner := range map[string]*account.Account{"account": alice.Account, "none": nil} {
		check, err := mailbox.NewChecker(owner, alice.network).Check(t.Context(), someone(t))
		if err != nil || !check.Agree || len(check.Members) != 5 {
			t.Errorf("%s: %+v, %v", name, check, err)
		}
		for _, member := range check.Members {
			if !member.Reachable() || member.Messages != nil || len(member.Missing) > 0 {
				t.Errorf("%s: %+v", name, member)
			}
		}
	}
	for _, node := range net.Nodes {
		if calls := node.Calls(storage.MethodRetrieve); len(calls) > 0 {
			t.Errorf("a node was asked for messages: %v", calls)
		}
	}
}

// The failure of a member is in its result and does not affect the others.
func TestCheckOfMembersInTrouble(t *testing.T) {
	net := startFakenet(t, 10)
	for _, node := range net.Nodes {
		holding(node, "x")
	}
	dead, elsewhere, garbled, odd, endless, late := net.Nodes[0], net.Nodes[1], net.Nodes[2], net.Nodes[3],
		net.Nodes[4], net.Nodes[9]
	dead.Stop()
	always(storage.MethodRetrieve, storage.StatusWrongSwarm, fakenet.Swarm(net.Nodes[5]), elsewhere)
	always(storage.MethodRetrieve, storage.StatusOK, `{"messages":[{}]}`, garbled)
	always(storage.MethodRetrieve, storage.StatusBadTimestamp, "retrieve timestamp too far from current time", late)
	saying(odd, "<html>")
	var next atomic.Int64
	endless.Answer(func(fakenet.Call) (int, string) {
		var page []storage.Stored
		for range storage.MaxPage {
			page = append(page, storage.Stored{Hash: fmt.Sprint(next.Add(1)), Expiration: 1})
		}
		return storage.StatusOK, pageOf(page...)
	})
	alice := newPerson(t, "alice", net.SeedURL())
	check, err := mailbox.NewChecker(alice.Account, alice.network).Check(t.Context(), alice.ID())
	if err != nil || check.Agree {
		t.Errorf("%+v, %v", check, err)
	}
	for _, test := range []struct {
		node      *fakenet.Node
		reachable bool
		says      string
	}{
		{dead, false, "does not answer"},
		{elsewhere, true, "not a member"},
		{garbled, true, "not a list of messages"},
		{odd, false, "names no version"},
		{endless, true, fmt.Sprintf("more than %d", mailbox.MaxHeld)},
		{late, true, "its clock is not that of the network"},
	} {
		got := memberOf(t, check, test.node)
		if got.Reachable() != test.reachable || !strings.Contains(fmt.Sprint(got.Err), test.says) ||
			len(got.Missing) > 0 {
			t.Errorf("%q is said of %+v", test.says, got)
		}
	}
	wantMember(t, "a member without trouble", memberOf(t, check, net.Nodes[5]), 1)

	// A swarm that a member names is not trusted.
	members, err := alice.network.Swarm(t.Context(), alice.ID())
	if err != nil || len(members) == 1 {
		t.Errorf("afterwards the swarm is %v, %v", members, err)
	}
}
