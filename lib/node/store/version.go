package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// life is what can change about a message while it is the same message: when it expires, and whether its owner has
// deleted it. A deleted message leaves its name and life until it would have expired, so that no other node can bring it
// back. Whatever is done to a message makes a life that overrides the one before, and of two lives of a message that
// nodes know of, all of them come to keep the one that overrides the other, in whatever order they learn of them.
type Version struct {
	Number     uint64 // 0 as stored; otherwise the time of the last change, or one more than the version before
	Expiration int64  // milliseconds since 1970
	Deleted    bool
}

// lifeSize is the length of an encoded life.
const VersionSize = 2*numberSize + 1

// overrides reports whether l, not other, is the life to keep. Of changes that know nothing of each other the later
// counts, deletion before everything else, and of stores the one that keeps the message longer.
func (l Version) Supersedes(other Version) bool {
	switch {
	case l.Number != other.Number:
		return l.Number > other.Number
	case l.Deleted != other.Deleted:
		return l.Deleted
	}
	return l.Expiration > other.Expiration
}

// next is the version of a change at the given time (milliseconds). It overrides l even if a clock was ahead.
func (l Version) next(at int64) uint64 { return max(uint64(max(at, 0)), l.Number+1) }

// append encodes l: version, expiration, and a byte that is 1 if it is deleted.
func (l Version) AppendTo(b []byte) []byte {
	b = appendNumber(appendNumber(b, l.Number), uint64(l.Expiration))
	if l.Deleted {
		return append(b, 1)
	}
	return append(b, 0)
}

var errVersion = errors.New("not an encoded life")

// cutLife decodes the life at the start of b and returns what follows it.
func CutVersion(b []byte) (l Version, rest []byte, err error) {
	if len(b) < VersionSize || b[VersionSize-1] > 1 || b[numberSize]&0x80 != 0 {
		return Version{}, nil, errVersion
	}
	l.Number = binary.BigEndian.Uint64(b)
	l.Expiration = int64(binary.BigEndian.Uint64(b[numberSize:]))
	l.Deleted = b[VersionSize-1] == 1
	return l, b[VersionSize:], nil
}

// record is what nodes tell each other about a message: its name, its life and, unless that is deletion, the message.
type Record struct {
	Name    Name
	Version Version
	Message Message // none of a deleted one
}

// appendRecord encodes a record for peers: its life, then either the message or the deleted one's name.
func AppendRecord(b []byte, r Record) []byte {
	if r.Version.Deleted {
		return append(r.Version.AppendTo(b), r.Name[:]...)
	}
	return appendMessage(r.Version.AppendTo(b), r.Message)
}

// maxEncodedRecord is the greatest length of an encoded record.
const MaxEncodedRecord = VersionSize + maxEncodedMessage

// cutRecord decodes the record at the start of b and returns what follows it. Like cutMessage it checks the shape only.
func cutRecord(b []byte) (r Record, rest []byte, err error) {
	if r.Version, b, err = CutVersion(b); err != nil {
		return Record{}, nil, err
	}
	if r.Version.Deleted {
		if len(b) < NameSize {
			return Record{}, nil, fmt.Errorf("%w: name is cut off", errVersion)
		}
		r.Name = Name(b)
		return r, b[NameSize:], nil
	}
	r.Message, rest, err = cutMessage(b)
	r.Name = NameOf(r.Message)
	return r, rest, err
}

// decodeRecords decodes a batch, which is nothing but records one after the other.
func DecodeRecords(b []byte) ([]Record, error) {
	var records []Record
	for len(b) > 0 {
		r, rest, err := cutRecord(b)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		records, b = append(records, r), rest
	}
	return records, nil
}
