// Package v2message seals and opens the one-to-one messages of Session Protocol v2, with and without forward secrecy
// (session-v2.md sections 6 to 9). The form is that of autumn 2026.
//
// It promises to write what libsession writes from the same randomness, and to read what libsession reads, except where
// libsession goes on with a secret that everyone can compute (session-v2.md section 15). It is pure: randomness is
// passed in.
//
// Seal encrypts for the recipient's published account key: with X25519 and ML-KEM-768 together, so that neither a later
// theft of the long-term key nor a quantum computer opens the message. SealWithoutPFS encrypts for the long-term key of
// the Session ID alone. Open reads both: it finds the account key among those held, and falls back to the second form.
package v2message

import (
	"errors"
	"fmt"
	"io"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/sessionid"
)

const (
	// MinSize is the smallest length of a message in bytes. Greater ones that Seal makes grow by sizeStep.
	MinSize  = 1536
	sizeStep = 256
	// MaxSize is the greatest length of a message in bytes that storage servers take.
	MaxSize = 76_800
)

// ErrFormat reports a message that is malformed, or not signed by the sender that it names. No other key helps.
var ErrFormat = errors.New("malformed or wrongly signed message")

// ErrNotV2 reports data that starts like a message of Session Protocol v1.
var ErrNotV2 = errors.New("not a message of session protocol v2")

// ErrVersion reports a message of a later form than this package reads.
var ErrVersion = errors.New("unknown version of session protocol")

// ErrNoKey reports a message that no key at hand opens. A key that arrives later may.
var ErrNoKey = errors.New("no key opens the message")

// ErrTooLong reports content for which a message would be longer than MaxSize.
var ErrTooLong = errors.New("content is too long for one message")

// Draft is what Seal needs beside keys.
type Draft struct {
	To      sessionid.ID
	Content []byte
	Pro     *sessionid.SigningKey // the rotating key of Session Pro, which signs too; nil without Pro
}

// Message is an opened message.
type Message struct {
	Sender         sessionid.ID // authenticated by the signature inside
	SenderEd25519  [32]byte
	Content        []byte
	ProSignature   []byte // not verified: the key that made it is in Content; nil if absent
	ForwardSecrecy bool   // false: a later theft of the recipient's long-term key opens the message
}

// Seal returns draft as a message from sender, encrypted for the recipient's published key. It reads 32 bytes for the
// ephemeral key and 32 for ML-KEM from random. It returns ErrTooLong, x25519.ErrLowOrder if the Session ID is not
// one that a secret belongs to, or random's error.
func Seal(random io.Reader, sender sessionid.Keys, draft Draft, key accountkeys.Public) ([]byte, error) {
	if key.IsZero() {
		return nil, accountkeys.ErrPublicKey
	}
	return seal(random, sender, draft,
		func(h *header) (secretKeys, error) { return h.encapsulate(random, draft.To, key) })
}

// SealWithoutPFS returns draft as a message from sender, encrypted for the long-term key of the recipient alone. It
// reads 32 bytes for the ephemeral key and 1090 for what stands in place of key indicator and ML-KEM ciphertext from
// random. The errors are those of Seal.
func SealWithoutPFS(random io.Reader, sender sessionid.Keys, draft Draft) ([]byte, error) {
	return seal(random, sender, draft, func(h *header) (secretKeys, error) { return h.fill(random, draft.To) })
}

// Open reads a message for recipient. It tries the held account keys that the key indicator names, in their order,
// which is that of accountkeys.Sort, and then the form without forward secrecy. The error is ErrFormat, ErrNotV2,
// ErrVersion or ErrNoKey, wrapped with the reason.
func Open(recipient sessionid.Keys, held []*accountkeys.Held, message []byte) (Message, error) {
	opener, err := newOpener(recipient, message)
	if err != nil {
		return Message{}, err
	}
	prefix := opener.prefix()
	for _, candidate := range held {
		if candidate.Prefix != prefix {
			continue
		}
		opened, err := opener.withKey(candidate.Key())
		if !errors.Is(err, errDecrypt) {
			return opened, err
		}
	}
	opened, err := opener.withoutPFS()
	if errors.Is(err, errDecrypt) {
		return Message{}, fmt.Errorf("%w: of %d account keys", ErrNoKey, len(held))
	}
	return opened, err
}
