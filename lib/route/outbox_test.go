package route

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// A retry sends the same bytes, from whichever process it comes, so that nodes recognise them.
func TestRetrySendsTheSame(t *testing.T) {
	net := startFakenet(t, 6)
	always(storage.MethodStore, 500, "internal error", net.Nodes...)
	alice := newPerson(t, "alice", net.SeedURL())
	bob := someone(t)
	first, err := alice.Router.Send(t.Context(), alice.drafted(bob, "hello"))
	wantError(t, "first", err, ErrNotStored)

	second := alice.anew("second process")
	out := second.drafted(bob, "hello") // the same command again
	if !out.Resumed {
		t.Fatal("it made a second message")
	}
	again, err := second.Router.Send(t.Context(), out)
	wantError(t, "second", err, ErrNotStored)
	if !again.Resumed || again.MessageHash != first.MessageHash {
		t.Errorf("first %+v, then %+v", first, again)
	}

	boxes(net.Nodes...)
	if waiting, err := alice.anew("third process").Flush(t.Context()); err != nil || waiting != 0 {
		t.Errorf("%d wait, %v", waiting, err)
	}
	var calls []fakenet.Call
	for _, node := range net.Nodes {
		calls = append(calls, node.Calls(storage.MethodStore)...)
	}
	for _, call := range calls {
		for name, value := range call.Params {
			if value != calls[0].Params[name] {
				t.Errorf("%s was %q and then %q", name, calls[0].Params[name], value)
			}
		}
	}
	if len(calls) < 9 {
		t.Errorf("%d requests were made", len(calls))
	}
}

// Texts that could not be sent go before the next one to the same recipient, within a process and in a later one, and
// the reruns of their commands get the receipts.
func TestOrderAfterAnOutage(t *testing.T) {
	net := startFakenet(t, 6)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	fails := func(p *person, text string) {
		t.Helper()
		out, err := p.Account.Send(t.Context(), account.Draft{To: bob.ID(), Text: text})
		if err == nil {
			_, err = p.Router.Send(t.Context(), out)
		}
		wantError(t, text, err, ErrNotStored)
	}
	always(storage.MethodStore, 500, "internal error", net.Nodes...)
	fails(alice.anew("first process"), "one")
	second := alice.anew("second process")
	fails(second, "two")
	third := alice.anew("third process")
	fails(third, "three")

	swarm := &box{} // in which nodes spread messages at once
	for _, node := range net.Nodes {
		node.Answer(swarm.answer)
	}
	third.texts(bob, "four")
	if got := bob.polls(); !slices.Equal(got, []string{"one", "two", "three", "four"}) {
		t.Errorf("bob got %q", got)
	}
	if receipt := alice.anew("rerun").texts(bob, "two"); !receipt.OK || !receipt.Resumed {
		t.Errorf("the rerun's receipt is %+v", receipt)
	}
	bob.getsNothing()
}

// What was stored by a process that died before it reported so is not stored again.
func TestReceiptOfAnEarlierRun(t *testing.T) {
	net := startFakenet(t, 4)
	alice := newPerson(t, "alice", net.SeedURL())
	bob := someone(t)
	dying := alice.anew(crashed)
	first, err := dying.Router.Send(t.Context(), dying.drafted(bob, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	out := alice.drafted(bob, "hello")
	again, err := alice.Router.Send(t.Context(), out)
	if err != nil || !again.Resumed || again.MessageHash != first.MessageHash || again.Stored != first.Stored {
		t.Errorf("first %+v, then %+v, %v", first, again, err)
	}
	stored := 0
	for _, node := range net.Nodes {
		stored += len(node.Calls(storage.MethodStore))
	}
	if stored != 3 {
		t.Errorf("the message was stored %d times", stored)
	}
}

// A command that runs out of time leaves its message to the next one.
func TestOutOfTime(t *testing.T) {
	net := startFakenet(t, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), someone(t)
	if _, err := alice.network.Swarm(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	hang(net, cancel, release)
	_, err := alice.Router.Send(ctx, alice.drafted(bob, "hello"))
	wantError(t, "cancelled", err, context.Canceled)
	if left := alice.waiting(); len(left) != 1 {
		t.Errorf("%d messages are in the outbox", len(left))
	}
}

// An error of who keeps the solution stops the message before it leaves.
func TestSolutionCannotBeSaved(t *testing.T) {
	net := startFakenet(t, 4)
	router, _ := storer(t, net.SeedURL(), Options{})
	full := errors.New("disk is full")
	request := requestFor(someone(t), "hello")
	request.Solved = func(StoreRequest) error { return full }
	_, err := router.Store(t.Context(), request)
	wantError(t, "not saved", err, full)
	for _, node := range net.Nodes {
		if n := len(node.Calls(storage.MethodStore)); n != 0 {
			t.Errorf("it was stored %d times", n)
		}
	}
}

// Flush sends what it can, and says how much still waits.
func TestFlush(t *testing.T) {
	net := startFakenet(t, 5)
	unlucky, refused := someone(t), someone(t)
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			switch {
			case call.Method != storage.MethodStore:
				return 0, ""
			case call.Params["pubKey"] == unlucky.String():
				return 500, "internal error"
			case call.Params["pubKey"] == refused.String():
				return storage.StatusBadTTL, "Provided TTL is not valid.\n"
			}
			return storage.StatusOK, `{"difficulty":1}`
		})
	}
	alice := newPerson(t, "alice", net.SeedURL())
	if waiting, err := alice.Flush(t.Context()); waiting != 0 || err != nil {
		t.Errorf("nothing to send: %d wait, %v", waiting, err)
	}
	for _, to := range []sessionid.ID{unlucky, refused, someone(t), someone(t)} {
		if err := alice.Release(t.Context(), alice.drafted(to, "hello").Seq); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if waiting, err := alice.Flush(t.Context()); waiting != 1 || err != nil {
			t.Errorf("%d wait, %v; want 1", waiting, err)
		}
	}
	left := alice.waiting()
	if len(left) != 1 || left[0].To != unlucky {
		t.Errorf("left are %+v", left)
	}
}

// A message of a machine that booted 20 days behind waits without a network. After the clock was set it is sent with the
// time of then.
func TestFlushAfterClockStep(t *testing.T) {
	net := startFakenet(t, 4)
	alice := newPerson(t, "alice", net.SeedURL())
	bob := someone(t)
	behind := environment("behind")
	behind.Now = func() time.Time { return time.Now().Add(-20 * 24 * time.Hour) }
	behind.StateOf = func(string) presence.State { return presence.Gone }
	a, err := account.Open(t.Context(), alice.store, behind, "alice")
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.RequestFriend(t.Context(), account.Draft{To: bob, Text: "booted", TTLMillis: account.MinTTL}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Release(t.Context(), out.Seq); err != nil {
		t.Fatal(err)
	}
	before := time.Now().UnixMilli()
	var receipts []account.Receipt
	waiting, err := alice.FlushEach(t.Context(),
		func(_ account.Outgoing, receipt account.Receipt, err error) error {
			receipts = append(receipts, receipt)
			return err
		})
	if waiting != 0 || err != nil {
		t.Fatalf("%d wait, %v", waiting, err)
	}
	if len(receipts) != 1 || receipts[0].TimestampMS < before || receipts[0].TTLMillis != account.MinTTL {
		t.Errorf("the receipts are %+v", receipts)
	}
}
