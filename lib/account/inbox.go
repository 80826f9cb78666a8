package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/presence"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

// EventKind is what an Event tells.
type EventKind string

// The kinds of events. A control event has nothing to show, a failure is a message that could not be opened, and an
// unknown one says something that this version does not know.
const (
	EventMessage       EventKind = "message"
	EventFriendRequest EventKind = "friend_request"
	EventDelivery      EventKind = "delivery"
	EventReset         EventKind = "session_reset" // the sender has begun a new session
	EventReaction      EventKind = "reaction"      // Text is the emoji
	EventTyping        EventKind = "typing"        // Text is started or stopped
	EventExtraction    EventKind = "extraction"    // Text is the message.ExtractionKind
	EventCall          EventKind = "call"          // Text is the message.CallStep
	EventTimer         EventKind = "timer_change"  // TimerSeconds are what messages get from now on
	EventUnsend        EventKind = "unsend"        // About is the message that its sender takes back
	EventUnknown       EventKind = "unknown"
	EventControl       EventKind = "control"
	EventFailure       EventKind = "failure"
)

// Reference names a message by its timestamp and, where that is known, its author's Session ID.
type Reference struct {
	TimestampMS uint64 `json:"timestamp_ms"`
	Author      string `json:"author,omitempty"`
}

// Quote is the earlier message that a text answers, as its sender repeats it.
type Quote struct {
	Reference
	Text string `json:"text,omitempty"`
}

// Preview describes a link in a text, as the text's sender saw it.
type Preview struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
}

// Event is something that arrived, as the inbox keeps it.
type Event struct {
	Seq         uint64       `json:"-"`
	ID          string       `json:"id"`
	Kind        EventKind    `json:"kind"`
	From        sessionid.ID `json:"from,omitzero"`
	To          sessionid.ID `json:"to,omitzero"` // only of what another device of this account sent
	DisplayName string       `json:"display_name,omitempty"`
	Text        string       `json:"text,omitempty"` // of a message or request; what a control or failure is about
	TimestampMS int64        `json:"timestamp_ms,omitempty"`
	ReceivedAt  time.Time    `json:"received_at"`
	Route       string       `json:"route,omitempty"`
	Hash        string       `json:"hash,omitempty"`
	Attachments int          `json:"attachments,omitempty"`
	Group       bool         `json:"group,omitempty"`      // the message is about a group
	Invitation  bool         `json:"invitation,omitempty"` // to a community
	Asks        bool         `json:"asks,omitempty"`       // the message is the friend request of a stranger as well
	Timestamps  []uint64     `json:"timestamps,omitempty"` // what a delivery acknowledges
	State       State        `json:"state,omitempty"`      // of a friend request after it was handled
	Outgoing    bool         `json:"outgoing,omitempty"`   // the request was ours, and is accepted
	Code        record.Code  `json:"code,omitempty"`       // of a failure
	Chain       uint32       `json:"chain,omitempty"`      // of its session, by number: see place
	Counter     uint32       `json:"counter,omitempty"`    // within the chain
	Overtook    bool         `json:"-"`                    // when it came, earlier messages of its session had not

	// After TimerSeconds its sender wants the message gone: from when it is read, or from when it was sent.
	TimerSeconds     uint32 `json:"timer_seconds,omitempty"`
	TimerFromSending bool   `json:"timer_from_sending,omitempty"`

	Quote    *Quote     `json:"quote,omitempty"`
	Previews []Preview  `json:"previews,omitempty"`
	About    *Reference `json:"about,omitempty"`   // the message that a reaction, an extraction or an unsend is about
	Removed  bool       `json:"removed,omitempty"` // a reaction is taken away
	CallID   string     `json:"call_id,omitempty"`

	Unsent bool `json:"unsent,omitempty"` // the sender has taken the message back; nothing is left of what it said
}

// Shown reports whether an event is worth a record when people ask what is new.
func (e Event) Shown() bool { return e.Kind != EventControl }

// keepEvent puts an event into the inbox, where it waits for delivery, by this process unless it is put aside for whoever
// comes next.
func (a *Account) keepEvent(tx *keystore.Tx, event *Event, aside bool) (err error) {
	value, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if event.Seq, err = tx.Append(tableInbox, value); err != nil {
		return err
	}
	owner := nobody
	if !aside {
		if owner, err = a.claim(); err != nil {
			return err
		}
	}
	return put(tx, tableUndelivered, seqName(event.Seq), owner)
}

// ClaimUndelivered returns the events that were received but never printed, oldest first, except those that another
// living process is printing. They are now this process's to print.
func (a *Account) ClaimUndelivered(ctx context.Context) ([]Event, error) {
	return a.claimEvents(ctx, a.printable, whole)
}

// printable reports whether events of an owner are this process's to print.
func (a *Account) printable(owner string) bool { return owner == a.env.Owner || a.unread(owner) }

func whole(event Event) Event { return event }

// ClaimAbandoned is ClaimUndelivered without what this process is printing itself.
func (a *Account) ClaimAbandoned(ctx context.Context) ([]Event, error) {
	return a.claimEvents(ctx, func(owner string) bool { return owner != a.env.Owner && a.unread(owner) }, whole)
}

// unread reports whether an event of an owner is not being printed by a living process, as far as others are concerned.
func (a *Account) unread(owner string) bool {
	return owner == nobody || a.env.StateOf(owner) != presence.Alive
}

// claimEvents claims the undelivered events of the owners that ours accepts, and returns what keep keeps of each.
func (a *Account) claimEvents(ctx context.Context, ours func(owner string) bool, keep func(Event) Event) (events []Event, err error) {
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
			found, err := get(tx, tableUndelivered, seqName(seq), &owner)
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
				err = put(tx, tableUndelivered, seqName(seq), mine)
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

// undelivered lists the events that wait, without writing anything: usually there are none.
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

// MarkDelivered records that events were written to where their reader has them.
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

// Inbox returns up to limit of the newest events, oldest first.
func (a *Account) Inbox(ctx context.Context, limit int) (events []Event, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		events = nil
		return tx.Tail(tableInbox, limit, func(seq uint64, value []byte) error {
			event := Event{Seq: seq}
			events = append(events, event)
			return decode(tableInbox, value, &events[len(events)-1])
		})
	})
	return events, err
}

func loadEvent(tx *keystore.Tx, seq uint64) (Event, error) {
	event := Event{Seq: seq}
	value, found, err := tx.GetSeq(tableInbox, seq)
	if err != nil {
		return event, err
	}
	if !found {
		return event, fmt.Errorf("%w: inbox entry %d is gone", keystore.ErrCorrupt, seq)
	}
	return event, decode(tableInbox, value, &event)
}

func seqName(seq uint64) string { return strconv.FormatUint(seq, 10) }
