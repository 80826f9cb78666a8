// Package ratchet is the Double Ratchet (signal.org/docs/specifications/doubleratchet) as Session's clients use it:
// message formats, sessions, and the record of all sessions with one contact (signal-2020.md sections 7 and 8).
//
// It promises that messages decrypt out of order and after losses within stated limits, that each message decrypts
// once, that a message that does not decrypt changes nothing, and that messages from strangers cost bounded time and
// memory. It is pure: randomness is passed in, and serves for key pairs alone. Sessions and records are not safe for
// concurrent use. They never print their keys.
package ratchet

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

const (
	// MaxClosedChains is the number of receiving chains that a session keeps in addition to the current one
	// (signal-2020.md section 8.5).
	MaxClosedChains = 10

	// MaxLateChains bounds Receiver.LateChains.
	MaxLateChains = 500

	// MaxSkippedKeys bounds the skipped message keys of a session. Beyond it the oldest are dropped. The real client
	// has no such bound. It leaves room for two full gaps of MaxSkip and ordinary losses, and keeps a session below 250
	// kB for any counters of the peer. Of a gap that is larger, the keys of the newest messages are kept: the network
	// has dropped the others first.
	MaxSkippedKeys = 5000
)

// ErrDuplicate reports a message whose message key was used before. A [Witness] distinguishes a copy of the message
// that used it, which callers ignore, from another message.
var ErrDuplicate = errors.New("message is a duplicate")

// ErrDropped reports a message whose message key was used before, or dropped because MaxSkippedKeys newer ones were
// skipped.
var ErrDropped = errors.New("message key is not kept any more")

// ErrTooLarge reports a plaintext longer than MaxPlaintextSize.
var ErrTooLarge = errors.New("plaintext is too large")

// ErrExhausted reports a sending chain without counters left. Any message from the peer starts a new one.
var ErrExhausted = errors.New("sending chain is exhausted")

// Identity is the local party of every session.
type Identity struct {
	x25519.KeyPair
	// RegistrationID is a random number of 14 bits that PreKeyWhisperMessages carry (signal-2020.md section 1.1).
	RegistrationID uint32
}

// Session is the state of one Double Ratchet session (Double Ratchet, section 3.2).
type Session struct {
	local     x25519.PublicKey
	remote    x25519.PublicKey
	base      x25519.PublicKey // the initiator's ephemeral X3DH key
	initiator bool             // the local party is the initiator
	pending   *pendingPrekey   // nil after the first message from the peer

	root            key32          // RK
	ratchet         x25519.KeyPair // DHs
	sending         chain          // CKs, Ns
	previousCounter uint32         // PN, as the clients count it: see WhisperMessage
	receiving       []receivingChain

	// see Receiver; not stored
	lateChains int
	effort     *Effort
}

// pendingPrekey is the prekey header of an initiator's messages until the first message from the peer.
type pendingPrekey struct {
	registrationID  uint32
	oneTimePrekeyID *uint32
	signedPrekeyID  uint32
}

// receivingChain is the receiving chain of one ratchet key of the peer. The last chain of a session is the current one.
// The others are closed: they have no chain key and decrypt skipped messages only.
type receivingChain struct {
	ratchetKey x25519.PublicKey
	chain
	skipped []skippedKey // ascending counters
	dropped uint32       // skipped keys of counters below it may have been dropped
}

// NewInitiator starts a session with the owner of bundle. It reads two keys from random: the base key, which is the
// ephemeral key of [x3dh.Initiate], and then the ratchet key. It returns x3dh.ErrSignature for a wrong signature,
// x25519.ErrLowOrder for a key of low order, or random's error.
func NewInitiator(random io.Reader, local Identity, bundle x3dh.Bundle) (*Session, error) {
	base, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("base key: %w", err)
	}
	secret, err := x3dh.Initiate(local.KeyPair, base, bundle)
	if err != nil {
		return nil, fmt.Errorf("starting a session: %w", err)
	}
	return initiate(random, local.Public, local.RegistrationID, base.Public, secret, bundle)
}

// initiate makes the initiator's session from the secret of X3DH.
func initiate(
	random io.Reader,
	local x25519.PublicKey, registrationID uint32,
	base x25519.PublicKey, secret x3dh.Secret, bundle x3dh.Bundle,
) (*Session, error) {
	pending := &pendingPrekey{registrationID: registrationID, signedPrekeyID: bundle.SignedPrekeyID}
	if bundle.OneTimePrekey != nil {
		id := bundle.OneTimePrekeyID
		pending.oneTimePrekeyID = &id
	}
	s := &Session{
		local:     local,
		remote:    bundle.IdentityKey,
		base:      base,
		initiator: true,
		pending:   pending,
		root:      key32(secret),
	}
	step, err := prepareSending(random, s.root, bundle.SignedPrekey)
	if err != nil {
		return nil, err
	}
	s.startSending(step)
	return s, nil
}

