package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Version is the mutable part of a message: its expiration, and whether its owner has deleted it. A deleted message
// stays as a tombstone, a name with a version, until it would have expired, so that no other node can restore it. Each
// change makes a version that supersedes the one before. All nodes end with the same version of a message, whatever the
// order in which they receive its versions.
type Version struct {
	Number     uint64 // 0 as stored; later the time of the last change (milliseconds), or the Number before + 1
	Expiration int64  // milliseconds since 1970
	Deleted    bool
}

// VersionSize is the length of an encoded Version.
const VersionSize = 2*numberSize + 1

// Supersedes reports whether v is to be kept and not other. The higher Number wins; of equal Numbers a deletion, and
// then the later expiration.
func (v Version) Supersedes(other Version) bool {
	switch {
	case v.Number != other.Number:
		return v.Number > other.Number
	case v.Deleted != other.Deleted:
		return v.Deleted
	}
	return v.Expiration > other.Expiration
}

// next returns the Number of a change at the given time (milliseconds). It is higher than v's even if a clock was
// ahead, unless v has the highest possible Number.
func (v Version) next(at int64) uint64 { return max(uint64(max(at, 0)), v.following()) }

// following returns the Number after v's.
func (v Version) following() uint64 {
	if v.Number == math.MaxUint64 {
		return v.Number
	}
	return v.Number + 1
}

// AppendTo encodes v: number, expiration, and a byte that is 1 for a tombstone.
func (v Version) AppendTo(b []byte) []byte {
	b = appendNumber(appendNumber(b, v.Number), uint64(v.Expiration))
	if v.Deleted {
		return append(b, 1)
	}
	return append(b, 0)
}

var errVersion = errors.New("not an encoded version")

// CutVersion decodes the version at the start of b and returns the rest.
func CutVersion(b []byte) (v Version, rest []byte, err error) {
	if len(b) < VersionSize || b[VersionSize-1] > 1 || b[numberSize]&0x80 != 0 {
		return Version{}, nil, errVersion
	}
	v.Number = binary.BigEndian.Uint64(b)
	v.Expiration = int64(binary.BigEndian.Uint64(b[numberSize:]))
	v.Deleted = b[VersionSize-1] == 1
	return v, b[VersionSize:], nil
}

// Record is what nodes exchange about a message: its name, its version, the owner's requests that made it and, unless
// it is a tombstone, the message.
type Record struct {
	Name    Name
	Version Version
	Message Message // zero for a tombstone

	Request []byte // the owner's request that made this version; nil if none did
	Stored  []byte // the owner's request that stored the message; nil if none was needed
}

// Kinds of the items in encoded records. A request comes once, right before the first record that refers to it.
const (
	kindMessage   = 0
	kindTombstone = 1
	kindRequest   = 2
	// kindVersioned and kindStored are added to the kind of a record whose references follow its version.
	kindVersioned = 4
	kindStored    = 8
)

// recordWriter encodes records one after the other. Each request is in the body once.
type recordWriter struct {
	body    []byte
	written map[RequestID]bool
}

// add encodes a record: its requests unless they are in the body already, its kind, version and references, and its
// content. The content is the encoded message, or the name of a tombstone.
func (w *recordWriter) add(v Version, refs references, request func(RequestID) []byte, content []byte) {
	kind := byte(kindMessage)
	if v.Deleted {
		kind = kindTombstone
	}
	var ids []RequestID
	for i, id := range refs.ids() {
		text := request(id)
		if id == (RequestID{}) || text == nil {
			continue
		}
		kind |= kindVersioned << i
		ids = append(ids, id)
		if !w.written[id] {
			if w.written == nil {
				w.written = make(map[RequestID]bool)
			}
			w.written[id] = true
			w.body = append(binary.BigEndian.AppendUint32(append(w.body, kindRequest), uint32(len(text))), text...)
		}
	}
	w.body = v.AppendTo(append(w.body, kind))
	for _, id := range ids {
		w.body = append(w.body, id[:]...)
	}
	w.body = append(w.body, content...)
}

