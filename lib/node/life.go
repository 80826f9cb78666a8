package node

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// life is what can change about a message while it is the same message: when it expires, and whether its owner has
// deleted it. A deleted message leaves its name and life until it would have expired, so that no other node can bring it
// back. Whatever is done to a message makes a life that overrides the one before, and of two lives of a message that
// nodes know of, all of them come to keep the one that overrides the other, in whatever order they learn of them.
type life struct {
	version    uint64 // 0 as stored; otherwise the time of the last change, or one more than the version before
	expiration int64  // milliseconds since 1970
	deleted    bool
}

// lifeSize is the length of an encoded life.
const lifeSize = 2*numberSize + 1

// overrides reports whether l, not other, is the life to keep. Of changes that know nothing of each other the later
// counts, deletion before everything else, and of stores the one that keeps the message longer.
func (l life) overrides(other life) bool {
	switch {
	case l.version != other.version:
		return l.version > other.version
	case l.deleted != other.deleted:
		return l.deleted
	}
	return l.expiration > other.expiration
}

// next is the version of a change at the given time (milliseconds). It overrides l even if a clock was ahead.
func (l life) next(at int64) uint64 { return max(uint64(max(at, 0)), l.version+1) }

// append encodes l: version, expiration, and a byte that is 1 if it is deleted.
func (l life) append(b []byte) []byte {
	b = appendNumber(appendNumber(b, l.version), uint64(l.expiration))
	if l.deleted {
		return append(b, 1)
	}
	return append(b, 0)
}

var errLife = errors.New("not an encoded life")

// cutLife decodes the life at the start of b and returns what follows it.
func cutLife(b []byte) (l life, rest []byte, err error) {
	if len(b) < lifeSize || b[lifeSize-1] > 1 || b[numberSize]&0x80 != 0 {
		return life{}, nil, errLife
	}
	l.version = binary.BigEndian.Uint64(b)
	l.expiration = int64(binary.BigEndian.Uint64(b[numberSize:]))
	l.deleted = b[lifeSize-1] == 1
	return l, b[lifeSize:], nil
}

// record is what nodes tell each other about a message: its name, its life and, unless that is deletion, the message.
type record struct {
	name    messageName
	life    life
	message message // none of a deleted one
}

// appendRecord encodes a record for peers: its life, then either the message or the deleted one's name.
func appendRecord(b []byte, r record) []byte {
	if r.life.deleted {
		return append(r.life.append(b), r.name[:]...)
	}
	return appendMessage(r.life.append(b), r.message)
}

// maxEncodedRecord is the greatest length of an encoded record.
const maxEncodedRecord = lifeSize + maxEncodedMessage

// cutRecord decodes the record at the start of b and returns what follows it. Like cutMessage it checks the shape only.
func cutRecord(b []byte) (r record, rest []byte, err error) {
	if r.life, b, err = cutLife(b); err != nil {
		return record{}, nil, err
	}
	if r.life.deleted {
		if len(b) < nameSize {
			return record{}, nil, fmt.Errorf("%w: name is cut off", errLife)
		}
		r.name = messageName(b)
		return r, b[nameSize:], nil
	}
	r.message, rest, err = cutMessage(b)
	r.name = nameOf(r.message)
	return r, rest, err
}

// decodeRecords decodes a batch, which is nothing but records one after the other.
func decodeRecords(b []byte) ([]record, error) {
	var records []record
	for len(b) > 0 {
		r, rest, err := cutRecord(b)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		records, b = append(records, r), rest
	}
	return records, nil
}
