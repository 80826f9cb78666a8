package route

import (
	"context"
	"errors"
	"slices"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
)

// Receipts that are in the inbox already end a wait at once, those of others or for other messages do not, and a wait
// that ends with its context says which messages are left. A delivery receipt is none for a wait for read receipts.
func TestAwaitReceipts(t *testing.T) {
	net := startDevnet(t, 10, 5)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	first, second := alice.texts(bob, "first"), alice.texts(bob, "second")
	bob.gets("first", "second")
	awaited := []Awaited{{bob.ID(), first.TimestampMS}, {bob.ID(), second.TimestampMS}}
	event := inbox.Event{Kind: inbox.EventMessage, From: alice.ID(), TimestampMS: first.TimestampMS}
	if err := bob.SendRead(t.Context(), []inbox.Event{event}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var found []uint64
	left, err := alice.AwaitReceipts(ctx, awaited, true, func(event inbox.Event) error {
		found = append(found, event.Timestamps...)
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(left, awaited[1:]) ||
		!slices.Equal(found, []uint64{uint64(first.TimestampMS)}) {
		t.Errorf("left are %v, found %v, %v", left, found, err)
	}
	for _, read := range []bool{true, false} {
		left, err = alice.AwaitReceipts(t.Context(), awaited[:1], read, func(event inbox.Event) error {
			if event.Text != message.Read.String() || event.From != bob.ID() {
				t.Errorf("found %+v", event)
			}
			return nil
		})
		if len(left) > 0 || err != nil {
			t.Errorf("a receipt that is there: left %v, %v", left, err)
		}
	}
	broken := errors.New("broken")
	if _, err := alice.AwaitReceipts(t.Context(), awaited[:1], true,
		func(inbox.Event) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("an error of found: %v", err)
	}
}
