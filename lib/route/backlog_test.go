package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/await"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
)

// One poll reads everything that waits, and the next one nothing. Here the messages are no envelopes, so that opening
// them costs nothing, and the poll counts them in one event.
func TestPollHasNoEnd(t *testing.T) {
	const waiting = 5500
	net := startFakenet(t, 4)
	bob := newPerson(t, "bob", net.SeedURL())
	data := make([]string, waiting)
	for i := range data {
		data[i] = fmt.Sprint("data ", i)
	}
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodRetrieve {
				return 0, ""
			}
			after := 0
			fmt.Sscan(call.Params["lastHash"], &after)
			page := make([]storage.Stored, min(500, waiting-after))
			for i := range page {
				page[i] = storage.Stored{Data: data[after+i], Hash: fmt.Sprint(after + i + 1)}
			}
			return storage.StatusOK, pageOf(page...)
		})
	}
	for _, want := range []int{waiting, 0} {
		events, read := 0, 0
		err := bob.Poll(t.Context(), PollOptions{Truncated: neverTruncated(t)}, func(event inbox.Event) error {
			events++
			for _, count := range event.Report.Unopenable {
				read += count.Messages
			}
			return nil
		})
		if err != nil || read != want || events > 1 {
			t.Errorf("the poll has %d messages in %d events, want %d: %v", read, events, want, err)
		}
	}
}

func neverTruncated(t *testing.T) func(mailbox.Truncated) error {
	return func(cut mailbox.Truncated) error {
		t.Errorf("a list was cut off: %+v", cut)
		return nil
	}
}

// A member that has new messages without end, while the others have none, is cut off and reported.
func TestEndlessMemberIsReported(t *testing.T) {
	net := startFakenet(t, 5)
	net.OneSwarm(net.Nodes[:3]...)
	bob := newPerson(t, "bob", net.SeedURL())
	n := 0
	net.Nodes[0].Answer(func(call fakenet.Call) (int, string) {
		if call.Method != storage.MethodRetrieve {
			return 0, ""
		}
		page := make([]storage.Stored, 100)
		for i := range page {
			n++
			page[i] = storage.Stored{Data: fmt.Sprint("data ", n), Hash: fmt.Sprint(n)}
		}
		return storage.StatusOK, pageOf(page...)
	})
	boxes(net.Nodes[1:3]...)
	var cuts []mailbox.Truncated
	err := bob.Poll(t.Context(), PollOptions{Truncated: func(cut mailbox.Truncated) error {
		cuts = append(cuts, cut)
		return nil
	}}, func(inbox.Event) error { return nil })
	if err != nil || len(cuts) != 1 || cuts[0].Node.Ed25519 != net.Nodes[0].Key() ||
		cuts[0].Messages < mailbox.ExtraMessages {
		t.Errorf("cut off %+v, %v", cuts, err)
	}
	full := errors.New("disk is full")
	carol := newPerson(t, "carol", net.SeedURL()) // bob does not wait for a member again that he has not read to its end
	err = carol.Poll(t.Context(), PollOptions{Truncated: func(mailbox.Truncated) error { return full }},
		func(inbox.Event) error { return nil })
	wantError(t, "the report cannot be written", err, full)
}

// attempts polls and returns the texts and attempts of what the reader sees. It fails on a text fatal, as a reader does
// that a message kills.
func (p *person) attempts(most int, fatal string) (seen []string) {
	p.t.Helper()
	broken := errors.New("the reader is gone")
	err := p.Poll(p.t.Context(), PollOptions{MaxAttempts: most}, func(event inbox.Event) error {
		what := fmt.Sprint(event.Text, " ", event.Attempt)
		if event.SetAside {
			what += " aside"
		}
		seen = append(seen, what)
		if event.Text == fatal && !event.SetAside {
			return broken
		}
		return nil
	})
	if err != nil && !errors.Is(err, broken) {
		p.t.Fatal(err)
	}
	return seen
}

// A repeat says so. A message that its reader fails on again and again is set aside after so many attempts, reported
// once, and no other message is.
func TestAttempts(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	data := []string{alice.seals(bob, "one"), alice.seals(bob, "poison"), alice.seals(bob, "three")}
	for _, b := range boxes(net.Nodes...) {
		b.put(data...)
	}
	for i, want := range [][]string{
		{"one 1", "poison 1"}, {"poison 2"}, {"poison 3"}, {"poison 3 aside", "three 1"}, nil,
	} {
		if got := bob.attempts(3, "poison"); !slices.Equal(got, want) {
			t.Errorf("poll %d shows %q, want %q", i, got, want)
		}
	}
	// Nothing is lost: it is in the inbox.
	events, err := bob.Inbox(t.Context(), 3)
	if err != nil || len(events) != 3 || events[1].Text != "poison" {
		t.Errorf("the inbox is %+v, %v", events, err)
	}
}

