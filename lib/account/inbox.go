package account

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"sessiontool/keystore"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/presence"
)

// keepEvent stores an event in the inbox, to be delivered by this process or, if aside is set, by the next process that
// polls.
func (a *Account) keepEvent(tx *keystore.Tx, event *Event, aside bool) (err error) {
	value, err := encodeEvent(*event)
	if err != nil {
		return err
	}
	if event.Seq, err = tx.Append(tableInbox, value); err != nil {
		return err
	}
	owner := outbox.Unowned
	if !aside {
		if owner, err = a.claim(); err != nil {
			return err
		}
	}
	return tables.Put(tx, tableUndelivered, seqName(event.Seq), owner)
}

// ClaimUndelivered returns the stored but undelivered events, oldest first, and claims them for this process. It leaves
// out events that another running process is printing.
func (a *Account) ClaimUndelivered(ctx context.Context) ([]Event, error) {
	return a.claimEvents(ctx, a.printable, whole)
}

// printable reports whether this process may print events of an owner.
func (a *Account) printable(owner string) bool { return owner == a.env.Owner || a.unread(owner) }

func whole(event Event) Event { return event }

// ClaimAbandoned is [Account.ClaimUndelivered] without the events that this process is printing itself.
func (a *Account) ClaimAbandoned(ctx context.Context) ([]Event, error) {
	return a.claimEvents(ctx, func(owner string) bool { return owner != a.env.Owner && a.unread(owner) }, whole)
}

// unread reports whether no other running process is printing events of an owner.
func (a *Account) unread(owner string) bool {
	return owner == outbox.Unowned || a.env.StateOf(owner) != presence.Alive
}

// claimEvents claims the undelivered events whose owner ours accepts, and returns keep of each.
func (a *Account) claimEvents(ctx context.Context, ours func(owner string) bool,
	keep func(Event) Event) (events []Event, err error) {
	waiting, err := a.undelivered(ctx)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	mine, err := a.claim()
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		events = nil
		for _, seq := range waiting {
			var owner string
			found, err := tables.Get(tx, tableUndelivered, seqName(seq), &owner)
			if err != nil {
				return err
			}
			if !found || !ours(owner) {
				continue
			}
			event, err := loadEvent(tx, seq)
			if err != nil {
				return err
			}
			if owner != mine {
				err = tables.Put(tx, tableUndelivered, seqName(seq), mine)
			}
			if err != nil {
				return err
			}
			events = append(events, keep(event))
		}
		return nil
	})
	return events, err
}

// undelivered lists the undelivered events without writing anything: usually there are none.
func (a *Account) undelivered(ctx context.Context) (waiting []uint64, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		waiting = nil
		return tx.ForEach(tableUndelivered, func(name string, _ []byte) error {
			seq, err := strconv.ParseUint(name, 10, 64)
			if err != nil {
				return fmt.Errorf("%w: inbox sequence: %w", keystore.ErrCorrupt, err)
			}
			waiting = append(waiting, seq)
			return nil
		})
	})
	slices.Sort(waiting)
	return waiting, err
}

// MarkDelivered records that events were written to their reader.
func (a *Account) MarkDelivered(ctx context.Context, events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	return a.update(ctx, func(tx *keystore.Tx) error {
		for _, event := range events {
			if err := tx.Delete(tableUndelivered, seqName(event.Seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Inbox returns the newest events, at most limit, oldest first.
func (a *Account) Inbox(ctx context.Context, limit int) (events []Event, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		events = nil
		return tx.Tail(tableInbox, limit, func(seq uint64, value []byte) error {
			event, err := decodeEvent(seq, value)
			events = append(events, event)
			return err
		})
	})
	return events, err
}

func loadEvent(tx *keystore.Tx, seq uint64) (Event, error) {
	value, found, err := tx.GetSeq(tableInbox, seq)
	if err != nil {
		return Event{}, err
	}
	if !found {
		return Event{}, fmt.Errorf("%w: inbox entry %d is gone", keystore.ErrCorrupt, seq)
	}
	return decodeEvent(seq, value)
}

func seqName(seq uint64) string { return strconv.FormatUint(seq, 10) }
