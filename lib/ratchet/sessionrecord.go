package ratchet

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
)

// MaxArchived is the number of archived sessions that a record keeps (signal-2020.md section 8.5).
const MaxArchived = 40

// ErrNoSession reports a contact without a session.
var ErrNoSession = errors.New("no session with this contact")

// ErrUnknownPrekey reports a PreKeyWhisperMessage with the ID of an unknown or deleted prekey.
var ErrUnknownPrekey = errors.New("unknown prekey")

// ErrIdentity reports a PreKeyWhisperMessage whose identity key is not the contact's.
var ErrIdentity = errors.New("message has another identity key than its sender")

// Prekeys returns the local party's prekeys by their IDs. For an ID that it does not have it returns ErrUnknownPrekey.
// Any error ends the decryption. If one-time prekeys are bound to contacts, it returns only those of the sender.
type Prekeys interface {
	SignedPrekey(id uint32) (x25519.KeyPair, error)
	OneTimePrekey(id uint32) (x25519.KeyPair, error)
}

// Receiver has the parameters of [SessionRecord.Decrypt].
type Receiver struct {
	// Local and Prekeys serve only for the first message of a new session.
	Local   Identity
	Prekeys Prekeys
	// Remote is the contact's identity key.
	Remote x25519.PublicKey
	// LateChains is the number of closed chains with skipped keys that a session keeps in addition to MaxClosedChains,
	// up to MaxLateChains. The real client keeps none: people take minutes for ten steps of the ratchet. Two programs
	// on the synchronous route take a tenth of a second, while a stored message is still in flight.
	LateChains int
	// Effort affords messages that are far ahead. Nil refuses them, as the real client does.
	Effort *Effort
	// Trials bounds the work on messages that do not prove authentic. Nil has no bound.
	Trials *Trials
}

// Decrypted is the result of [SessionRecord.Decrypt].
type Decrypted struct {
	Plaintext []byte
	// UsedPrekey is the ID of the one-time prekey that started a new session, or nil. The caller deletes that prekey in
	// the transaction that stores the record.
	UsedPrekey *uint32
	// Witness recognises another message with the same message key.
	Witness Witness
}

// SessionRecord is all sessions with one contact: the current session, which encrypts, and archived sessions, which
// only decrypt. Several sessions arise if both parties start one at the same time, or if one of them starts again. The
// zero SessionRecord is empty.
type SessionRecord struct {
	sessions []*Session // current first, then archived, newest first
}

// Current returns the current session, or nil.
func (r *SessionRecord) Current() *Session {
	if len(r.sessions) == 0 {
		return nil
	}
	return r.sessions[0]
}

// Add makes s the current session and archives the previous one. It drops the oldest archived session beyond
// MaxArchived. The record owns s from then on.
func (r *SessionRecord) Add(s *Session) {
	r.sessions = slices.Insert(r.sessions, 0, s)
	if len(r.sessions) > 1+MaxArchived {
		for _, dropped := range r.sessions[1+MaxArchived:] {
			dropped.wipe()
		}
		r.sessions = slices.Delete(r.sessions, 1+MaxArchived, len(r.sessions))
	}
}

// Missing returns the number of messages that have not arrived although later ones have, and whose skipped keys are
// kept.
func (r *SessionRecord) Missing() (count int) {
	for _, session := range r.sessions {
		count += session.skippedKeys()
	}
	return count
}

// Position is a sending chain, named by its ratchet key, and the counter of its next message.
type Position struct {
	RatchetKey x25519.PublicKey
	Next       uint32
}

// Sending returns the positions of all sessions.
func (r *SessionRecord) Sending() []Position {
	positions := make([]Position, len(r.sessions))
	for i, session := range r.sessions {
		positions[i] = session.Sending()
	}
	return positions
}

// String returns a placeholder.
func (r *SessionRecord) String() string { return "ratchet.SessionRecord(redacted)" }

// Format prints a placeholder for every verb.
func (r *SessionRecord) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// Encrypt makes the next message of the current session. Its errors are ErrNoSession and those of [Session.Encrypt].
func (r *SessionRecord) Encrypt(plaintext []byte) (ciphertext.Kind, []byte, error) {
	current := r.Current()
	if current == nil {
		return 0, nil, ErrNoSession
	}
	return current.Encrypt(plaintext)
}

// Decrypt decrypts a message, kind being Whisper or PreKeyWhisper, and makes its session the current one. For a
// PreKeyWhisper message of a new session it adds the session. It tries all sessions for a Whisper message, and then
// returns the most specific of their errors. The errors are those of [Session.Decrypt], ErrNoSession, ErrUnknownPrekey,
// ErrIdentity, ErrTooCostly, and those of receiver's prekeys. After an error nothing has changed.
func (r *SessionRecord) Decrypt(
	random io.Reader,
	receiver Receiver,
	kind ciphertext.Kind,
	message []byte,
) (Decrypted, error) {
	switch kind {
	case ciphertext.Whisper:
		opened, err := r.decryptWhisper(random, receiver, message)
		return Decrypted{Plaintext: opened.plaintext, Witness: opened.witness}, err
	case ciphertext.PreKeyWhisper:
		return r.decryptPreKey(random, receiver, message)
	default:
		return Decrypted{}, fmt.Errorf("%w: a %s ciphertext", ErrMalformed, kind)
	}
}