// After a kill within a delivery, only what was begun may be repeated, and says so.
func TestAttemptsAfterKill(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	var data []string
	for i := range deliveredAtOnce + 3 {
		data = append(data, alice.seals(bob, fmt.Sprint(i)))
	}
	for _, b := range boxes(net.Nodes...) {
		b.put(data...)
	}
	killed := bob.anew(crashed)
	func() {
		defer func() { recover() }() // as a kill, this leaves no time to record anything
		killed.Poll(t.Context(), PollOptions{}, func(event inbox.Event) error {
			if event.Text == "5" {
				panic("killed")
			}
			return nil
		})
	}()
	repeats := 0
	err := bob.Poll(t.Context(), PollOptions{}, func(event inbox.Event) error {
		if event.Attempt == 2 {
			repeats++
		}
		return nil
	})
	if err != nil || repeats == 0 || repeats > deliveredAtOnce {
		t.Errorf("%d events are repeats, %v", repeats, err)
	}
}

// An account that was not polled for longer than messages are kept says so once. A new one does not.
func TestGap(t *testing.T) {
	net := startFakenet(t, 4)
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	env := environment("bob")
	env.Stamp = func() time.Time { return now }
	bob := newPersonIn(t, "bob", configOf(t, net.SeedURL()), Options{}, env)
	boxes(net.Nodes...)
	gaps := func(want int) {
		t.Helper()
		var got []inbox.Event
		err := bob.Poll(t.Context(), PollOptions{}, func(event inbox.Event) error {
			got = append(got, event)
			return nil
		})
		if err != nil || len(got) != want {
			t.Fatalf("got %+v, %v, want %d gaps", got, err, want)
		}
		for _, event := range got {
			if event.Kind != inbox.EventGap || event.ReceivedAt != now ||
				event.ReceivedAt.UnixMilli()-event.TimestampMS != (97*time.Hour).Milliseconds() {
				t.Errorf("the gap is %+v", event)
			}
		}
	}
	gaps(0)
	now = now.Add(95 * time.Hour)
	gaps(0)
	now = now.Add(97 * time.Hour)
	gaps(1)
	gaps(0)
	now = now.Add(-30 * 24 * time.Hour) // the clock steps back
	gaps(0)
	gaps(0)
}

// A listener reports a gap, too, and sets aside what kills its reader.
func TestListenReportsGapAndSetsAside(t *testing.T) {
	net := startFakenet(t, 4)
	now := time.Now()
	env := environment("bob")
	env.Stamp = func() time.Time { return now }
	alice := newPerson(t, "alice", net.SeedURL())
	bob := newPersonIn(t, "bob", configOf(t, net.SeedURL()), Options{}, env)
	alice.befriends(bob)
	all := boxes(net.Nodes...)
	bob.getsNothing()
	now = now.Add(5 * 24 * time.Hour)
	data := alice.seals(bob, "poison")
	for _, b := range all {
		b.put(data)
	}
	var kinds []string
	ctx, cancel := context.WithTimeout(t.Context(), await.Hang)
	defer cancel()
	err := bob.Listen(ctx, ListenOptions{Count: 2}, func(event inbox.Event) error {
		kinds = append(kinds, string(event.Kind))
		return nil
	})
	slices.Sort(kinds)
	if err != nil || !slices.Equal(kinds, []string{"gap", "message"}) {
		t.Errorf("the listener shows %q, %v", kinds, err)
	}
}

// A listener reports an outage once, names no node then, and reports the end.
func TestListenReportsOutage(t *testing.T) {
	net := startFakenet(t, 4)
	bob := newPerson(t, "bob", net.SeedURL())
	var dead atomic.Bool
	for i, b := range boxes(net.Nodes...) {
		net.Nodes[i].Answer(func(call fakenet.Call) (int, string) {
			if dead.Load() {
				return 500, "internal error"
			}
			return b.answer(call)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), await.Hang)
	defer cancel()
	var outages []Outage
	var reported atomic.Int32
	began := time.Now()
	options := ListenOptions{
		PollInterval: 10 * time.Millisecond, outageAfter: 100 * time.Millisecond, Heartbeat: 10 * time.Millisecond,
		Beat: func(pulse Pulse) error {
			if !pulse.PolledAt.IsZero() && reported.Load() == 0 {
				dead.Store(true)
			}
			return nil
		},
		Outage: func(outage Outage) error {
			outages = append(outages, outage)
			reported.Add(1)
			dead.Store(false)
			if outage.Over {
				cancel()
			}
			return nil
		},
	}
	err := bob.Listen(ctx, options, func(inbox.Event) error { return nil })
	wantError(t, "stopped", err, context.Canceled)
	if len(outages) != 2 || outages[0].Over || !outages[1].Over || outages[0].Since != outages[1].Since ||
		outages[0].Since.Before(began) {
		t.Errorf("outages: %+v", outages)
	}
}

// The reports of a long outage become rare.
func TestOutageOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := 0
		s := &listenLoop{reachedAt: time.Now(), reported: outageAfter}
		s.options.Outage = func(Outage) error {
			reports++
			return nil
		}
		for range 24 * 360 {
			<-time.After(10 * time.Second) // of the test's own clock
			if err := s.unreached(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.reached(); err != nil || reports != 7 {
			t.Errorf("%d reports, %v", reports, err)
		}
	})
}