// newResponder starts a session from its first PreKeyWhisperMessage and decrypts the message. It reads one ratchet key
// from random. Its errors are those of [Session.Decrypt] and of the receiver's prekeys.
func newResponder(random io.Reader, receiver Receiver, m PreKeyWhisperMessage) (*Session, opening, error) {
	local, prekeys := receiver.Local, receiver.Prekeys
	signed, err := prekeys.SignedPrekey(m.SignedPrekeyID)
	if err != nil {
		return nil, opening{}, fmt.Errorf("signed prekey %d: %w", m.SignedPrekeyID, err)
	}
	var oneTime *x25519.KeyPair
	if m.OneTimePrekeyID != nil {
		pair, err := prekeys.OneTimePrekey(*m.OneTimePrekeyID)
		if err != nil {
			return nil, opening{}, fmt.Errorf("one-time prekey %d: %w", *m.OneTimePrekeyID, err)
		}
		oneTime = &pair
	}
	inner, err := receive(m.Message)
	if err != nil {
		return nil, opening{}, err
	}
	if !receiver.Trials.afford(0, responderAgreements, inner.Counter) {
		return nil, opening{}, ErrTooCostly
	}
	secret, err := x3dh.Respond(local.KeyPair, signed, oneTime, m.IdentityKey, m.BaseKey)
	if err != nil {
		return nil, opening{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	s := &Session{
		local:   local.Public,
		remote:  m.IdentityKey,
		base:    m.BaseKey,
		root:    key32(secret),
		ratchet: signed,
		effort:  receiver.Effort,
	}
	opened, err := s.decrypt(random, inner)
	if err != nil {
		return nil, opening{}, err
	}
	return s, opened, nil
}

// Remote returns the peer's identity key.
func (s *Session) Remote() x25519.PublicKey { return s.remote }

// Sending returns the position of the sending chain. Its counter is the number of messages that the peer has not
// answered.
func (s *Session) Sending() Position { return Position{s.ratchet.Public, s.sending.next} }

// Receiving returns the ratchet key of the current receiving chain and the counter of its next message. Found is false
// before the first message from the peer.
func (s *Session) Receiving() (ratchetKey x25519.PublicKey, next uint32, found bool) {
	if len(s.receiving) == 0 {
		return ratchetKey, 0, false
	}
	c := s.receiving[len(s.receiving)-1]
	return c.ratchetKey, c.next, true
}

// String returns a placeholder.
func (s *Session) String() string { return "ratchet.Session(redacted)" }

// Format prints a placeholder for every verb.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// Encrypt makes the next message to the peer. Its kind is [ciphertext.PreKeyWhisper] until the session has decrypted a
// message from the peer, then [ciphertext.Whisper]. It returns ErrTooLarge or ErrExhausted, and then changes nothing.
func (s *Session) Encrypt(plaintext []byte) (ciphertext.Kind, []byte, error) {
	if len(plaintext) > MaxPlaintextSize {
		return 0, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(plaintext), MaxPlaintextSize)
	}
	if s.sending.next > maxCounter {
		return 0, nil, ErrExhausted
	}
	counter := s.sending.next
	messageKey := s.sending.step()
	keys := deriveMessageKeys(&messageKey)
	body := WhisperMessage{
		Version:         Version,
		RatchetKey:      s.ratchet.Public,
		Counter:         counter,
		PreviousCounter: s.previousCounter,
		Ciphertext:      keys.encrypt(plaintext),
	}.body()
	tag := keys.tag(s.local, s.remote, body)
	message := append(body, tag[:]...)
	if s.pending == nil {
		return ciphertext.Whisper, message, nil
	}
	return ciphertext.PreKeyWhisper, PreKeyWhisperMessage{
		Version:         Version,
		RegistrationID:  s.pending.registrationID,
		OneTimePrekeyID: s.pending.oneTimePrekeyID,
		SignedPrekeyID:  s.pending.signedPrekeyID,
		BaseKey:         s.base,
		IdentityKey:     s.local,
		Message:         message,
	}.Marshal(), nil
}

// wipe overwrites the secrets of the session.
func (s *Session) wipe() {
	for _, c := range s.receiving {
		clear(c.skipped)
	}
	clear(s.receiving)
	*s = Session{}
}

// chainOf returns the index of the receiving chain of a ratchet key, or -1.
func (s *Session) chainOf(ratchetKey x25519.PublicKey) int {
	return slices.IndexFunc(s.receiving, func(c receivingChain) bool { return c.ratchetKey == ratchetKey })
}
