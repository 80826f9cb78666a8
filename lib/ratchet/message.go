package ratchet

import (
	"errors"
	"fmt"

	"sessiontool/lib/internal/aescbc"
	"sessiontool/lib/x25519"
)

const (
	// Version is the first byte of every encoded message. Its high nibble is the protocol version, 3. Its low nibble is
	// the newest version that the sender supports.
	Version = 0x33
	// MACSize is the length in bytes of the MAC at the end of a WhisperMessage.
	MACSize = 8
	// MaxMessageSize bounds both kinds of message, in bytes. The limit of nodes is far lower.
	MaxMessageSize = 1 << 20
	// MaxPlaintextSize bounds the plaintext of Encrypt, in bytes. AES padding, headers and MAC together have less than
	// 256 bytes, so that the message stays below MaxMessageSize.
	MaxPlaintextSize = MaxMessageSize - 256
)

// ErrMalformed reports a message that violates the wire format: a wrong length, a missing or an invalid field.
var ErrMalformed = errors.New("message is malformed")

// ErrVersion reports a message of another protocol version.
var ErrVersion = errors.New("message has an incompatible version")

// The room for the fields of messages beside the ciphertext and the message inside, with the MAC: version, keys, numbers
// of up to six bytes with their tags, and a length.
const (
	whisperRoom = 1 + 2 + x25519.EncodedSize + 2*6 + 6 + MACSize
	preKeyRoom  = 1 + 3*6 + 2*(2+x25519.EncodedSize) + 6
)

// WhisperMessage is a Double Ratchet message: a header, the ciphertext, and the MAC over both
// (signal-2020.md section 8.3).
type WhisperMessage struct {
	Version    byte
	RatchetKey x25519.PublicKey
	// Counter is the number of the message in its sending chain, from 0.
	Counter uint32
	// PreviousCounter is the Counter of the last message of the previous sending chain, or 0 without one.
	PreviousCounter uint32
	// Ciphertext is AES-256-CBC. Its length is a positive multiple of 16 bytes.
	Ciphertext []byte
	MAC        [MACSize]byte
}

// The fields of the WhisperMessage of whisper.proto.
const (
	fieldRatchetKey      = 1
	fieldCounter         = 2
	fieldPreviousCounter = 3
	fieldCiphertext      = 4
)

// ParseWhisperMessage decodes a WhisperMessage. It does not check the MAC. Fields may have any order. Ciphertext shares
// the memory of b. Errors are ErrVersion and ErrMalformed.
func ParseWhisperMessage(b []byte) (WhisperMessage, error) {
	if err := checkFrame(b, 1+MACSize); err != nil {
		return WhisperMessage{}, err
	}
	body, tag := b[:len(b)-MACSize], b[len(b)-MACSize:]
	m := WhisperMessage{Version: body[0], MAC: [MACSize]byte(tag)}
	present, err := readFields(body[1:], func(f field) (err error) {
		switch f.number {
		case fieldRatchetKey:
			m.RatchetKey, err = f.publicKey()
		case fieldCounter:
			m.Counter, err = f.uint32()
		case fieldPreviousCounter:
			m.PreviousCounter, err = f.uint32()
		case fieldCiphertext:
			m.Ciphertext, err = f.data()
		}
		return err
	})
	if err != nil {
		return WhisperMessage{}, err
	}
	if !present.has(fieldRatchetKey, fieldCounter, fieldPreviousCounter, fieldCiphertext) {
		return WhisperMessage{}, fmt.Errorf("%w: header lacks a field", ErrMalformed)
	}
	if !aescbc.ValidLength(len(m.Ciphertext)) {
		return WhisperMessage{}, fmt.Errorf("%w: ciphertext of %d bytes", ErrMalformed, len(m.Ciphertext))
	}
	return m, nil
}

// Marshal encodes the message, MAC included. A WhisperMessage of the clients that ParseWhisperMessage decodes encodes
// to the same bytes.
func (m WhisperMessage) Marshal() []byte {
	return append(m.body(), m.MAC[:]...)
}

