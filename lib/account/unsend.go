package account

import (
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
)

// unsendReach is how many of the newest inbox entries are searched for an unsent message.
const unsendReach = 1000

// unsend deletes the content of a message at its sender's request: from the inbox, from a waiting request, and from the
// message if it comes later. Only the author can unsend a message.
func (a *Account) unsend(tx *keystore.Tx, contact *contactState, asked message.Unsend) error {
	if asked.Author != contact.ID.String() {
		return nil
	}
	if contact.Incoming != nil && uint64(contact.Incoming.TimestampMS) == asked.TimestampMS {
		contact.Incoming.Text = ""
	}
	name := unsendName(asked.Author, asked.TimestampMS)
	if err := tables.Put(tx, tableUnsends, name, a.env.Now().Add(seenFor)); err != nil {
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

// unsendName names an unsent message.
func unsendName(author string, timestampMS uint64) string {
	return fmt.Sprintf("%s %d", author, timestampMS)
}

// forgetUnsent deletes the content of a message whose sender unsent it before it arrived.
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

// forgetUnsends deletes the records of unsent messages that no network can keep any more.
func forgetUnsends(tx *keystore.Tx, now time.Time) error {
	return tx.ForEach(tableUnsends, func(name string, value []byte) error {
		var until time.Time
		if err := tables.Decode(tableUnsends, value, &until); err != nil || !now.After(until) {
			return err
		}
		return tx.Delete(tableUnsends, name)
	})
}

// unsent returns the event without its content.
func (e Event) unsent() Event {
	return Event{
		Seq: e.Seq, ID: e.ID, Kind: e.Kind, From: e.From, To: e.To, DisplayName: e.DisplayName,
		TimestampMS: e.TimestampMS,
		ReceivedAt:  e.ReceivedAt, Route: e.Route, Hash: e.Hash, Asks: e.Asks, Unsent: true, Protocol: e.Protocol,
		ForwardSecrecy: e.ForwardSecrecy,
	}
}
