package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/devnet"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
	"sessiontool/lib/presence"
)

// held counts the messages of a Session ID at the nodes at these places of a devnet.
func storedCounts(t *testing.T, net *devnet.Network, p *person, places ...int) (counts []int) {
	t.Helper()
	for _, i := range places {
		messages, err := net.Messages(i, p.ID().String())
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, len(messages))
	}
	return counts
}

// wantStored waits until every member of p's swarm holds something for p. While some do not, a poll may ask just those.
func wantStored(t *testing.T, net *devnet.Network, p *person) {
	t.Helper()
	places := swarmOf(t, net, p.ID())
	eventually(t, "a message to "+p.Name()+" to be stored everywhere", func() bool {
		return !slices.Contains(storedCounts(t, net, p, places...), 0)
	})
}

// Any other process may print the events that a presence probe finds, also while the probing process runs.
func TestWhoLooksLeavesTheRest(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	storing := bob.anew("bob stores")
	storing.Router = New(storing.Account, storing.network, Options{OnlyAsync: true})
	wantRoute(t, storing.texts(alice, "stored"), message.RouteAsync, "")
	wantStored(t, net, alice)

	talking := alice.anew("alice talks")
	wantRoute(t, talking.texts(bob, "are you there?"), message.RouteAsync, outbox.ReasonOffline)
	if got := alice.anew("alice polls").polls(); !slices.Equal(got, []string{"stored"}) {
		t.Errorf("the poll shows %q", got)
	}
}

// A text to a listener arrives at once, acknowledged, without proof of work, and no node has stored it. The first one,
// whose sender does not know yet that its recipient listens, is stored as well.
func TestSynchronousRoute(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	listener := bob.listens("bob listens", ListenOptions{})
	node := listener.node()
	wantStored(t, net, alice) // bob's status

	// Alice has not polled: that bob is online she learns while she stores her text.
	first := alice.texts(bob, "hello")
	wantRoute(t, first, message.RouteSync, "")
	if first.Stored != network.SwarmTargets || first.MessageHash == "" || first.RoundTripMS <= 0 ||
		len(first.Nodes) != 1+network.SwarmTargets || first.Nodes[0].PubkeyEd25519 != node || !first.Nodes[0].OK {
		t.Errorf("the first receipt is %+v", first)
	}
	receipt := alice.texts(bob, "hello again")
	wantRoute(t, receipt, message.RouteSync, "")
	if receipt.Stored != 0 || receipt.Difficulty != 0 || receipt.MessageHash != "" || receipt.RoundTripMS <= 0 ||
		len(receipt.Nodes) != 1 ||
		receipt.Nodes[0].PubkeyEd25519 != node || !receipt.Nodes[0].OK {
		t.Errorf("the receipt is %+v", receipt)
	}
	t.Logf("round trip %.1f ms", receipt.RoundTripMS)
	listener.wantTexts("hello", "hello again")
	for i := range 20 {
		wantRoute(t, alice.texts(bob, fmt.Sprint(i)), message.RouteSync, "")
	}
	// A poll may find the first one, which is stored as well, before the listener has read what was delivered.
	eventually(t, "bob to hear all",
		func() bool { texts, sync := listener.texts(); return len(texts) == 22 && sync >= 21 })
	if texts, _ := listener.texts(); texts[2] != "0" || texts[21] != "19" {
		t.Errorf("the order is %q", texts)
	}
	if counts := storedCounts(t, net, bob, swarmOf(t, net, bob.ID())...); slices.Max(counts) != 1 {
		t.Errorf("messages for bob are stored: %v", counts)
	}
	bob.getsNothing()
}

// Two who listen find each other by one status that was stored, and then both have the synchronous route.
func TestBothListen(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	aliceListens := alice.listens("alice listens", ListenOptions{PollInterval: time.Hour})
	aliceNode := aliceListens.node()
	wantStored(t, net, bob) // alice's status
	bobListens := bob.listens("bob listens", ListenOptions{PollInterval: time.Hour})
	alice.knows(bob, bobListens.node()) // though alice does not poll any more
	bob.knows(alice, aliceNode)
	wantRoute(t, alice.texts(bob, "hello bob"), message.RouteSync, "")
	wantRoute(t, bob.texts(alice, "hello alice"), message.RouteSync, "")
	bobListens.wantTexts("hello bob")
	aliceListens.wantTexts("hello alice")

	// Who stops says so, over the route that is open.
	if err := bobListens.ends(); !errors.Is(err, context.Canceled) {
		t.Errorf("the listening ends with %v", err)
	}
	alice.knows(bob, "")
	wantRoute(t, alice.texts(bob, "are you there?"), message.RouteAsync, outbox.ReasonOffline)
	bob.gets("are you there?")
}

