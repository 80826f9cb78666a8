package ratchet

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/x25519"
)

// field is a decoded protobuf field. Depending on its wire type its value is in varint or in bytes.
type field struct {
	number   protowire.Number
	wireType protowire.Type
	varint   uint64
	bytes    []byte
}

// fieldSet is the set of field numbers, 1 to 63, that a message has.
type fieldSet uint64

func (s fieldSet) has(numbers ...protowire.Number) bool {
	for _, number := range numbers {
		if s&(1<<number) == 0 {
			return false
		}
	}
	return true
}

// readFields calls read for every field of a protobuf message, in the order of b. A field that occurs twice is read
// twice, so that the last one counts, as in every protobuf decoder.
func readFields(b []byte, read func(field) error) (fieldSet, error) {
	var present fieldSet
	for len(b) > 0 {
		f, n := consumeField(b)
		if n < 0 {
			return 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		if err := read(f); err != nil {
			return 0, err
		}
		present |= 1 << f.number
		b = b[n:]
	}
	return present, nil
}

// consumeField returns the first field of b and its length in bytes, or a negative error code of protowire.
func consumeField(b []byte) (field, int) {
	var f field
	var tag, value int
	f.number, f.wireType, tag = protowire.ConsumeTag(b)
	if tag < 0 {
		return f, tag
	}
	switch rest := b[tag:]; f.wireType {
	case protowire.VarintType:
		f.varint, value = protowire.ConsumeVarint(rest)
	case protowire.BytesType:
		f.bytes, value = protowire.ConsumeBytes(rest)
	default:
		value = protowire.ConsumeFieldValue(f.number, f.wireType, rest)
	}
	if value < 0 {
		return f, value
	}
	return f, tag + value
}

func (f field) uint32() (uint32, error) {
	if f.wireType != protowire.VarintType || f.varint > math.MaxUint32 {
		return 0, fmt.Errorf("%w: field %d is not a 32-bit number", ErrMalformed, f.number)
	}
	return uint32(f.varint), nil
}

func (f field) data() ([]byte, error) {
	if f.wireType != protowire.BytesType {
		return nil, fmt.Errorf("%w: field %d is not a byte string", ErrMalformed, f.number)
	}
	return f.bytes, nil
}

// publicKey decodes a public key. Its last bit must be clear. X25519 ignores that bit (RFC 7748, section 5), so that
// every base key would have a second encoding with which a message would decrypt once more. No implementation sets the
// bit.
func (f field) publicKey() (x25519.PublicKey, error) {
	encoded, err := f.data()
	if err != nil {
		return x25519.PublicKey{}, err
	}
	key, err := x25519.ParseEncoded(encoded)
	if err != nil {
		return x25519.PublicKey{}, fmt.Errorf("%w: field %d: %w", ErrMalformed, f.number, err)
	}
	if key[x25519.Size-1]&0x80 != 0 {
		return x25519.PublicKey{}, fmt.Errorf("%w: field %d: unused bit of the key is set", ErrMalformed, f.number)
	}
	return key, nil
}

func appendUint32(b []byte, number protowire.Number, value uint32) []byte {
	b = protowire.AppendTag(b, number, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(value))
}

func appendBytes(b []byte, number protowire.Number, value []byte) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendBytes(b, value)
}

func appendPublicKey(b []byte, number protowire.Number, key x25519.PublicKey) []byte {
	return appendBytes(b, number, key.Encoded())
}
