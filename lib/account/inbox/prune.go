package inbox

import (
	"errors"
	"io/fs"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// Kept says which events a prune keeps: the newest Count, and those that are younger than For. Zero means no limit.
type Kept struct {
	Count int
	For   time.Duration
}

// All reports whether everything is kept.
func (k Kept) All() bool { return k == Kept{} }

// counterPruned is the counter of the last sequence number up to which events were pruned.
const counterPruned = "inbox_pruned"

// pruneAtOnce bounds the events that are deleted in one transaction.
const pruneAtOnce = 1000

// Prune deletes events that are not kept, at most pruneAtOnce, and returns how many. Events that wait for delivery stay;
// those that were set aside do not. The memory of seen messages stays: see [SeenFor].
func Prune(tx *keystore.Tx, kept Kept, now time.Time) (pruned int, err error) {
	if kept.All() {
		return 0, nil
	}
	waiting := make(map[uint64]bool)
	if err := eachMark(tx, func(seq uint64, m mark) { waiting[seq] = !m.Aside }); err != nil {
		return 0, err
	}
	newest := make(map[uint64]bool) // within Count
	if kept.Count > 0 {
		err := tx.Tail(TableEvents, kept.Count, func(seq uint64, _ []byte) error {
			newest[seq] = true
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	var last uint64
	err = tx.Range(TableEvents, 0, func(seq uint64, value []byte) error {
		if newest[seq] || pruned == pruneAtOnce {
			return fs.SkipAll
		}
		if waiting[seq] {
			return nil
		}
		if kept.For > 0 {
			event, err := decodeEvent(seq, value)
			if err != nil {
				return err
			}
			if now.Sub(event.ReceivedAt) < kept.For {
				return fs.SkipAll // events are in the order of receipt
			}
		}
		pruned, last = pruned+1, seq
		return errors.Join(tx.DeleteSeq(TableEvents, seq), tx.Delete(TableUndelivered, seqName(seq)))
	})
	if err != nil || pruned == 0 {
		return 0, err
	}
	upTo, err := prunedUpTo(tx)
	if err != nil || last <= upTo {
		return pruned, err
	}
	return pruned, tables.Put(tx, tables.Counters, counterPruned, last)
}

func prunedUpTo(tx *keystore.Tx) (seq uint64, err error) {
	_, err = tables.Get(tx, tables.Counters, counterPruned, &seq)
	return seq, err
}

// seenEvent is Load for the event of a message that came before. A pruned one has no content any more.
func seenEvent(tx *keystore.Tx, seq uint64, id string) (Event, error) {
	value, found, err := tx.GetSeq(TableEvents, seq)
	if err != nil {
		return Event{}, err
	}
	if found {
		return decodeEvent(seq, value)
	}
	upTo, err := prunedUpTo(tx)
	if err == nil && seq > upTo {
		_, err = Load(tx, seq) // which says that it is gone
	}
	return Event{ID: id, Kind: EventControl, Text: "pruned"}, err
}