// A killed listener delays no sender: the next text is stored, and the next poll prints it, once.
func TestListenerIsKilled(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPersonWith(t, "alice", configOf(t, net.SeedURL()), Options{AckTimeout: 200 * time.Millisecond}),
		newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	dying := bob.anew(crashed)
	l := dying.newListener(dying.members()[0])
	if err := l.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	living := bob.anew("bob")
	if err := living.ListenAt(t.Context(), l.node.Ed25519.String(), l.node.Port); err != nil {
		t.Fatal(err)
	}
	living.says(alice, "I listen")
	if err := living.StopListening(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice.gets("I listen")
	wantRoute(t, alice.texts(bob, "one"), message.RouteAsync, outbox.ReasonNotAcknowledged)
	wantRoute(t, alice.texts(bob, "two"), message.RouteAsync, outbox.ReasonOffline)
	bob.gets("one", "two")
	bob.getsNothing()
}

// The listener may get a message although its sender could not wait for the acknowledgement: it reads it once.
func TestAcknowledgementIsLost(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPersonWith(t, "alice", configOf(t, net.SeedURL()), Options{AckTimeout: 200 * time.Millisecond}),
		newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	listener := bob.listens("bob listens", ListenOptions{PollInterval: 50 * time.Millisecond})
	node := listener.node()
	wantStored(t, net, alice) // bob's status
	alice.polls()
	alice.knows(bob, node)
	release := hold(t, bob.store, "bob") // so that alice has to give up before bob can commit
	receipt := alice.texts(bob, "hello")
	release()
	wantRoute(t, receipt, message.RouteAsync, outbox.ReasonNotAcknowledged)
	listener.wantTexts("hello")
	if err := listener.ends(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	listener.wantTexts("hello")
	bob.getsNothing()
}

// What is handed over does not overtake what its sender has stored before, though the next poll is far away.
func TestOrderOfBothRoutes(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	listener := bob.listens("bob listens", ListenOptions{PollInterval: time.Hour})
	listener.node()
	wantStored(t, net, alice) // bob's status
	wantRoute(t, alice.texts(bob, "first"), message.RouteSync, "")
	storing := alice.anew("alice stores")
	storing.Router = New(storing.Account, storing.network, Options{OnlyAsync: true})
	want := []string{"first"}
	for i := range 5 {
		one, two := fmt.Sprint(i, " stored"), fmt.Sprint(i, " handed over")
		wantRoute(t, storing.texts(bob, one), message.RouteAsync, "")
		wantRoute(t, alice.texts(bob, two), message.RouteSync, "")
		want = append(want, one, two)
	}
	var got []string
	eventually(t, "bob to hear all", func() bool { got, _ = listener.texts(); return len(got) == len(want) })
	if !slices.Equal(got, want) {
		t.Errorf("the order is %q", got)
	}
}

// A listener goes on at another member when its node stops, and its friends learn that.
func TestListenerMoves(t *testing.T) {
	net := startDevnet(t, 12, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	// both may have to move, if they listen at the same node
	options := ListenOptions{PollInterval: 200 * time.Millisecond}
	aliceListens := alice.listens("alice listens", options)
	aliceListens.node()
	bobListens := bob.listens("bob listens", options)
	first := bobListens.node()
	alice.knows(bob, first)
	place, err := net.Find([]string{first})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, net, place...)
	eventually(t, "bob to move", func() bool { return bobListens.node() != first })
	alice.knows(bob, bobListens.node())
	wantRoute(t, alice.texts(bob, "hello"), message.RouteSync, "")
	bobListens.wantTexts("hello")
}

// A process that listens sends what others leave in the outbox, and a rerun of theirs does not send it again.
func TestListenerSendsWhatIsLeft(t *testing.T) {
	net := startDevnet(t, 9, 3)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	draft := account.Draft{To: bob.ID(), Text: "hello"}
	if _, err := alice.anew(crashed).Account.Send(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	listener := alice.listens("alice listens", ListenOptions{})
	eventually(t, "the text to be sent", func() bool {
		empty, err := alice.OutboxEmpty(t.Context())
		return err == nil && empty && len(bob.polls()) > 0
	})
	rerun := alice.anew("rerun")
	out, err := rerun.Account.Send(t.Context(), draft)
	if err != nil || out.Receipt == nil {
		t.Fatalf("the rerun makes %+v, %v", out, err)
	}
	receipt, err := rerun.Router.Send(t.Context(), out)
	if err != nil || !receipt.OK || !receipt.Resumed {
		t.Errorf("the rerun's receipt is %+v, %v", receipt, err)
	}
	if err := listener.ends(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	bob.getsNothing()
}

// What a process received and did not live to print is printed by one that listens.
func TestListenerPrintsWhatIsLeft(t *testing.T) {
	net := startDevnet(t, 9, 3)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	early, late := alice.seals(bob, "early"), alice.seals(bob, "late")
	dying := bob.anew(crashed)
	receive := func(data string) {
		if _, err := dying.Receive(t.Context(), []account.Incoming{{Data: data}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	receive(early)
	listener := bob.listens("bob listens", ListenOptions{PollInterval: 20 * time.Millisecond})
	listener.wantTexts("early")
	receive(late)
	listener.wantTexts("early", "late")
	if err := listener.ends(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	bob.getsNothing()
}

// Listen ends at its limit and delivers no more than that.
func TestListenEnds(t *testing.T) {
	net := startDevnet(t, 9, 3)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	for i := range 3 {
		alice.says(bob, fmt.Sprint(i))
	}
	var got []string
	take := func(event inbox.Event) error {
		got = append(got, event.Text)
		return nil
	}
	if err := bob.anew(crashed).Listen(t.Context(), ListenOptions{Count: 2}, take); err != nil || len(got) != 2 {
		t.Errorf("got %q, %v", got, err)
	}
	full := errors.New("disk is full")
	wantError(t, "the reader fails",
		bob.anew(crashed).Listen(t.Context(), ListenOptions{}, func(inbox.Event) error { return full }), full)
	if bob.gets("2"); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	started := time.Now()
	if err := bob.anew("idle").Listen(t.Context(), ListenOptions{MaxIdle: 100 * time.Millisecond}, take); err != nil {
		t.Error(err)
	}
	if err := bob.anew("for a while").Listen(t.Context(), ListenOptions{For: 100 * time.Millisecond},
		take); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took < 200*time.Millisecond {
		t.Errorf("both took %v", took)
	}
	beats := 0
	wantError(t, "the heart stops",
		bob.anew("heart").Listen(t.Context(), ListenOptions{Heartbeat: time.Millisecond, Beat: func(Pulse) error {
			if beats++; beats == 3 {
				return full
			}
			return nil
		}}, take), full)
}

// A process that claimed outbox entries releases them when it is stopped, since it may keep running.
func TestFlushGivesBack(t *testing.T) {
	net := startFakenet(t, 5)
	alice := newPerson(t, "alice", net.SeedURL())
	for i := range 3 {
		if err := alice.Release(t.Context(), alice.drafted(someone(t), fmt.Sprint(i)).Seq); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	hang(net, cancel, release)
	_, err := alice.Flush(ctx)
	wantError(t, "told to stop", err, context.Canceled)
	if claimed := alice.anew("next").waiting(); len(claimed) != 3 {
		t.Errorf("the next process finds %d messages", len(claimed))
	}
}

// Without old and dead processes, presence finds the listener.
func TestListeningIsNotedByPresence(t *testing.T) {
	net := startDevnet(t, 9, 3)
	bob := newPerson(t, "bob", net.SeedURL())
	listener := bob.listens("bob listens", ListenOptions{})
	listener.node()
	if listening, err := bob.Listening(t.Context()); err != nil || !listening {
		t.Errorf("listening: %v, %v", listening, err)
	}
	env := environment("another")
	env.StateOf = func(string) presence.State { return presence.Crashed }
	other, err := account.Open(t.Context(), bob.store, env, bob.Name())
	if err != nil {
		t.Fatal(err)
	}
	if listening, err := other.Listening(t.Context()); err != nil || listening {
		t.Errorf("after a crash listening: %v, %v", listening, err)
	}
}