// AppendRecords encodes records, each with its requests.
func AppendRecords(b []byte, records ...Record) []byte {
	w := recordWriter{body: b}
	for _, r := range records {
		requests := map[RequestID][]byte{idOf(r.Request): r.Request, idOf(r.Stored): r.Stored}
		content := r.Name[:]
		if !r.Version.Deleted {
			content = appendMessage(nil, r.Message)
		}
		refs := references{idOf(r.Request), idOf(r.Stored)}
		w.add(r.Version, refs, func(id RequestID) []byte { return requests[id] }, content)
	}
	return w.body
}

// MaxEncodedRecord is the greatest length of an encoded record with its requests.
const MaxEncodedRecord = 1 + VersionSize + longReferences + maxEncodedMessage + 2*(1+lengthSize+MaxRequest)

// recordReader decodes the encoding that recordWriter makes, and refuses every other one.
type recordReader struct {
	requests map[RequestID][]byte
	fresh    []RequestID // read, and not yet referred to
}

// cutRequest decodes the request at the start of b, behind its kind, and returns the rest.
func (d *recordReader) cutRequest(b []byte) (rest []byte, err error) {
	if len(b) < lengthSize {
		return nil, fmt.Errorf("%w: length of a request is cut off", errVersion)
	}
	length := binary.BigEndian.Uint32(b)
	b = b[lengthSize:]
	if length == 0 || length > MaxRequest || int(length) > len(b) {
		return nil, fmt.Errorf("%w: request of %d bytes", errVersion, length)
	}
	request := b[:length]
	id := idOf(request)
	if d.requests[id] != nil {
		return nil, fmt.Errorf("%w: request is repeated", errVersion)
	}
	if d.requests == nil {
		d.requests = make(map[RequestID][]byte)
	}
	d.requests[id], d.fresh = request, append(d.fresh, id)
	return b[length:], nil
}

// cutReference decodes the reference at the start of b and returns the request and the rest.
func (d *recordReader) cutReference(b []byte) (request, rest []byte, err error) {
	var id RequestID
	if len(b) < len(id) {
		return nil, nil, fmt.Errorf("%w: reference is cut off", errVersion)
	}
	b = b[copy(id[:], b):]
	if request = d.requests[id]; request == nil {
		return nil, nil, fmt.Errorf("%w: reference to an unknown request", errVersion)
	}
	if len(d.fresh) > 0 && d.fresh[0] == id {
		d.fresh = d.fresh[1:]
	} else if slices.Contains(d.fresh, id) {
		return nil, nil, fmt.Errorf("%w: requests and references differ in order", errVersion)
	}
	return request, b, nil
}

// cutRecord decodes the record of a kind at the start of b, behind its kind, and returns the rest. Like cutMessage it
// does not check the hash.
func (d *recordReader) cutRecord(kind byte, b []byte) (r Record, rest []byte, err error) {
	if r.Version, b, err = CutVersion(b); err != nil {
		return Record{}, nil, err
	}
	if r.Version.Deleted != (kind&kindTombstone != 0) || kind&^(kindTombstone|kindVersioned|kindStored) != 0 {
		return Record{}, nil, fmt.Errorf("%w: kind %d", errVersion, kind)
	}
	for i, request := range []*[]byte{&r.Request, &r.Stored} {
		if kind&(kindVersioned<<i) == 0 {
			continue
		}
		if *request, b, err = d.cutReference(b); err != nil {
			return Record{}, nil, err
		}
	}
	if len(d.fresh) > 0 {
		return Record{}, nil, fmt.Errorf("%w: request without a reference", errVersion)
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

// DecodeRecords decodes what [AppendRecords] encodes. It refuses trailing bytes and does not check hashes.
func DecodeRecords(b []byte) ([]Record, error) {
	var records []Record
	var reader recordReader
	for len(b) > 0 {
		kind, rest := b[0], b[1:]
		var err error
		if kind == kindRequest {
			rest, err = reader.cutRequest(rest)
		} else {
			var r Record
			if r, rest, err = reader.cutRecord(kind, rest); err == nil {
				records = append(records, r)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records)+1, err)
		}
		b = rest
	}
	if len(reader.fresh) > 0 {
		return nil, fmt.Errorf("%w: request without a record", errVersion)
	}
	return records, nil
}
