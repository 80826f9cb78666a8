package inbox

import (
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// unsendReach is how many of the newest inbox entries are searched for an unsent message.
const unsendReach = 1000

// Unsend deletes the content of a message at its author's request: from the events, and from the message if it comes
// later.
func Unsend(tx *keystore.Tx, author sessionid.ID, timestampMS uint64, now time.Time) error {
	name := unsendName(author, timestampMS)
	if err := tables.Put(tx, TableUnsends, name, now.Add(SeenFor)); err != nil {
		return err
	}
	return tx.Tail(TableEvents, unsendReach, func(seq uint64, value []byte) error {
		event, err := decodeEvent(seq, value)
		if err != nil {
			return err
		}
		return unsend(tx, event, author, timestampMS)
	})
}

// UnsendStored is [Unsend] for one event, if it is still there.
func UnsendStored(tx *keystore.Tx, seq uint64, author sessionid.ID, timestampMS uint64) error {
	event, found, err := Find(tx, seq)
	if err != nil || !found {
		return err
	}
	return unsend(tx, event, author, timestampMS)
}

// unsend deletes the content of an event if it is the message of this author and time.
func unsend(tx *keystore.Tx, event Event, author sessionid.ID, timestampMS uint64) error {
	if event.Kind != EventMessage || event.From != author || uint64(event.TimestampMS) != timestampMS {
		return nil
	}
	value, err := encodeEvent(event.unsent())
	if err != nil {
		return err
	}
	return tx.PutSeq(TableEvents, event.Seq, value)
}

// unsendName names an unsent message.
func unsendName(author sessionid.ID, timestampMS uint64) string {
	return fmt.Sprintf("%s %d", author, timestampMS)
}

// ForgetUnsent deletes the content of a message whose sender unsent it before it arrived.
func ForgetUnsent(tx *keystore.Tx, event *Event) error {
	if event.Kind != EventMessage {
		return nil
	}
	_, found, err := tx.Get(TableUnsends, unsendName(event.From, uint64(event.TimestampMS)))
	if found {
		*event = event.unsent()
	}
	return err
}

// forgetUnsends deletes the records of unsent messages that no network can keep any more.
func forgetUnsends(tx *keystore.Tx, now time.Time) error {
	return tx.ForEach(TableUnsends, func(name string, value []byte) error {
		var until time.Time
		if err := tables.Decode(TableUnsends, value, &until); err != nil || !now.After(until) {
			return err
		}
		return tx.Delete(TableUnsends, name)
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
