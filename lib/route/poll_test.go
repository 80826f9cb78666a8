package route

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// Two accounts become friends and exchange messages over real nodes. Each event is delivered once.
func TestConversation(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.asks(bob, "it is me")
	bob.gets("it is me")
	bob.getsNothing()
	bob.sent(bob.Accept(t.Context(), alice.ID().String()))
	alice.gets("it is me") // the request, now accepted

	// More messages than a node gives out at a time.
	var texts []string
	for i := range 2*rpc20.MaxRetrieved + 3 {
		texts = append(texts, fmt.Sprintf("text %02d", i))
		alice.says(bob, texts[i])
	}
	bob.gets(texts...)
	bob.getsNothing()
	bob.says(alice, "got them all")
	eventually(t, "alice to hear from bob", func() bool { return slices.Contains(alice.polls(), "got them all") })
}

// Poll reads on with one and two of the three members dead, and says so when all are.
func TestPollFromDeadMembers(t *testing.T) {
	net := startDevnet(t, 9, 3)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	places := swarmOf(t, net, bob.ID())
	for dead, place := range places {
		text := fmt.Sprintf("%d dead", dead)
		alice.asks(bob, text)
		bob.gets(text)
		stop(t, net, place)
	}
	_, err := bob.tryPoll()
	wantError(t, "all dead", err, ErrNotRetrieved)
}

// What waits for delivery is delivered first, and again until its reader has it.
func TestDeliveryFails(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	data := alice.seals(bob, "first")
	for _, b := range boxes(net.Nodes...) {
		b.put(data)
	}
	full := errors.New("disk is full")
	for _, who := range []*person{bob, bob} {
		err := who.Poll(t.Context(), PollOptions{}, func(event inbox.Event) error {
			if event.Text != "first" {
				t.Errorf("delivered is %+v", event)
			}
			return full
		})
		wantError(t, "delivery fails", err, full)
	}
	if got := bob.polls(); !slices.Equal(got, []string{"first"}) {
		t.Errorf("the next poll has %q", got)
	}
	bob.getsNothing()
}

// A poll with a limit leaves further events to the next one, in order.
func TestPollCount(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	data := []string{alice.seals(bob, "a"), alice.seals(bob, "b"), alice.seals(bob, "c"), alice.seals(bob, "d")}
	for _, b := range boxes(net.Nodes...) {
		b.put(data...)
	}
	for _, want := range [][]string{{"a"}, {"b", "c"}} {
		var got []string
		err := bob.Poll(t.Context(), PollOptions{Count: len(want)}, func(event inbox.Event) error {
			got = append(got, event.Text)
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("a poll for %d has %q and ends with %v", len(want), got, err)
		}
	}
	last := alice.seals(bob, "e")
	for _, b := range boxes(net.Nodes...) {
		b.put(last)
	}
	if got := bob.polls(); !slices.Equal(got, []string{"d", "e"}) {
		t.Errorf("the next poll has %q", got)
	}
	bob.getsNothing()
}

// The same message at three nodes is one message.
func TestCopiesAreOneMessage(t *testing.T) {
	net := startFakenet(t, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	data := []string{alice.seals(bob, "a"), alice.seals(bob, "b"), alice.seals(bob, "c")}
	before, err := bob.Inbox(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range boxes(net.Nodes...) {
		b.put(data[i%3], data[(i+1)%3], data[(i+2)%3]) // each node got them in another order
	}
	bob.gets("a", "b", "c")
	for range 3 {
		bob.getsNothing()
	}
	if events, err := bob.Inbox(t.Context(), 10); err != nil || len(events) != len(before)+3 {
		t.Errorf("%d events are in the inbox, %v; %d were before", len(events), err, len(before))
	}
}

// Each node is asked for what is behind the last message that it gave; a node that has lost its store starts anew, and
// nothing is shown twice.
func TestCursors(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	swarm := net.Nodes[:3]
	all := boxes(swarm...)
	net.OneSwarm(swarm...)
	always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(swarm...), net.Nodes[3])
	if _, err := bob.network.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.network.AdoptSwarm(t.Context(), bob.ID(), fakenet.Swarm(swarm...)); err != nil {
		t.Fatal(err)
	}
	alice.befriends(bob)
	first, second := alice.seals(bob, "first"), alice.seals(bob, "second")
	names := map[string]string{"": "nothing", hashOf(first): "first", hashOf(second): "second"}
	asked := func(node *fakenet.Node) (behind []string) {
		for _, call := range node.Calls(storage.MethodRetrieve) {
			behind = append(behind, names[call.Params["lastHash"]])
		}
		return behind
	}
	all[0].put(first)
	all[1].put(first)
	bob.gets("first")
	all[0].put(second)
	all[1].clear() // it has lost everything but what comes now
	all[1].put(second)
	bob.gets("second")
	bob.getsNothing()
	for i, want := range [][]string{
		{"nothing", "first", "second"},
		{"nothing", "first", "second"},
		{"nothing", "nothing", "nothing"},
	} {
		if got := asked(swarm[i]); !slices.Equal(got, want) {
			t.Errorf("node %d was asked for what is behind %q, want %q", i, got, want)
		}
	}
}

// Several processes poll the same account: each message is shown by one of them.
func TestPollsOfSeveralProcesses(t *testing.T) {
	net := startFakenet(t, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	var want []string
	all := boxes(net.Nodes...)
	for i := range 12 {
		want = append(want, fmt.Sprintf("text %02d", i))
		data := alice.seals(bob, want[i])
		for _, b := range all {
			b.put(data)
		}
	}
	texts := make(chan []string, 3)
	for i := range cap(texts) {
		other := bob.anew(fmt.Sprint("process ", i))
		go func() { texts <- other.polls() }()
	}
	var got []string
	for range cap(texts) {
		got = append(got, <-texts...)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
