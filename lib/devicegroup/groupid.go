package devicegroup

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20"

	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// GroupID names a device group: the minute of its creation and four random bytes (session-v2.md section
// 13). A group that replaces another one has another ID.
type GroupID [8]byte

// NewGroupID returns the ID of a group that is created at now. It reads 4 bytes from random; the error is random's.
func NewGroupID(random io.Reader, now time.Time) (id GroupID, err error) {
	binary.LittleEndian.PutUint32(id[:4], uint32(now.Unix()/60))
	if _, err := io.ReadFull(random, id[4:]); err != nil {
		return GroupID{}, fmt.Errorf("reading randomness: %w", err)
	}
	return id, nil
}

// Created returns the minute of the group's creation.
func (id GroupID) Created() time.Time {
	return time.Unix(int64(binary.LittleEndian.Uint32(id[:4]))*60, 0).UTC()
}

// String returns the ID in hex.
func (id GroupID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id GroupID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It reads the form of String.
func (id *GroupID) UnmarshalText(text []byte) error { return unmarshalHex(id[:], text) }

// crypt encrypts or decrypts the ID for the message with the given ephemeral key.
func (id GroupID) crypt(account sessionid.Keys, ephemeral x25519.PublicKey) (out GroupID) {
	cipher, err := chacha20.NewUnauthenticatedCipher(
		blake2b.Sum(chacha20.KeySize, nil, groupKeyPersonal, rootSeed(account)),
		blake2b.Sum(chacha20.NonceSizeX, nil, groupNoncePersonal, ephemeral[:]))
	if err != nil {
		panic("devicegroup: " + err.Error()) // only for a wrong length
	}
	cipher.XORKeyStream(out[:], id[:])
	return out
}

// GroupID returns the ID of the group that the message is of, and whether the message has one. A device outside the
// group reads it too.
func (s *Sealed) GroupID(account sessionid.Keys) (GroupID, bool) {
	if s.groupID == nil {
		return GroupID{}, false
	}
	return s.groupID.crypt(account, s.ephemeral), true
}

// displacedAfter is by how much a message that a device cannot open must be newer than the newest that it can, before
// the device concludes that the group goes on without it.
const displacedAfter = 5 * time.Minute

// Standing is what a message that a device cannot open says about that device.
type Standing int

const (
	// Undecided: the message may be one that was written at the same time as one that the device can open.
	Undecided Standing = iota
	// Removed: the message lists the device as kicked.
	Removed
	// Displaced: the group went on without the device.
	Displaced
	// OtherGroup: the message is of another group of the same account.
	OtherGroup
)

// String returns the standing in lower case.
func (s Standing) String() string {
	if s < Undecided || s > OtherGroup {
		return "unknown"
	}
	return [...]string{"undecided", "removed", "displaced", "other group"}[s]
}

// Standing judges a message for which Open returned ErrNotMember, for the device own of the group known. The times are
// when the swarm stored the message, and when it stored the newest message of the group that the device can open.
func (s *Sealed) Standing(
	account sessionid.Keys, own DeviceID, known GroupID, stored, newestOpened time.Time,
) Standing {
	if s.HasKicked(account, own) {
		return Removed
	}
	id, found := s.GroupID(account)
	switch {
	case found && id != known:
		return OtherGroup
	case found && stored.Sub(newestOpened) > displacedAfter:
		return Displaced
	}
	return Undecided
}
