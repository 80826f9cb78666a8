package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/devnet"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
)

// The tests of this file are against real nodes of storage RPC 2.8.

func startDevnet28(t *testing.T, nodes, swarmSize int) *devnet.Network {
	t.Helper()
	return startDevnetWith(t, devnet.Options{Nodes: nodes, SwarmSize: swarmSize, Generation: storage.Generation28})
}

// undecided is the configuration of a client without the network's generation.
func undecided(t *testing.T, seed string) network.Config {
	config := configOf(t, seed)
	config.Generation = ""
	return config
}

// newcomer creates an account on a network that gives its generation itself.
func newcomer(t *testing.T, name string, net *devnet.Network) *person {
	t.Helper()
	return newPersonWith(t, name, undecided(t, net.SeedURL()), Options{Quorum: 3})
}

// writes sends a text to a Session ID and finishes it.
func (p *person) writes(to *person, text string) {
	p.t.Helper()
	generation, err := p.Router.Generation(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	p.sent(p.Account.Send(p.t.Context(), account.Draft{To: to.ID(), Text: text, Network: generation}))
}

// Two strangers talk at once, and every message arrives once.
func Test28OnDevnet(t *testing.T) {
	net := startDevnet28(t, 10, 5)
	alice, bob := newcomer(t, "alice", net), newcomer(t, "bob", net)
	wantGeneration(t, alice, storage.Generation28)
	alice.writes(bob, "backup failed")
	bob.gets("backup failed")
	bob.writes(alice, "thanks")
	alice.gets("thanks")
	bob.getsNothing()
	alice.getsNothing()
}

func wantGeneration(t *testing.T, p *person, want storage.Generation) {
	t.Helper()
	if got, err := p.Router.Generation(t.Context()); err != nil || got != want {
		t.Errorf("the generation is %q, %v, want %q", got, err, want)
	}
}

// More messages than a page holds are read page by page.
func Test28PagesOnDevnet(t *testing.T) {
	net := startDevnet28(t, 5, 5)
	bob := newcomer(t, "bob", net)
	var want []string
	router, _ := storer28(t, net.SeedURL(), Options{})
	for i := range 40 { // a page has a third of that
		q := requestFor(bob.ID(), fmt.Sprint("message ", i, strings.Repeat(" ", 70_000)))
		if _, err := router.Store(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		want = append(want, q.Data)
	}
	got, err := bob.retrieved(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatalf("%d nodes gave messages, %v", len(got), err)
	}
	for node, list := range got {
		slices.Sort(list)
		if slices.Sort(want); !slices.Equal(list, want) {
			t.Errorf("%s gave %d messages, want %d", node, len(list), len(want))
		}
	}
}

// With dead members the message arrives, and the receipt names the members that have it; with all dead it waits.
func Test28AtDeadMembers(t *testing.T) {
	net := startDevnet28(t, 8, 3)
	alice, bob := newPersonWith(t, "alice", undecided(t, net.SeedURL()), Options{}), newcomer(t, "bob", net)
	places := swarmOf(t, net, bob.ID())
	stop(t, net, places[0])
	draft := account.Draft{To: bob.ID(), Text: "one dead", Network: storage.Generation28}
	out, err := alice.Account.Send(t.Context(), draft)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := alice.Router.Send(t.Context(), out)
	if err != nil || receipt.Stored != len(places)-1 {
		t.Errorf("one dead: %+v, %v", receipt, err)
	}
	bob.gets("one dead")

	stop(t, net, places[1:]...)
	draft.Text = "all dead"
	if out, err = alice.Account.Send(t.Context(), draft); err != nil {
		t.Fatal(err)
	}
	_, err = alice.Router.Send(t.Context(), out)
	wantError(t, "all dead", err, ErrNotStored)
	for _, place := range places {
		if err := net.StartNode(t.Context(), place); err != nil {
			t.Fatal(err)
		}
	}
	if waiting, err := alice.Flush(t.Context()); err != nil || waiting != 0 {
		t.Errorf("%d messages wait, %v", waiting, err)
	}
	bob.gets("all dead")
}

// Nodes whose clocks say something else are believed: they are the network.
func Test28ClockOnDevnet(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": 10 * time.Minute, "behind": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			net := startDevnet28(t, 5, 5)
			if _, err := net.SetFault(t.Context(), nil, devnet.Fault{Kind: devnet.FaultSkew, Skew: skew}); err != nil {
				t.Fatal(err)
			}
			alice, bob := newcomer(t, "alice", net), newcomer(t, "bob", net)
			alice.writes(bob, "what time is it?")
			bob.gets("what time is it?")
			if off := time.Until(bob.network.Now()) - skew; off.Abs() > time.Minute {
				t.Errorf("bob's idea of the time is off by %s", off)
			}
		})
	}
}

