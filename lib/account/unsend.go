package account

import (
	"encoding/json"

	"sessiontool/keystore"
	"sessiontool/lib/message"
)

// unsendReach is how many of the newest entries of the inbox a message that is taken back is looked for in.
const unsendReach = 1000

// unsend forgets what a message said that its sender takes back, in the inbox and as a request. Who did not write it cannot
// take it back.
func (a *Account) unsend(tx *keystore.Tx, contact *contactState, asked message.Unsend) error {
	if asked.Author != contact.ID.String() {
		return nil
	}
	if contact.Incoming != nil && uint64(contact.Incoming.TimestampMS) == asked.TimestampMS {
		contact.Incoming.Text = ""
	}
	return tx.Tail(tableInbox, unsendReach, func(seq uint64, value []byte) error {
		event := Event{Seq: seq}
		if err := decode(tableInbox, value, &event); err != nil {
			return err
		}
		if event.Kind != EventMessage || event.From != contact.ID || uint64(event.TimestampMS) != asked.TimestampMS {
			return nil
		}
		value, err := json.Marshal(event.unsent())
		if err != nil {
			return err
		}
		return tx.PutSeq(tableInbox, seq, value)
	})
}

// unsent returns what is left of a message that was taken back.
func (e Event) unsent() Event {
	return Event{
		Seq: e.Seq, ID: e.ID, Kind: e.Kind, From: e.From, DisplayName: e.DisplayName, TimestampMS: e.TimestampMS,
		ReceivedAt: e.ReceivedAt, Route: e.Route, Hash: e.Hash, Asks: e.Asks, Unsent: true,
	}
}
