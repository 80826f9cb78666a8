package account

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/presence"
	"sessiontool/lib/storage"
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

// locatedAtOnce is how many waiting events are read in one transaction.
const locatedAtOnce = 512

// Waiting returns the undelivered events that this process may deliver, in the order of [inbox.InOrder]. It leaves out
// events that another running process delivers, and those that were set aside.
func (a *Account) Waiting(ctx context.Context) ([]inbox.Waiting, error) {
	return a.waiting(ctx, a.deliverable)
}

// Abandoned is [Account.Waiting] without the events that this process delivers itself.
func (a *Account) Abandoned(ctx context.Context) ([]inbox.Waiting, error) {
	return a.waiting(ctx, func(owner string) bool { return owner != a.env.Owner && a.unread(owner) })
}

// deliverable reports whether this process may deliver events of an owner.
func (a *Account) deliverable(owner string) bool { return owner == a.env.Owner || a.unread(owner) }

// unread reports whether no other running process delivers events of an owner.
func (a *Account) unread(owner string) bool {
	return owner == outbox.Unowned || a.env.StateOf(owner) != presence.Alive
}

// waiting returns the undelivered events whose owner ours accepts, in order. It changes nothing.
func (a *Account) waiting(ctx context.Context, ours func(owner string) bool) (waiting []inbox.Waiting, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		waiting, err = inbox.Undelivered(tx, ours)
		return err
	})
	if err != nil {
		return nil, err
	}
	for some := range slices.Chunk(waiting, locatedAtOnce) {
		if err := a.view(ctx, func(tx *keystore.Tx) error { return inbox.Locate(tx, some) }); err != nil {
			return nil, err
		}
	}
	inbox.InOrder(waiting)
	return waiting, nil
}

// BeginDelivery records that this process begins to deliver waiting events, and returns them. After most attempts an
// event is returned to be set aside; 0 means never. In the same transaction it finishes the delivery of events before,
// as MarkDelivered does. See [inbox.Begin].
func (a *Account) BeginDelivery(ctx context.Context, before []inbox.Event, waiting []inbox.Waiting,
	most int) (events []inbox.Event, err error) {
	mine, err := a.claim()
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		if err := inbox.Delivered(tx, before...); err != nil {
			return err
		}
		events, err = inbox.Begin(tx, waiting, mine, a.deliverable, most)
		return cmp.Or(err, nameSenders(tx, events))
	})
	return events, err
}

// EndDelivery records that events of [Account.BeginDelivery] were written to their reader, and that others were not.
func (a *Account) EndDelivery(ctx context.Context, written, unwritten []inbox.Event) error {
	if len(written) == 0 && len(unwritten) == 0 {
		return nil
	}
	return a.group.Update(ctx, func(tx *keystore.Tx) error {
		return errors.Join(inbox.Delivered(tx, written...), inbox.Withdraw(tx, unwritten...))
	})
}

// MarkDelivered records that events were written to their reader.
func (a *Account) MarkDelivered(ctx context.Context, events ...inbox.Event) error {
	return a.EndDelivery(ctx, events, nil)
}

// pollPrecision is how old the recorded time of the last poll may be: a poll without news costs a commit only then.
const pollPrecision = time.Hour

// Polled records that the swarm's messages were fetched. If that had not happened for longer than the network keeps
// messages, it puts a gap event into the inbox, for this process to deliver, and returns it.
func (a *Account) Polled(ctx context.Context) (gap []inbox.Event, err error) {
	now := time.UnixMilli(a.stamp()).UTC()
	due := func(tx *keystore.Tx) (last time.Time, due bool, err error) {
		_, err = tables.Get(tx, tableTimes, timePolled, &last)
		age := now.Sub(last)
		return last, age < 0 || age >= pollPrecision, err
	}
	write := false
	err = a.view(ctx, func(tx *keystore.Tx) error {
		_, write, err = due(tx)
		return err
	})
	if err != nil || !write {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		gap = nil
		last, write, err := due(tx)
		if err != nil || !write {
			return err
		}
		kept := shortestKept
		if !last.IsZero() && now.Sub(last) > kept { // reading all contacts takes time, so only when it matters
			if kept, err = a.keptFor(tx); err != nil {
				return err
			}
		}
		if !last.IsZero() && now.Sub(last) > kept {
			event := inbox.Event{
				ID: inbox.ID("gap " + a.ID().String() + last.String()), Kind: inbox.EventGap,
				TimestampMS: last.UnixMilli(), ReceivedAt: now,
			}
			if err := a.keepEvent(tx, &event, false); err != nil {
				return err
			}
			gap = []inbox.Event{event}
		}
		return tables.Put(tx, tableTimes, timePolled, now)
	})
	return gap, err
}

// keptFor returns how long the network keeps messages to this account at most: 14 days if all contacts use protocol
// session-v1, else 96 hours, as servers of 2.0 do. Senders may ask for less.
func (a *Account) keptFor(tx *keystore.Tx) (time.Duration, error) {
	all, none := true, true
	err := contacts.Each(tx, func(contact contacts.Contact) error {
		if contact.Protocol != "" || contact.State(a.env.Now()) != StateNone {
			all, none = all && contact.Protocol == ProtocolSessionV1, false
		}
		return nil
	})
	if err == nil && all && !none {
		return storage.MaxTTLMillis28 * time.Millisecond, nil
	}
	return shortestKept, err
}

// shortestKept is the least that keptFor returns.
const shortestKept = storage.MaxTTLMillis20 * time.Millisecond

// Inbox returns the newest events, at most limit, oldest first.
func (a *Account) Inbox(ctx context.Context, limit int) (events []inbox.Event, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		events, err = inbox.Newest(tx, limit)
		return cmp.Or(err, nameSenders(tx, events))
	})
	return events, err
}

// InboxFrom returns at most limit events from a sequence number on, oldest first.
func (a *Account) InboxFrom(ctx context.Context, seq uint64, limit int) (events []inbox.Event, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		events, err = inbox.From(tx, seq, limit)
		return cmp.Or(err, nameSenders(tx, events))
	})
	return events, err
}

// Undelivered returns the events that wait for delivery or were set aside, by sequence number: whether they were set
// aside.
func (a *Account) Undelivered(ctx context.Context) (aside map[uint64]bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		aside, err = inbox.SetAside(tx)
		return err
	})
	return aside, err
}

// Prune deletes events of the inbox that are not kept, and returns how many. It returns the space to the file system.
func (a *Account) Prune(ctx context.Context, kept inbox.Kept) (pruned int, err error) {
	for {
		n := 0
		err := a.update(ctx, func(tx *keystore.Tx) error {
			n, err = inbox.Prune(tx, kept, a.env.Now())
			return err
		})
		if err != nil {
			return pruned, err
		}
		if pruned += n; n == 0 {
			return pruned, a.store.Compact(ctx)
		}
	}
}

// LastHash returns the cursor of this version in a node's list. Empty means from the beginning.
func (a *Account) LastHash(ctx context.Context, node string) (hash string, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		hash, err = inbox.Cursor(tx, node)
		return err
	})
	return hash, err
}
