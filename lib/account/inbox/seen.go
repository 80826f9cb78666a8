package inbox

import (
	"errors"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// SeenFor is how long a received message is remembered, also if its event was pruned: longer than any network keeps it,
// whatever a node says. As long as a node has a message, another poll may get it: cursors are kept for each node, and a
// node that was not asked before lists everything. A forgotten message would be delivered again or, if it is of a
// session, fail to open. The
// times of this package's functions are those of package lifetime, so that no step of the machine's clock ends it.
const SeenFor = 15 * 24 * time.Hour

// TextSelf is the text of a control event: a message of this account to itself, in protocol signal.
const TextSelf = "self"

// ReaderVersion is stored with every result of opening a message. A message that an older version could not read is
// tried again, once, when it comes again. Increment ReaderVersion with every change that reads more. Keystores of
// versions without the number have 0.
//
//	1: the envelopes of libsession; copies of what the account sent from other devices
//	2: session-v2
const ReaderVersion = 2

// seenEntry remembers a received message: by its inbox sequence number or, if it is not in the inbox, by its event.
type seenEntry struct {
	Seq     uint64       `json:"seq,omitempty"`
	Control *storedEvent `json:"control,omitempty"`
	Ack     []byte       `json:"ack,omitempty"`
	Until   time.Time    `json:"until"`
	Reader  int          `json:"reader,omitempty"` // ReaderVersion of the result
}

// Number is the stored form of the event in the entry.
func (s *seenEntry) Number() int {
	if s.Control == nil {
		return 0
	}
	return s.Control.Number()
}

// Seen is the result of an earlier receipt of a message. Retry reports that this version may read more of it.
type Seen struct {
	Event Event
	Ack   []byte
	Retry bool
}

// Before returns the earlier result for the message called id, if it was received before.
func Before(tx *keystore.Tx, id string) (before Seen, found bool, err error) {
	value, found, err := tx.Get(TableSeen, id)
	if err != nil || !found {
		return Seen{}, false, err
	}
	var seen seenEntry
	if err := tables.ReadForm(TableSeen, value, storedVersion, &seen); err != nil {
		return Seen{}, false, err
	}
	before.Ack = seen.Ack
	if seen.Control != nil {
		before.Event = seen.Control.event(0)
	} else if before.Event, err = seenEvent(tx, seen.Seq, id); err != nil {
		return Seen{}, false, err
	}
	before.Retry = seen.Reader < ReaderVersion && before.Event.unread()
	return before, true, nil
}

// unread reports whether a newer version may read more of a message than the version that made this event.
func (e Event) unread() bool {
	switch e.Kind {
	case EventFailure, EventUnknown:
		return true
	case EventControl:
		return e.Text == TextSelf
	}
	return false
}

// Remember makes further copies of a message duplicates. Ack is for their acknowledgement: the sender may not have
// received the first one.
func Remember(tx *keystore.Tx, event Event, ack []byte, now time.Time) error {
	seen := seenEntry{Seq: event.Seq, Ack: ack, Until: now.Add(SeenFor), Reader: ReaderVersion}
	if !event.Shown() {
		control := storeEvent(event)
		seen.Control = &control
	}
	return tables.Put(tx, TableSeen, event.ID, seen)
}

// Forget deletes the memory of messages that no network can keep any more.
func Forget(tx *keystore.Tx, now time.Time) error {
	err := tx.ForEach(TableSeen, func(name string, value []byte) error {
		var seen seenEntry
		if err := tables.Decode(TableSeen, value, &seen); err != nil || !now.After(seen.Until) {
			return err
		}
		return tx.Delete(TableSeen, name)
	})
	if err != nil {
		return err
	}
	return errors.Join(forgetChains(tx, now), forgetUnsends(tx, now))
}
