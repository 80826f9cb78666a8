package account

import (
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/message"
)

// unsendReach is how many of the newest entries of the inbox a message that is taken back is looked for in.
const unsendReach = 1000

// unsend forgets what a message said that its sender takes back, in the inbox and as a request, and what it will say if it
// comes later. Only its author can take a message back.
func (a *Account) unsend(tx *keystore.Tx, contact *contactState, asked message.Unsend) error {
	if asked.Author != contact.ID.String() {
		return nil
	}
	if contact.Incoming != nil && uint64(contact.Incoming.TimestampMS) == asked.TimestampMS {
		contact.Incoming.Text = ""
	}
	name := unsendName(asked.Author, asked.TimestampMS)
	if err := put(tx, tableUnsends, name, a.env.Now().Add(seenFor)); err != nil {
		return err
	}
	return tx.Tail(tableInbox, unsendReach, func(seq uint64, value []byte) error {
		event, err := decodeEvent(seq, value)
		if err != nil {
			return err
		}
		if event.Kind != EventMessage || event.From != contact.ID || uint64(event.TimestampMS) != asked.TimestampMS {
			return nil
		}
		if value, err = encodeEvent(event.unsent()); err != nil {
			return err
		}
		return tx.PutSeq(tableInbox, seq, value)
	})
}

// unsendName names a message that was taken back.
func unsendName(author string, timestampMS uint64) string {
	return fmt.Sprintf("%s %d", author, timestampMS)
}

// forgetUnsent forgets what a message says whose sender took it back before it came.
func (a *Account) forgetUnsent(tx *keystore.Tx, event *Event) error {
	if event.Kind != EventMessage {
		return nil
	}
	_, found, err := tx.Get(tableUnsends, unsendName(event.From.String(), uint64(event.TimestampMS)))
	if found {
		*event = event.unsent()
	}
	return err
}

// forgetUnsends drops the memory of what was taken back when no network can have its messages any more.
func forgetUnsends(tx *keystore.Tx, now time.Time) error {
	return tx.ForEach(tableUnsends, func(name string, value []byte) error {
		var until time.Time
		if err := decode(tableUnsends, value, &until); err != nil || !now.After(until) {
			return err
		}
		return tx.Delete(tableUnsends, name)
	})
}

// unsent returns what is left of a message that was taken back.
func (e Event) unsent() Event {
	return Event{
		Seq: e.Seq, ID: e.ID, Kind: e.Kind, From: e.From, To: e.To, DisplayName: e.DisplayName, TimestampMS: e.TimestampMS,
		ReceivedAt: e.ReceivedAt, Route: e.Route, Hash: e.Hash, Asks: e.Asks, Unsent: true,
	}
}