func (r *SessionRecord) decryptWhisper(random io.Reader, receiver Receiver, message []byte) (opening, error) {
	m, err := receive(message)
	if err != nil {
		return opening{}, err
	}
	specific := ErrNoSession
	known := slices.IndexFunc(r.sessions, func(s *Session) bool { return s.chainOf(m.RatchetKey) >= 0 })
	for n := range r.sessions {
		i := inFront(n, known)
		session := r.sessions[i]
		if agreements, steps := session.stepsOf(m); !receiver.Trials.afford(n, agreements, steps) {
			specific = ErrTooCostly
			continue
		}
		session.lateChains, session.effort = receiver.LateChains, receiver.Effort
		opened, err := session.decrypt(random, m)
		switch {
		case err == nil:
			r.promote(i)
			return opened, nil
		case errors.Is(err, ErrTooFarAhead):
			specific = err
		case errors.Is(err, ErrMAC):
			if !errors.Is(specific, ErrTooFarAhead) && !errors.Is(specific, ErrTooCostly) {
				specific = err
			}
		default:
			// This session has the ratchet key, or the message is authentic. No other session can decrypt it.
			return opening{}, err
		}
	}
	return opening{}, specific
}

// inFront returns the n-th index of an order in which first, unless it is negative, comes before all others. The
// session that knows a ratchet key comes first, so that the others do not use up the receiver's effort.
func inFront(n, first int) int {
	switch {
	case first < 0 || n > first:
		return n
	case n == 0:
		return first
	}
	return n - 1
}

// Steps returns how many steps of receiving chains Decrypt takes for a message before it knows whether the message is
// authentic, with every effort. It returns ErrVersion or ErrMalformed.
func (r *SessionRecord) Steps(kind ciphertext.Kind, message []byte) (steps int, err error) {
	sessions := r.sessions
	if kind == ciphertext.PreKeyWhisper {
		header, err := ParsePreKeyWhisperMessage(message)
		if err != nil {
			return 0, err
		}
		message, sessions = header.Message, []*Session{{}}
		if i := r.responderOf(header.BaseKey); i >= 0 {
			sessions = r.sessions[i : i+1]
		}
	}
	m, err := ParseWhisperMessage(message)
	if err != nil {
		return 0, err
	}
	for _, s := range sessions {
		i := s.chainOf(m.RatchetKey)
		switch {
		case i < 0:
			steps += int(m.Counter) + 1
		case i == len(s.receiving)-1 && m.Counter >= s.receiving[i].next:
			return int(m.Counter-s.receiving[i].next) + 1, nil
		default:
			return 0, nil
		}
	}
	return steps, nil
}

func (r *SessionRecord) decryptPreKey(random io.Reader, receiver Receiver, message []byte) (Decrypted, error) {
	m, err := ParsePreKeyWhisperMessage(message)
	if err != nil {
		return Decrypted{}, err
	}
	if !m.IdentityKey.Equal(receiver.Remote) {
		return Decrypted{}, ErrIdentity
	}
	if i := r.responderOf(m.BaseKey); i >= 0 {
		r.sessions[i].lateChains, r.sessions[i].effort = receiver.LateChains, receiver.Effort
		inner, err := receive(m.Message)
		if err != nil {
			return Decrypted{}, err
		}
		if agreements, steps := r.sessions[i].stepsOf(inner); !receiver.Trials.afford(0, agreements, steps) {
			return Decrypted{}, ErrTooCostly
		}
		opened, err := r.sessions[i].decrypt(random, inner)
		if err != nil {
			return Decrypted{}, err
		}
		r.promote(i)
		return Decrypted{Plaintext: opened.plaintext, Witness: opened.witness}, nil
	}
	s, opened, err := newResponder(random, receiver, m)
	if err != nil {
		return Decrypted{}, err
	}
	r.Add(s)
	return Decrypted{Plaintext: opened.plaintext, UsedPrekey: m.OneTimePrekeyID, Witness: opened.witness}, nil
}

// responderOf returns the index of the session that a message with this base key started, or -1.
func (r *SessionRecord) responderOf(base x25519.PublicKey) int {
	return slices.IndexFunc(r.sessions, func(s *Session) bool { return !s.initiator && s.base == base })
}

// promote makes session i the current one. The order of the others stays.
func (r *SessionRecord) promote(i int) {
	s := r.sessions[i]
	copy(r.sessions[1:], r.sessions[:i])
	r.sessions[0] = s
}
