// Package sessionid has Session IDs, which are the addresses of users, and the identity keys of an account.
//
// It promises that a parsed ID is 0x05 followed by 32 bytes, that a seed gives the same keys and ID as in the apps
// since 2020-11 (signal-2020.md section 1.3, era C), and that no secret prints itself. It is pure: randomness is passed
// in.
package sessionid

import (
	"encoding/hex"
	"errors"
	"fmt"

	"sessiontool/lib/x25519"
)

const (
	// Size is the length of an ID in bytes.
	Size = x25519.EncodedSize
	// TextSize is the length of an ID in text form, in characters.
	TextSize = 2 * Size
)

// ErrInvalid reports a text that is not a Session ID.
var ErrInvalid = errors.New("not a session id")

// ID is a Session ID: 0x05, then the owner's X25519 public key (signal-2020.md section 1.1). The zero ID belongs to no
// user.
type ID [Size]byte

// Parse reads an ID from 66 hex characters of any case. For any other text it returns ErrInvalid, wrapped with the
// reason.
func Parse(text string) (ID, error) {
	if len(text) != TextSize {
		return ID{}, fmt.Errorf("%w: it has %d characters, not %d", ErrInvalid, len(text), TextSize)
	}
	var id ID
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return ID{}, fmt.Errorf("%w: it has characters other than 0-9 and a-f", ErrInvalid)
	}
	if id[0] != x25519.Prefix {
		return ID{}, fmt.Errorf("%w: it starts with %02x, not %02x", ErrInvalid, id[0], x25519.Prefix)
	}
	return id, nil
}

// FromPublicKey returns the ID of the owner of key.
func FromPublicKey(key x25519.PublicKey) ID {
	return ID(key.Encoded())
}

// PublicKey returns the X25519 public key of the ID's owner: the ID without its prefix.
func (id ID) PublicKey() x25519.PublicKey {
	return x25519.PublicKey(id[1:])
}

// IsZero reports whether id is the zero ID. [Parse] never returns the zero ID without an error.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the text form: 66 characters of lower-case hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns the text form. It never fails.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form, see [Parse].
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
