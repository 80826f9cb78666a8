// Package strangers bounds what an account keeps about Session IDs that its user does not know, within transactions of
// the keystore: the memory of messages that were refused, friend requests that wait for an answer, and the counts that
// a report makes of what was not kept. A Session ID costs nothing, so the bounds are for all strangers together.
package strangers

import (
	"time"

	"sessiontool/keystore"
)

// The bounds. With MaxWaitingBytes, Refusals and the report, strangers take less than 10 MiB of a keystore.
const (
	// MaxWaiting is the number of unanswered friend requests of strangers, and MaxWaitingBytes the size in bytes of all
	// that is kept with them. The oldest requests make room for newer ones.
	MaxWaiting      = 256
	MaxWaitingBytes = 4 << 20
	// MaxKept is the number of messages that are kept of one stranger whose request waits, the request included, and
	// MaxKeptBytes their size in bytes. Alerts of a sender whose request was never answered are texts of a stranger. A
	// stranger that asks again is kept only up to MaxAsked.
	MaxKept      = 1000
	MaxAsked     = 8
	MaxKeptBytes = 1 << 20
	// MaxRefusals is the number of refused messages that are remembered. The oldest make room for newer ones.
	MaxRefusals = maxSegments * segmentSize
	// MaxExamples is the number of refused messages that a report describes.
	MaxExamples = 8
)

// The tables of this package.
const (
	Table         keystore.Table = "strangers"         // one record for each name below
	TableRefusals keystore.Table = "stranger_refusals" // sequence -> segment
)

// The names of the records in Table.
const (
	nameWaiting = "waiting"
	nameReport  = "report"
)

// Book is the state of all strangers within one transaction. It reads what it needs when it needs it, and Save writes
// what has changed.
type Book struct {
	tx     *keystore.Tx
	now    time.Time
	life   time.Time
	reader int

	refusals refusals
	waiting  waiting
	report   report
}

// Open returns the book of an account at a time by the machine's clock and by package lifetime. Reader is the version
// of the code that opens messages: what another version has refused is not remembered, so that it is tried again.
func Open(tx *keystore.Tx, now, life time.Time, reader int) *Book {
	return &Book{tx: tx, now: now.UTC(), life: life, reader: reader}
}

// Save writes what has changed.
func (b *Book) Save() error {
	for _, save := range []func() error{b.saveRefusals, b.saveWaiting, b.saveReport} {
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}
