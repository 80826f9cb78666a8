package strangers

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

const (
	// segmentSize is the number of refusals in one record, and maxSegments the number of records.
	segmentSize = 1024
	maxSegments = 16
	// digestSize is the number of bytes of a message's ID that are remembered. To make the account ignore a message, an
	// attacker needs another one with the same 80 bits.
	digestSize  = 10
	refusalSize = digestSize + 1
	// refusedFor is how long a refusal is remembered: longer than any network keeps a message.
	refusedFor = 15 * 24 * time.Hour
)

// segment is the stored form of up to segmentSize refusals: for each the start of the message's ID and one byte for the
// reason.
type segment struct {
	Reader   int       `json:"reader"`
	Until    time.Time `json:"until"`
	Refusals []byte    `json:"refusals"`
}

func (s segment) full() bool { return len(s.Refusals) >= segmentSize*refusalSize }

type digest [digestSize]byte

// refusals is the memory of refused messages. It is read at the first question.
type refusals struct {
	reasons map[digest]byte // nil until it is read
	seqs    []uint64        // of the segments, oldest first
	newest  segment         // the last one of seqs
	changed bool
}

// Refused returns the reason for which the message with this ID was refused, and whether it was.
func (b *Book) Refused(id string) (reason byte, found bool, err error) {
	name, err := digestOf(id)
	if err == nil {
		err = b.loadRefusals()
	}
	if err != nil {
		return 0, false, err
	}
	reason, found = b.refusals.reasons[name]
	return reason, found, nil
}

// Refuse remembers that the message with this ID was refused, and why.
func (b *Book) Refuse(id string, reason byte) error {
	name, err := digestOf(id)
	if err == nil {
		err = b.loadRefusals()
	}
	if err != nil {
		return err
	}
	r := &b.refusals
	if _, found := r.reasons[name]; found {
		return nil
	}
	if len(r.seqs) == 0 || r.newest.full() {
		if err := b.addSegment(); err != nil {
			return err
		}
	}
	r.reasons[name] = reason
	r.newest.Refusals = append(append(r.newest.Refusals, name[:]...), reason)
	r.newest.Until = b.life.Add(refusedFor)
	r.changed = true
	return nil
}

// addSegment writes the newest segment and begins another one. The oldest makes room for it.
func (b *Book) addSegment() error {
	if err := b.saveRefusals(); err != nil {
		return err
	}
	r := &b.refusals
	r.newest = segment{Reader: b.reader}
	value, err := json.Marshal(r.newest)
	if err != nil {
		return err
	}
	seq, err := b.tx.Append(TableRefusals, value)
	if err != nil {
		return err
	}
	r.seqs = append(r.seqs, seq)
	if len(r.seqs) <= maxSegments {
		return nil
	}
	oldest := r.seqs[0]
	r.seqs = r.seqs[1:]
	return b.tx.DeleteSeq(TableRefusals, oldest)
}

// loadRefusals reads the segments, and deletes those that are too old or of another reader.
func (b *Book) loadRefusals() error {
	r := &b.refusals
	if r.reasons != nil {
		return nil
	}
	r.reasons = make(map[digest]byte)
	return b.tx.Range(TableRefusals, 0, func(seq uint64, value []byte) error {
		var s segment
		if err := tables.Decode(TableRefusals, value, &s); err != nil {
			return err
		}
		if len(s.Refusals)%refusalSize != 0 {
			return fmt.Errorf("%w: table %s: %d bytes", keystore.ErrCorrupt, TableRefusals, len(s.Refusals))
		}
		if s.Reader != b.reader || b.life.After(s.Until) {
			return b.tx.DeleteSeq(TableRefusals, seq)
		}
		for at := 0; at < len(s.Refusals); at += refusalSize {
			r.reasons[digest(s.Refusals[at:])] = s.Refusals[at+digestSize]
		}
		r.seqs, r.newest = append(r.seqs, seq), s
		return nil
	})
}

func (b *Book) saveRefusals() error {
	r := &b.refusals
	if !r.changed {
		return nil
	}
	r.changed = false
	value, err := json.Marshal(r.newest)
	if err != nil {
		return err
	}
	return b.tx.PutSeq(TableRefusals, r.seqs[len(r.seqs)-1], value)
}

// digestOf returns the start of an ID, which is a hash in hex.
func digestOf(id string) (digest, error) {
	if len(id) < 2*digestSize {
		return digest{}, fmt.Errorf("message ID of %d characters", len(id))
	}
	var d digest
	_, err := hex.Decode(d[:], []byte(id[:2*digestSize]))
	return d, err
}
