package ratchet

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/x25519"
)

// ErrKeyReused reports an authentic message with a message key that another message has used. Two programs with the
// same session have made them: a copy of the sender's keystore, or a restored one.
var ErrKeyReused = errors.New("another message has used the same message key")

// WitnessSize is the length in bytes of an encoded [Witness].
const WitnessSize = 32 + MACSize

// Witness recognises further messages with the message key of a decrypted one. It has the MAC key and the MAC of that
// message, and not its cipher key: what it decrypts stays secret. It does not prove to a third party who made a
// message, since the receiver could make one, too.
type Witness struct {
	key key32
	tag [MACSize]byte
}

// Judge returns what a WhisperMessage with the same ratchet key and counter is: ErrDuplicate for a copy of the message,
// ErrKeyReused for another authentic one, ErrMAC for one that is not authentic, ErrVersion or ErrMalformed.
func (w Witness) Judge(sender, receiver x25519.PublicKey, message []byte) error {
	m, err := receive(message)
	if err != nil {
		return err
	}
	keys := messageKeys{mac: w.key}
	tag := keys.tag(sender, receiver, m.body)
	switch {
	case !hmac.Equal(tag[:], m.MAC[:]):
		return ErrMAC
	case tag == w.tag:
		return ErrDuplicate
	}
	return fmt.Errorf("%w: counter %d", ErrKeyReused, m.Counter)
}

// Append appends the encoded witness.
func (w Witness) Append(b []byte) []byte { return append(append(b, w.key[:]...), w.tag[:]...) }

// ParseWitness decodes a witness of WitnessSize bytes. It returns ErrState for another length.
func ParseWitness(b []byte) (w Witness, err error) {
	if len(b) != WitnessSize {
		return w, fmt.Errorf("%w: witness of %d bytes", ErrState, len(b))
	}
	copy(w.key[:], b)
	copy(w.tag[:], b[len(w.key):])
	return w, nil
}

// String returns a placeholder.
func (w Witness) String() string { return "ratchet.Witness(redacted)" }

// Format prints a placeholder for every verb.
func (w Witness) Format(f fmt.State, _ rune) { io.WriteString(f, w.String()) }
