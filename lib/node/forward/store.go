package forward

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// Store is a store that any client can make: the change that members forward most. It travels in a group without JSON
// and base64, as one byte mark, At, Owner, Namespace, Timestamp, TTL, all big-endian, and then Data. No other change
// begins with mark, because they are JSON. Times are in milliseconds.
type Store struct {
	At        int64 // when the member that was asked makes the change, by its clock
	Owner     [storage.PubkeyTextLength / 2]byte
	Namespace rpc28.Namespace
	Timestamp int64
	TTL       int64
	Data      []byte
}

const (
	mark      = 0
	storeHead = 1 + 8 + storage.PubkeyTextLength/2 + 2 + 8 + 8
)

// Encode returns the change.
func (s Store) Encode() []byte {
	b := append(make([]byte, 0, storeHead+len(s.Data)), mark)
	b = append(binary.BigEndian.AppendUint64(b, uint64(s.At)), s.Owner[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Namespace))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Timestamp))
	return append(binary.BigEndian.AppendUint64(b, uint64(s.TTL)), s.Data...)
}

// ParseStore reads the result of [Store.Encode]. It returns false for another change, and checks nothing else. Data
// shares memory with the change.
func ParseStore(change []byte) (s Store, ok bool) {
	if len(change) < storeHead || change[0] != mark {
		return Store{}, false
	}
	s.At = int64(binary.BigEndian.Uint64(change[1:]))
	b := change[9+copy(s.Owner[:], change[9:]):]
	s.Namespace = rpc28.Namespace(binary.BigEndian.Uint16(b))
	s.Timestamp, s.TTL = int64(binary.BigEndian.Uint64(b[2:])), int64(binary.BigEndian.Uint64(b[10:]))
	s.Data = b[18:]
	return s, true
}

// JSON returns the change for a member that takes no groups.
func (s Store) JSON() []byte {
	const format = `{"method":"store","params":{"data":"%s","namespace":%d,"pubkey":"%x","timestamp":%d,"ttl":%d},"at":%d}`
	data := base64.StdEncoding.EncodeToString(s.Data)
	return fmt.Appendf(nil, format, data, s.Namespace, s.Owner, s.Timestamp, s.TTL, s.At)
}

// Stored is the result of a [Store] that a member has made: one byte mark, a byte for Already, Expiry, Hash, Signature.
// Members answer with it to a Store that came in this form.
type Stored struct {
	Already   bool
	Expiry    int64 // in milliseconds
	Hash      [32]byte
	Signature [64]byte // of the hash's text
}

const storedSize = 1 + 1 + 8 + 32 + 64

// Encode returns the body of a [Result].
func (s Stored) Encode() []byte {
	b := append(make([]byte, 0, storedSize), mark, 0)
	if s.Already {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.Expiry))
	return append(append(b, s.Hash[:]...), s.Signature[:]...)
}

// ParseStored reads the result of [Stored.Encode]. It returns false for another body.
func ParseStored(body []byte) (s Stored, ok bool) {
	if len(body) != storedSize || body[0] != mark || body[1] > 1 {
		return Stored{}, false
	}
	s.Already, s.Expiry = body[1] == 1, int64(binary.BigEndian.Uint64(body[2:]))
	copy(s.Signature[:], body[10+copy(s.Hash[:], body[10:]):])
	return s, true
}

// Result returns the result as clients get it.
func (s Stored) Result() rpc28.MemberResult {
	return rpc28.MemberResult{
		Hash: base64.RawStdEncoding.EncodeToString(s.Hash[:]), Expiry: rpc28.Times{s.Expiry},
		Already: rpc28.Truth(s.Already), Signature: base64.StdEncoding.EncodeToString(s.Signature[:]),
	}
}

// readResult reads the body of a successful [Result]. It returns false for a body that is none.
func readResult(body []byte) (result rpc28.MemberResult, ok bool) {
	if stored, ok := ParseStored(body); ok {
		return stored.Result(), true
	}
	err := json.Unmarshal(body, &result)
	return result, err == nil && result.Signature != ""
}
