package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Version is the mutable part of a message: when it expires, and whether its owner has deleted it. A deleted message
// stays as a tombstone, name and version, until it would have expired, so that no other node can bring it back. Every
// change makes a version that supersedes the one before. Of two versions of a message all nodes come to keep the one
// that supersedes the other, in whatever order they learn of them.
type Version struct {
	Number     uint64 // 0 as stored; else the time of the last change, or the Number before + 1
	Expiration int64  // milliseconds since 1970
	Deleted    bool
}

// VersionSize is the length of an encoded Version.
const VersionSize = 2*numberSize + 1

// Supersedes reports whether l, not other, is the version to keep. The higher Number counts; of equal ones deletion,
// and then the later expiration.
func (l Version) Supersedes(other Version) bool {
	switch {
	case l.Number != other.Number:
		return l.Number > other.Number
	case l.Deleted != other.Deleted:
		return l.Deleted
	}
	return l.Expiration > other.Expiration
}

// next returns the Number of a change at the given time (milliseconds). It is higher than l's even if a clock was
// ahead.
func (l Version) next(at int64) uint64 { return max(uint64(max(at, 0)), l.Number+1) }

// AppendTo encodes l: number, expiration, and a byte that is 1 for a tombstone.
func (l Version) AppendTo(b []byte) []byte {
	b = appendNumber(appendNumber(b, l.Number), uint64(l.Expiration))
	if l.Deleted {
		return append(b, 1)
	}
	return append(b, 0)
}

var errVersion = errors.New("not an encoded version")

// CutVersion decodes the version at the start of b and returns the rest.
func CutVersion(b []byte) (l Version, rest []byte, err error) {
	if len(b) < VersionSize || b[VersionSize-1] > 1 || b[numberSize]&0x80 != 0 {
		return Version{}, nil, errVersion
	}
	l.Number = binary.BigEndian.Uint64(b)
	l.Expiration = int64(binary.BigEndian.Uint64(b[numberSize:]))
	l.Deleted = b[VersionSize-1] == 1
	return l, b[VersionSize:], nil
}

// Record is what nodes send each other about a message: its name, its version and, unless it is a tombstone, the
// message.
type Record struct {
	Name    Name
	Version Version
	Message Message // zero for a tombstone
}

// AppendRecord encodes a record: its version, then the message or the tombstone's name.
func AppendRecord(b []byte, r Record) []byte {
	if r.Version.Deleted {
		return append(r.Version.AppendTo(b), r.Name[:]...)
	}
	return appendMessage(r.Version.AppendTo(b), r.Message)
}

// MaxEncodedRecord is the greatest length of an encoded record.
const MaxEncodedRecord = VersionSize + maxEncodedMessage

// cutRecord decodes the record at the start of b and returns the rest. Like cutMessage it does not check the hash.
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

// DecodeRecords decodes records one after the other, with nothing behind them.
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
