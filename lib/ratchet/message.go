package ratchet

import (
	"errors"
	"fmt"

	"sessiontool/lib/internal/aescbc"
	"sessiontool/lib/x25519"
)

const (
	// Version is the first byte of every message we write: version 3 of the protocol in the high nibble,
	// the newest version its sender speaks in the low one.
	Version = 0x33
	// MACSize is the length in bytes of the authentication tag at the end of a WhisperMessage.
	MACSize = 8
	// MaxMessageSize bounds both kinds of message, in bytes. Nodes store far less in one piece.
	MaxMessageSize = 1 << 20
	// MaxPlaintextSize is the most that Encrypt takes, in bytes: it leaves room in MaxMessageSize for AES padding,
	// headers and MAC, which together stay below 256 bytes.
	MaxPlaintextSize = MaxMessageSize - 256
)

// ErrMalformed reports a message that breaks the wire format: wrong lengths, a missing or unreadable field.
var ErrMalformed = errors.New("message is malformed")

// ErrVersion reports a message of another protocol version.
var ErrVersion = errors.New("message has an incompatible version")

// WhisperMessage is one Double Ratchet message: a header, the ciphertext and the MAC over both
// (signal-2020.md section 8.3).
type WhisperMessage struct {
	Version    byte
	RatchetKey x25519.PublicKey
	// Counter numbers the messages of one sending chain, from 0.
	Counter uint32
	// PreviousCounter is the Counter of the last message of the chain before; 0 if there was none.
	PreviousCounter uint32
	// Ciphertext is AES-256-CBC: a positive multiple of 16 bytes.
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

// ParseWhisperMessage reads a serialised WhisperMessage without checking its MAC. Fields may come in any order.
// Ciphertext shares b's memory. Errors are ErrVersion and ErrMalformed.
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
		return WhisperMessage{}, fmt.Errorf("%w: a field of the header is missing", ErrMalformed)
	}
	if !aescbc.ValidLength(len(m.Ciphertext)) {
		return WhisperMessage{}, fmt.Errorf("%w: ciphertext of %d bytes", ErrMalformed, len(m.Ciphertext))
	}
	return m, nil
}

// Marshal returns the serialised message, MAC included. Any WhisperMessage that the clients wrote
// comes back byte for byte from ParseWhisperMessage and Marshal.
func (m WhisperMessage) Marshal() []byte {
	return append(m.body(), m.MAC[:]...)
}

// body is what the MAC covers besides the identities: version and protobuf. It has room for the MAC.
func (m WhisperMessage) body() []byte {
	const fixed = 1 + 2 + x25519.EncodedSize + 2*6 + 6 + MACSize
	b := append(make([]byte, 0, fixed+len(m.Ciphertext)), m.Version)
	b = appendPublicKey(b, fieldRatchetKey, m.RatchetKey)
	b = appendUint32(b, fieldCounter, m.Counter)
	b = appendUint32(b, fieldPreviousCounter, m.PreviousCounter)
	return appendBytes(b, fieldCiphertext, m.Ciphertext)
}

// PreKeyWhisperMessage is a WhisperMessage with what its receiver needs to run X3DH first. It has no MAC of its own
// (signal-2020.md section 8.4).
type PreKeyWhisperMessage struct {
	Version        byte
	RegistrationID uint32
	// OneTimePrekeyID names the receiver's one-time prekey; nil if the bundle had none.
	OneTimePrekeyID *uint32
	SignedPrekeyID  uint32
	// BaseKey is the sender's ephemeral X3DH key, and so the name of the session.
	BaseKey     x25519.PublicKey
	IdentityKey x25519.PublicKey
	// Message is a serialised WhisperMessage.
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

// ParsePreKeyWhisperMessage reads a serialised PreKeyWhisperMessage, but not the Message inside. Fields may come in any
// order. Message shares b's memory. Errors are ErrVersion and ErrMalformed.
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
		return PreKeyWhisperMessage{}, fmt.Errorf("%w: a field of the prekey header is missing", ErrMalformed)
	}
	return m, nil
}

// Marshal returns the serialised message, its fields in the order of the clients. Any PreKeyWhisperMessage that they
// wrote comes back byte for byte from ParsePreKeyWhisperMessage and Marshal.
func (m PreKeyWhisperMessage) Marshal() []byte {
	const fixed = 1 + 3*6 + 2*(2+x25519.EncodedSize) + 6
	b := append(make([]byte, 0, fixed+len(m.Message)), m.Version)
	b = appendUint32(b, fieldRegistrationID, m.RegistrationID)
	if m.OneTimePrekeyID != nil {
		b = appendUint32(b, fieldOneTimePrekeyID, *m.OneTimePrekeyID)
	}
	b = appendUint32(b, fieldSignedPrekeyID, m.SignedPrekeyID)
	b = appendPublicKey(b, fieldBaseKey, m.BaseKey)
	b = appendPublicKey(b, fieldIdentityKey, m.IdentityKey)
	return appendBytes(b, fieldMessage, m.Message)
}

// checkFrame checks size and version byte of a message of at least minimum bytes.
func checkFrame(b []byte, minimum int) error {
	if len(b) < minimum || len(b) > MaxMessageSize {
		return fmt.Errorf("%w: %d bytes", ErrMalformed, len(b))
	}
	if current, newest := b[0]>>4, b[0]&0x0f; current < Version>>4 || newest > Version&0x0f {
		return fmt.Errorf("%w: %#02x", ErrVersion, b[0])
	}
	return nil
}
