package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/presence"
)

// keepEvent stores an event in the inbox, to be delivered by this process or, if aside is set, by the next process that
// polls.
func (a *Account) keepEvent(tx *keystore.Tx, event *inbox.Event, aside bool) (err error) {
	owner := outbox.Unowned
	if !aside {
		if owner, err = a.claim(); err != nil {
			return err
		}
	}
	return inbox.Keep(tx, event, owner)
}

// ClaimUndelivered returns the stored but undelivered events, oldest first, and claims them for this process. It leaves
// out events that another running process is printing.
func (a *Account) ClaimUndelivered(ctx context.Context) ([]inbox.Event, error) {
	return a.claimEvents(ctx, a.printable, whole)
}

// printable reports whether this process may print events of an owner.
func (a *Account) printable(owner string) bool { return owner == a.env.Owner || a.unread(owner) }

func whole(event inbox.Event) inbox.Event { return event }

// ClaimAbandoned is [Account.ClaimUndelivered] without the events that this process is printing itself.
func (a *Account) ClaimAbandoned(ctx context.Context) ([]inbox.Event, error) {
	return a.claimEvents(ctx, func(owner string) bool { return owner != a.env.Owner && a.unread(owner) }, whole)
}

// ClaimInOrder is [Account.ClaimUndelivered] for many events: they are sorted by [inbox.InOrder], and have only the
// fields that sorting needs. [Account.Complete] reads the rest.
func (a *Account) ClaimInOrder(ctx context.Context) ([]inbox.Event, error) {
	events, err := a.claimEvents(ctx, a.printable, inbox.Sortable)
	inbox.InOrder(events)
	return events, err
}

// unread reports whether no other running process is printing events of an owner.
func (a *Account) unread(owner string) bool {
	return owner == outbox.Unowned || a.env.StateOf(owner) != presence.Alive
}

// claimEvents claims the undelivered events whose owner ours accepts, and returns keep of each.
func (a *Account) claimEvents(ctx context.Context, ours func(owner string) bool,
	keep func(inbox.Event) inbox.Event) (events []inbox.Event, err error) {
	waiting, err := a.undelivered(ctx)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	mine, err := a.claim()
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		events, err = inbox.Claim(tx, waiting, mine, ours, keep)
		return err
	})
	return events, err
}

// undelivered lists the undelivered events without writing anything: usually there are none.
func (a *Account) undelivered(ctx context.Context) (waiting []uint64, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		waiting, err = inbox.Undelivered(tx)
		return err
	})
	return waiting, err
}

// MarkDelivered records that events were written to their reader.
func (a *Account) MarkDelivered(ctx context.Context, events ...inbox.Event) error {
	if len(events) == 0 {
		return nil
	}
	return a.update(ctx, func(tx *keystore.Tx) error { return inbox.MarkDelivered(tx, events...) })
}

// Complete returns the current inbox entries of events.
func (a *Account) Complete(ctx context.Context, events []inbox.Event) (whole []inbox.Event, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		whole = nil
		for _, event := range events {
			event, err := inbox.Load(tx, event.Seq)
			if err != nil {
				return err
			}
			whole = append(whole, event)
		}
		return nil
	})
	return whole, err
}

// Inbox returns the newest events, at most limit, oldest first.
func (a *Account) Inbox(ctx context.Context, limit int) (events []inbox.Event, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		events, err = inbox.Newest(tx, limit)
		return err
	})
	return events, err
}

// LastHash returns the cursor of this version in a node's list. Empty means from the beginning.
func (a *Account) LastHash(ctx context.Context, node string) (hash string, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		hash, err = inbox.Cursor(tx, node)
		return err
	})
	return hash, err
}
