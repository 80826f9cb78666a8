package inbox

import (
	"cmp"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// chainEntry numbers a receiving chain of the ratchet. Chains are opened in the order in which their sender began them,
// since each needs our answer to the one before.
type chainEntry struct {
	Number uint32    `json:"number"`
	Until  time.Time `json:"until"`
}

// counterChains is the counter of chainEntry.Number.
const counterChains = "chain"

// Place sets event.Chain and event.Counter: the message's position among those of its sender, by the ratchet key and
// counter of its header.
func Place(tx *keystore.Tx, event *Event, key x25519.PublicKey, counter uint32, now time.Time) error {
	name := ChainName(event.From, key)
	var entry chainEntry
	found, err := tables.Get(tx, TableChains, name, &entry)
	if err != nil {
		return err
	}
	if !found {
		if entry.Number, err = tables.Next(tx, counterChains); err != nil {
			return err
		}
		entry.Until = now.Add(SeenFor)
		if err := tables.Put(tx, TableChains, name, entry); err != nil {
			return err
		}
	}
	event.Chain, event.Counter = entry.Number, counter
	return nil
}

// ChainName names a receiving chain of the ratchet by its sender and ratchet key.
func ChainName(sender sessionid.ID, ratchetKey x25519.PublicKey) string {
	return ID(string(sender[:]) + string(ratchetKey[:]))
}

// forgetChains deletes the numbers of chains whose messages no network can keep any more.
func forgetChains(tx *keystore.Tx, now time.Time) error {
	return tx.ForEach(TableChains, func(name string, value []byte) error {
		var entry chainEntry
		if err := tables.Decode(TableChains, value, &entry); err != nil || !now.After(entry.Until) {
			return err
		}
		return tx.Delete(TableChains, name)
	})
}

// InOrder sorts events for reading. Messages of one sender are in the order of sending: those of sessions by chain and
// counter of the ratchet, which neither a node nor a clock can change, and the others by timestamp between them.
// Senders are merged by time.
func InOrder(events []Waiting) {
	bySender := make(map[sessionid.ID][]Waiting)
	var senders []sessionid.ID
	for _, event := range events {
		if bySender[event.From] == nil {
			senders = append(senders, event.From)
		}
		bySender[event.From] = append(bySender[event.From], event)
	}
	type timed struct {
		event Waiting
		at    int64 // milliseconds; at least that of the sender's event before
	}
	mixed := make([]timed, 0, len(events))
	for _, sender := range senders {
		at := int64(0)
		for _, event := range senderOrder(bySender[sender]) {
			at = max(at, event.TimestampMS)
			mixed = append(mixed, timed{event, at})
		}
	}
	slices.SortStableFunc(mixed, func(x, y timed) int { return cmp.Compare(x.at, y.at) })
	for i, one := range mixed {
		events[i] = one.event
	}
}

// senderOrder sorts the events of one sender by time, and then those of sessions among their places by the ratchet.
func senderOrder(events []Waiting) []Waiting {
	slices.SortStableFunc(events, func(x, y Waiting) int {
		return cmp.Or(cmp.Compare(x.TimestampMS, y.TimestampMS), cmp.Compare(x.Seq, y.Seq))
	})
	var places []int
	var ratcheted []Waiting
	for i, event := range events {
		if event.Chain != 0 {
			places, ratcheted = append(places, i), append(ratcheted, event)
		}
	}
	slices.SortStableFunc(ratcheted, func(x, y Waiting) int {
		return cmp.Or(cmp.Compare(x.Chain, y.Chain), cmp.Compare(x.Counter, y.Counter))
	})
	for i, place := range places {
		events[place] = ratcheted[i]
	}
	return events
}