// body returns version and protobuf, which the MAC covers in addition to the identity keys. Its capacity has room for
// the MAC.
func (m WhisperMessage) body() []byte {
	b := append(make([]byte, 0, whisperRoom+len(m.Ciphertext)), m.Version)
	b = appendPublicKey(b, fieldRatchetKey, m.RatchetKey)
	b = appendUint32(b, fieldCounter, m.Counter)
	b = appendUint32(b, fieldPreviousCounter, m.PreviousCounter)
	return appendBytes(b, fieldCiphertext, m.Ciphertext)
}

// PreKeyWhisperMessage is a WhisperMessage with the header from which its receiver runs X3DH. It has no MAC of its own
// (signal-2020.md section 8.4).
type PreKeyWhisperMessage struct {
	Version        byte
	RegistrationID uint32
	// OneTimePrekeyID is the ID of the receiver's one-time prekey. It is nil if the bundle had none.
	OneTimePrekeyID *uint32
	SignedPrekeyID  uint32
	// BaseKey is the sender's ephemeral key of X3DH. It identifies the session.
	BaseKey     x25519.PublicKey
	IdentityKey x25519.PublicKey
	// Message is an encoded WhisperMessage.
	Message []byte
}

// The fields of the PreKeyWhisperMessage of whisper.proto.
const (
	fieldRegistrationID  = 5
	fieldOneTimePrekeyID = 1
	fieldSignedPrekeyID  = 6
	fieldBaseKey         = 2
	fieldIdentityKey     = 3
	fieldMessage         = 4
)

// ParsePreKeyWhisperMessage decodes a PreKeyWhisperMessage. It does not decode the Message inside. Fields may have any
// order. Message shares the memory of b. Errors are ErrVersion and ErrMalformed.
func ParsePreKeyWhisperMessage(b []byte) (PreKeyWhisperMessage, error) {
	if err := checkFrame(b, 1); err != nil {
		return PreKeyWhisperMessage{}, err
	}
	m := PreKeyWhisperMessage{Version: b[0]}
	present, err := readFields(b[1:], func(f field) (err error) {
		switch f.number {
		case fieldRegistrationID:
			m.RegistrationID, err = f.uint32()
		case fieldOneTimePrekeyID:
			var id uint32
			id, err = f.uint32()
			m.OneTimePrekeyID = &id
		case fieldSignedPrekeyID:
			m.SignedPrekeyID, err = f.uint32()
		case fieldBaseKey:
			m.BaseKey, err = f.publicKey()
		case fieldIdentityKey:
			m.IdentityKey, err = f.publicKey()
		case fieldMessage:
			m.Message, err = f.data()
		}
		return err
	})
	if err != nil {
		return PreKeyWhisperMessage{}, err
	}
	if !present.has(fieldRegistrationID, fieldSignedPrekeyID, fieldBaseKey, fieldIdentityKey, fieldMessage) {
		return PreKeyWhisperMessage{}, fmt.Errorf("%w: prekey header lacks a field", ErrMalformed)
	}
	return m, nil
}

// Marshal encodes the message with the field order of the clients. A PreKeyWhisperMessage of the clients that
// ParsePreKeyWhisperMessage decodes encodes to the same bytes.
func (m PreKeyWhisperMessage) Marshal() []byte {
	b := append(make([]byte, 0, preKeyRoom+len(m.Message)), m.Version)
	b = appendUint32(b, fieldRegistrationID, m.RegistrationID)
	if m.OneTimePrekeyID != nil {
		b = appendUint32(b, fieldOneTimePrekeyID, *m.OneTimePrekeyID)
	}
	b = appendUint32(b, fieldSignedPrekeyID, m.SignedPrekeyID)
	b = appendPublicKey(b, fieldBaseKey, m.BaseKey)
	b = appendPublicKey(b, fieldIdentityKey, m.IdentityKey)
	return appendBytes(b, fieldMessage, m.Message)
}

// checkFrame checks the version byte of a message, and that its size is from minimum to MaxMessageSize.
func checkFrame(b []byte, minimum int) error {
	if len(b) < minimum || len(b) > MaxMessageSize {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	if current, newest := b[0]>>4, b[0]&0x0f; current < Version>>4 || newest > Version&0x0f {
		return fmt.Errorf("%w: %#02x", ErrVersion, b[0])
	}
	return nil
}
