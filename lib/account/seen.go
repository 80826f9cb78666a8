package account

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// seenFor is how long a received message is remembered: longer than any network keeps it, whatever a node says.
const seenFor = 15 * 24 * time.Hour

// forgetEvery is the interval at which old entries are deleted.
const forgetEvery = 24 * time.Hour

// readerVersion is stored with every result of opening a message. A message that an older version could not read is
// tried again, once, when it comes again. Increment readerVersion with every change that reads more. Keystores of
// versions without the number have 0.
//
//	1: the envelopes of libsession; copies of what the account sent from other devices
//	2: session-v2
const readerVersion = 2

// seenEntry remembers a received message: by its inbox sequence number or, if it is not in the inbox, by its event.
type seenEntry struct {
	Seq     uint64       `json:"seq,omitempty"`
	Control *storedEvent `json:"control,omitempty"`
	Ack     []byte       `json:"ack,omitempty"` // for copies: the sender may not have received the first one
	Until   time.Time    `json:"until"`
	Reader  int          `json:"reader,omitempty"` // readerVersion of the result
}

// Number is the stored form of the event in the entry.
func (s *seenEntry) Number() int {
	if s.Control == nil {
		return 0
	}
	return s.Control.Number()
}

// seenMessage is the result of an earlier receipt, and whether this version may read more of the message.
type seenMessage struct {
	Opened
	retry bool
}

// dataID names a message: the first 32 hex digits of the SHA-256 of its store data. All copies of it have the same.
func dataID(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:16])
}

// seenBefore returns the earlier result for the message called id, if it was received before.
func seenBefore(tx *keystore.Tx, id string) (before seenMessage, found bool, err error) {
	value, found, err := tx.Get(tableSeen, id)
	if err != nil || !found {
		return seenMessage{}, false, err
	}
	var seen seenEntry
	if err := tables.ReadForm(tableSeen, value, storedVersion, &seen); err != nil {
		return seenMessage{}, false, err
	}
	before.Opened = Opened{Duplicate: true, Ack: seen.Ack}
	if seen.Control != nil {
		before.Event = seen.Control.event(0)
	} else if before.Event, err = loadEvent(tx, seen.Seq); err != nil {
		return seenMessage{}, false, err
	}
	before.retry = seen.Reader < readerVersion && before.Event.unread()
	return before, true, nil
}

// unread reports whether a newer version may read more of a message than the version that made this event.
func (e Event) unread() bool {
	switch e.Kind {
	case EventFailure, EventUnknown:
		return true
	case EventControl:
		return e.Text == textSelf
	}
	return false
}

// rememberSeen makes further copies of a message duplicates.
func (a *Account) rememberSeen(tx *keystore.Tx, opened Opened) error {
	seen := seenEntry{Seq: opened.Event.Seq, Ack: opened.Ack, Until: a.env.Now().Add(seenFor), Reader: readerVersion}
	if !opened.Event.Shown() {
		control := storeEvent(opened.Event)
		seen.Control = &control
	}
	return tables.Put(tx, tableSeen, opened.Event.ID, seen)
}

// forgetSeen deletes, once a day, the entries of messages that no network can keep any more.
func (a *Account) forgetSeen(tx *keystore.Tx) error {
	now := a.env.Now()
	var last time.Time
	if _, err := tables.Get(tx, tableTimes, timeSeenForgotten, &last); err != nil || now.Sub(last) < forgetEvery {
		return err
	}
	err := tx.ForEach(tableSeen, func(name string, value []byte) error {
		var seen seenEntry
		if err := tables.Decode(tableSeen, value, &seen); err != nil || !now.After(seen.Until) {
			return err
		}
		return tx.Delete(tableSeen, name)
	})
	if err == nil {
		err = errors.Join(a.forgetChains(tx, now), forgetUnsends(tx, now))
	}
	if err != nil {
		return err
	}
	return tables.Put(tx, tableTimes, timeSeenForgotten, now)
}
