package devicegroup

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/x25519"
)

// The record of a device (session-v2.md section 12).
const (
	seqnoKey       = "#"
	updatedKey     = "@"
	kemKey         = "M"
	x25519Key      = "X"
	descriptionKey = "d"
	typeKey        = "t"
	versionKey     = "v"
)

// Types of devices. Others are kept as they are.
const (
	TypeIOS         = "i"
	TypeAndroid     = "a"
	TypeDesktop     = "d"
	TypeCommandLine = "c"
)

// Record is what a device says of itself.
type Record struct {
	SeqNo       int64 // grows with every change of the record
	Updated     int64
	KEM         [accountkeys.KEMPublicSize]byte
	X25519      x25519.PublicKey
	Description string
	Type        string
	Version     int64 // 1000000*major + 1000*minor + patch
	Extra       []Field
}

// Field is a key of a record that this package does not know. It is kept and written back.
type Field struct {
	Key   string
	Value []byte // bencoded
}

// NewRecord returns a record with the keys of key and nothing else.
func NewRecord(key accountkeys.Public) Record {
	return Record{KEM: key.KEM(), X25519: key.X25519()}
}

// Public returns the device's key, or accountkeys.ErrPublicKey if the record holds none that can be used.
func (r Record) Public() (accountkeys.Public, error) {
	return accountkeys.NewPublic(r.X25519, r.KEM[:])
}

// VersionText returns the version as major.minor.patch.
func (r Record) VersionText() string {
	return fmt.Sprintf("%d.%d.%d", r.Version/1_000_000, r.Version/1000%1000, r.Version%1000)
}

// Bytes returns the bencoded record.
func (r Record) Bytes() []byte { return r.append(nil) }

// digest orders two records with the same sequence number.
func (r Record) digest() []byte {
	return blake2b.Sum(8, nil, "", r.Bytes())
}

// append appends the dict of r. Keys that are not known stand in their sorted places.
func (r Record) append(dst []byte) []byte {
	fields := slices.Clone(r.Extra)
	add := func(key string, value []byte) { fields = append(fields, Field{key, value}) }
	add(seqnoKey, bencode.AppendInt(nil, r.SeqNo))
	add(updatedKey, bencode.AppendInt(nil, r.Updated))
	add(kemKey, bencode.AppendBytes(nil, r.KEM[:]))
	add(x25519Key, bencode.AppendBytes(nil, r.X25519[:]))
	add(descriptionKey, bencode.AppendBytes(nil, []byte(r.Description)))
	if r.Type != "" {
		add(typeKey, bencode.AppendBytes(nil, []byte(r.Type)))
	}
	if r.Version != 0 {
		add(versionKey, bencode.AppendInt(nil, r.Version))
	}
	slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.Key, b.Key) })

	dst = append(dst, 'd')
	for _, field := range fields {
		dst = append(bencode.AppendBytes(dst, []byte(field.Key)), field.Value...)
	}
	return append(dst, 'e')
}

// ParseRecord reads a bencoded record. Its keys must be sorted, so that writing it again yields the same record. The
// error is ErrPayload.
func ParseRecord(text []byte) (Record, error) {
	r, err := parseRecord(text)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return r, nil
}

func parseRecord(text []byte) (r Record, err error) {
	dict, seen, previous := bencode.Open(text), map[string]bool{}, ""
	for key, value := range dict.All() {
		if len(seen) > 0 && key <= previous {
			return Record{}, fmt.Errorf("record: key %q does not follow %q", key, previous)
		}
		seen[key], previous = true, key
		if err := r.set(key, value); err != nil {
			return Record{}, fmt.Errorf("record: %q: %w", key, err)
		}
	}
	if err := dict.Finish(); err != nil {
		return Record{}, err
	}
	for _, key := range []string{seqnoKey, updatedKey, kemKey, x25519Key} {
		if !seen[key] {
			return Record{}, fmt.Errorf("record: no key %q", key)
		}
	}
	return r, nil
}

// set takes over one field.
func (r *Record) set(key string, value bencode.Value) (err error) {
	var text []byte
	switch key {
	case seqnoKey:
		r.SeqNo, err = value.Int()
	case updatedKey:
		r.Updated, err = value.Int()
	case versionKey:
		r.Version, err = value.Int()
	case kemKey:
		err = setArray(r.KEM[:], value)
	case x25519Key:
		err = setArray(r.X25519[:], value)
	case descriptionKey:
		text, err = value.Bytes()
		r.Description = string(text)
	case typeKey:
		text, err = value.Bytes()
		r.Type = string(text)
	default:
		r.Extra = append(r.Extra, Field{key, bytes.Clone(value)})
	}
	return err
}

// setArray takes over a string of the length of dst.
func setArray(dst []byte, value bencode.Value) error {
	content, err := value.Bytes()
	if err == nil && len(content) != len(dst) {
		err = fmt.Errorf("%d bytes, not %d", len(content), len(dst))
	}
	copy(dst, content)
	return err
}
