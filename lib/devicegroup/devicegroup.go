// Package devicegroup holds what the devices of one account share in Session Protocol v2: the device group message with
// the account keys, the tombstones of devices that are gone, and the request of a new device to join
// (session-v2.md sections 11 to 14). The form is that of autumn 2026.
//
// It promises to write what libsession writes from the same choices, and to read what libsession reads, except what
// session-v2.md section 15 lists. It is pure: randomness and times are passed in, times are Unix seconds.
//
// A Group is the content: devices and account keys. Seal makes the message of it, Parse verifies a message, and
// Sealed.Open decrypts it with a device key. Merge joins two Groups. RequestLink and OpenLink are the two sides of
// joining; a LinkRequest and a GroupID have emoji for users to compare.
package devicegroup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"sessiontool/lib/internal/bencode"
)

const (
	// Namespace is where device group messages and link requests are stored: the owner alone reads and writes it.
	Namespace = 21
	// Lifetime is the time for which the swarm stores a device group message.
	Lifetime = 30 * 24 * time.Hour
	// LinkLifetime is the time for which the swarm stores a link request.
	LinkLifetime = 10 * time.Minute
)

// ErrMalformed reports a message that is malformed or not signed by the account. No other key helps.
var ErrMalformed = errors.New("malformed or wrongly signed device message")

// ErrNotMember reports a message that no device key or account key at hand opens.
var ErrNotMember = errors.New("no key opens the device message")

// ErrPayload reports a message that opens to malformed content.
var ErrPayload = errors.New("malformed device group")

// DeviceID names a device. It is random.
type DeviceID [32]byte

// String returns the ID in hex.
func (id DeviceID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id DeviceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It reads the form of String.
func (id *DeviceID) UnmarshalText(text []byte) error { return unmarshalHex(id[:], text) }

// unmarshalHex fills dst with text, which is as long as dst in hex.
func unmarshalHex(dst, text []byte) error {
	if hex.DecodedLen(len(text)) != len(dst) || len(text)%2 != 0 {
		return fmt.Errorf("%d characters, not %d", len(text), hex.EncodedLen(len(dst)))
	}
	_, err := hex.Decode(dst, text)
	return err
}

// Kind is what a message of Namespace is.
type Kind byte

const (
	// KindUnknown is a later kind, or no message at all.
	KindUnknown Kind = 0
	// KindGroup is a device group message.
	KindGroup Kind = 'G'
	// KindLink is a link request.
	KindLink Kind = 'L'
)

// KindOf returns the kind that message says it has.
func KindOf(message []byte) Kind {
	dict := bencode.Open(message)
	switch kind := dict.Bytes(kindKey); {
	case dict.Err() != nil || len(kind) != 1:
		return KindUnknown
	case kind[0] == byte(KindGroup) || kind[0] == byte(KindLink):
		return Kind(kind[0])
	}
	return KindUnknown
}

// kindKey is the key of the kind, the first in every message.
const kindKey = ""

// State is how far a device belongs to the group. A greater state replaces a smaller one in Merge.
type State int

const (
	// Unregistered is a device that is known and does not ask to join.
	Unregistered State = iota
	// Pending is a device that asks to join.
	Pending
	// Registered is a device of the group.
	Registered
	// Left is a device that left the group.
	Left
	// Kicked is a device that another one removed.
	Kicked
)

// String returns the state in lower case.
func (s State) String() string {
	if s < Unregistered || s > Kicked {
		return "unknown"
	}
	return [...]string{"unregistered", "pending", "registered", "left", "kicked"}[s]
}