// What an owner deletes or makes expire is gone everywhere, and every member signs for it.
func TestDeleteAndExpireOnDevnet(t *testing.T) {
	net := startDevnet28(t, 5, 5)
	bob := newcomer(t, "bob", net)
	router, _ := storer28(t, net.SeedURL(), Options{})
	var hashes []string
	for i := range 3 {
		receipt, err := router.Store(t.Context(), requestFor(bob.ID(), fmt.Sprint("message ", i)))
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, receipt.MessageHash)
	}
	deleted, err := bob.Delete(t.Context(), hashes[:1])
	if err != nil || !deleted.OK || !slices.Equal(deleted.Changed, hashes[:1]) || len(deleted.Nodes) != 5 {
		t.Fatalf("deleted %+v, %v", deleted, err)
	}
	for _, node := range deleted.Nodes {
		if !node.OK || node.Error != "" {
			t.Errorf("member %+v", node)
		}
	}
	if again, err := bob.Delete(t.Context(), hashes[:1]); err != nil || !again.OK || len(again.Changed) != 0 {
		t.Errorf("deleted again: %+v, %v", again, err)
	}

	expired, err := bob.Expire(t.Context(), hashes, 24*time.Hour)
	want := slices.Sorted(slices.Values(hashes[1:]))
	if err != nil || !expired.OK || !slices.Equal(expired.Changed, want) {
		t.Fatalf("expired %+v, %v", expired, err)
	}
	for i := range net.Nodes() {
		held, err := net.Messages(i, bob.ID().String())
		if err != nil || len(held) != 2 {
			t.Fatalf("node %d holds %+v, %v", i, held, err)
		}
		for _, stored := range held {
			if stored.Expiration != expired.ExpirationMS {
				t.Errorf("node %d keeps it until %d, want %d", i, stored.Expiration, expired.ExpirationMS)
			}
		}
	}
}

// Nodes of 2.0 cannot delete, and no client asks them to.
func TestDelete20(t *testing.T) {
	net := startFakenet(t, 4)
	bob := newPerson(t, "bob", net.SeedURL())
	_, err := bob.Delete(t.Context(), []string{"x"})
	wantError(t, "delete", err, mailbox.ErrGeneration)
	if _, err := bob.Delete(t.Context(), nil); err == nil || errors.Is(err, mailbox.ErrGeneration) {
		t.Errorf("nothing to delete: %v", err)
	}
}

// On nodes that serve both, each client uses its own storage RPC and reads all messages.
func TestGenerationsMeetOnDevnet(t *testing.T) {
	net := startDevnet(t, 10, 5)
	desk, phone := newPerson(t, "desk", net.SeedURL()), newPersonWith(t, "phone", client28(t, net.SeedURL()), Options{})
	wantGeneration(t, newcomer(t, "newcomer", net), storage.Generation20)

	phone.writes(desk, "from a phone")
	desk.gets("from a phone")
	desk.says(phone, "from a desk") // in the protocol that the phone speaks, with a proof of work
	phone.gets("from a desk")

	phone.befriendsOverTheNetwork(desk)
	phone.says(desk, "by a session")
	desk.gets("by a session")
}

// befriendsOverTheNetwork makes a session with protocol signal.
func (p *person) befriendsOverTheNetwork(other *person) {
	p.t.Helper()
	draft := account.Draft{To: other.ID(), Text: "let us have a session", Protocol: account.ProtocolSignal}
	p.sent(p.RequestFriend(p.t.Context(), draft, true))
	for _, one := range []*person{other, p, other} {
		err := one.Poll(p.t.Context(), PollOptions{}, func(inbox.Event) error { return nil })
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// A process that is killed between sealing and sending loses nothing and repeats nothing with storage RPC 2.8 either.
func Test28IsSentOnce(t *testing.T) {
	net := startDevnet28(t, 5, 5)
	alice, bob := newcomer(t, "alice", net), newcomer(t, "bob", net)
	draft := account.Draft{To: bob.ID(), Text: "once", Network: storage.Generation28}
	dead := alice.anew(crashed)
	out, err := dead.Account.Send(t.Context(), draft)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := dead.Router.Store(t.Context(), StoreRequest{To: out.To, TTLMillis: out.TTLMillis, Data: out.Data})
	if err != nil {
		t.Fatal(err)
	}
	again, err := alice.Account.Send(t.Context(), draft)
	if err != nil || again.Seq != out.Seq {
		t.Fatalf("the rerun sends %+v, %v", again, err)
	}
	receipt, err := alice.Router.Send(t.Context(), again)
	if err != nil || receipt.MessageHash != stored.MessageHash || !slices.ContainsFunc(receipt.Nodes, alreadyThere) {
		t.Errorf("the rerun's receipt is %+v, %v", receipt, err)
	}
	bob.gets("once")
}

func alreadyThere(node account.NodeResult) bool { return node.Already }
