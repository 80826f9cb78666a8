package inbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// mark is the stored state of an undelivered event.
type mark struct {
	Owner    string `json:"owner,omitempty"`    // the process that delivers it; empty means that any may
	Attempts int    `json:"attempts,omitempty"` // deliveries that were begun
	Aside    bool   `json:"aside,omitempty"`    // set aside after too many attempts
}

// UnmarshalJSON also reads the marks of versions that stored the owner alone.
func (m *mark) UnmarshalJSON(data []byte) error {
	*m = mark{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &m.Owner)
	}
	type plain mark
	return json.Unmarshal(data, (*plain)(m))
}

// MarshalJSON writes the owner alone where that is all, as older versions read it.
func (m mark) MarshalJSON() ([]byte, error) {
	if m.Attempts == 0 && !m.Aside {
		return json.Marshal(m.Owner)
	}
	type plain mark
	return json.Marshal(plain(m))
}

func putMark(tx *keystore.Tx, seq uint64, m mark) error {
	return tables.Put(tx, TableUndelivered, seqName(seq), m)
}

// Waiting is an undelivered event: its number, what it is, the fields on which [InOrder] depends, and how often its
// delivery was begun. It is small, because there may be many.
type Waiting struct {
	Seq         uint64
	Kind        EventKind
	Asks        bool // see Event
	From        sessionid.ID
	TimestampMS int64
	Chain       uint32
	Counter     uint32
	Attempts    int
}

// WaitingOf returns an event that was just kept as one that waits.
func WaitingOf(event Event) Waiting {
	return Waiting{
		Seq: event.Seq, Kind: event.Kind, Asks: event.Asks, From: event.From, TimestampMS: event.TimestampMS,
		Chain: event.Chain, Counter: event.Counter,
	}
}

// Undelivered returns the undelivered events whose owner ours accepts, oldest first, without those that were set aside.
// They have only numbers and attempts: see [Place].
func Undelivered(tx *keystore.Tx, ours func(owner string) bool) (waiting []Waiting, err error) {
	err = eachMark(tx, func(seq uint64, m mark) {
		if !m.Aside && ours(m.Owner) {
			waiting = append(waiting, Waiting{Seq: seq, Attempts: m.Attempts})
		}
	})
	slices.SortFunc(waiting, func(x, y Waiting) int { return int(int64(x.Seq - y.Seq)) })
	return waiting, err
}

// SetAside returns the numbers of the events that wait without being delivered: those that were set aside.
func SetAside(tx *keystore.Tx) (aside map[uint64]bool, err error) {
	aside = make(map[uint64]bool)
	err = eachMark(tx, func(seq uint64, m mark) { aside[seq] = aside[seq] || m.Aside })
	return aside, err
}

func eachMark(tx *keystore.Tx, fn func(seq uint64, m mark)) error {
	return tx.ForEach(TableUndelivered, func(name string, value []byte) error {
		seq, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: inbox sequence: %w", keystore.ErrCorrupt, err)
		}
		var m mark
		if err := tables.Decode(TableUndelivered, value, &m); err != nil {
			return err
		}
		fn(seq, m)
		return nil
	})
}

// Locate fills in the fields on which the order depends. It leaves events alone that have been deleted.
func Locate(tx *keystore.Tx, waiting []Waiting) error {
	for i := range waiting {
		event, found, err := Find(tx, waiting[i].Seq)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		attempts := waiting[i].Attempts
		waiting[i] = WaitingOf(event)
		waiting[i].Attempts = attempts
	}
	return nil
}

// Begin records that owner begins to deliver these events, and returns them with their Attempt. It leaves out those that
// were delivered meanwhile, that were set aside, or whose present owner ours refuses. An event whose delivery was begun
// most times before is returned with SetAside; 0 means never.
func Begin(tx *keystore.Tx, waiting []Waiting, owner string, ours func(owner string) bool,
	most int) (events []Event, err error) {
	for _, one := range waiting {
		var m mark
		found, err := tables.Get(tx, TableUndelivered, seqName(one.Seq), &m)
		if err != nil {
			return nil, err
		}
		if !found || m.Aside || !ours(m.Owner) {
			continue
		}
		event, err := Load(tx, one.Seq)
		if err != nil {
			return nil, err
		}
		event.SetAside = most > 0 && m.Attempts >= most
		if !event.SetAside {
			m.Attempts++
		}
		event.Attempt, m.Owner = m.Attempts, owner
		if err := putMark(tx, one.Seq, m); err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// Delivered records that events were written to their reader. Those with SetAside wait from now on without being
// delivered.
func Delivered(tx *keystore.Tx, events ...Event) error {
	for _, event := range events {
		var err error
		if event.SetAside {
			err = putMark(tx, event.Seq, mark{Attempts: event.Attempt, Aside: true})
		} else {
			err = tx.Delete(TableUndelivered, seqName(event.Seq))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Withdraw undoes [Begin] for events that were not written: their attempt does not count.
func Withdraw(tx *keystore.Tx, events ...Event) error {
	for _, event := range events {
		var m mark
		found, err := tables.Get(tx, TableUndelivered, seqName(event.Seq), &m)
		if err != nil || !found {
			return err
		}
		if !event.SetAside {
			m.Attempts = max(0, m.Attempts-1)
		}
		if err := putMark(tx, event.Seq, m); err != nil {
			return err
		}
	}
	return nil
}
