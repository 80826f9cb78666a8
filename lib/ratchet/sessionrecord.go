package ratchet

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
)

// MaxArchived is how many sessions a record keeps besides the current one (signal-2020.md section 8.5).
const MaxArchived = 40

// ErrNoSession reports that there is no session with the contact.
var ErrNoSession = errors.New("no session with this contact")

// ErrUnknownPrekey reports a PreKeyWhisperMessage made with a prekey that we do not have (any more).
var ErrUnknownPrekey = errors.New("unknown prekey")

// ErrIdentity reports a PreKeyWhisperMessage with another identity key than the contact's.
var ErrIdentity = errors.New("message has another identity key than its sender")

// Prekeys finds our own prekeys by their ids. For one that it does not have it returns ErrUnknownPrekey;
// this and any other error ends the decryption. An owner whose one-time prekeys are made for single contacts
// returns only the present contact's.
type Prekeys interface {
	SignedPrekey(id uint32) (x25519.KeyPair, error)
	OneTimePrekey(id uint32) (x25519.KeyPair, error)
}

// Receiver is what opening a contact's messages takes besides the record of sessions.
type Receiver struct {
	// Local and Prekeys are asked only for the first message of a new session.
	Local   Identity
	Prekeys Prekeys
	// Remote is the contact's identity key.
	Remote x25519.PublicKey
	// LateChains is how many closed chains are remembered beyond MaxClosedChains as long as messages of theirs are
	// missing, up to MaxLateChains. The real client remembers none: at its pace ten steps take minutes. Two programs that
	// talk over the synchronous route make as many in a tenth of a second, while a stored message is on its way.
	LateChains int
}

// Decrypted is an opened message.
type Decrypted struct {
	Plaintext []byte
	// UsedPrekey is the id of the one-time prekey that started a new session, nil if none did. The caller
	// deletes it in the same transaction that stores the record.
	UsedPrekey *uint32
}

// SessionRecord is all sessions with one contact: a current one, which encrypts, and archived ones, which still open
// messages. There are several when both parties start at the same time, or start again. The zero SessionRecord is
// empty.
type SessionRecord struct {
	sessions []*Session // current first, then archived, newest first
}

// Current returns the session that encrypts, or nil if there is none.
func (r *SessionRecord) Current() *Session {
	if len(r.sessions) == 0 {
		return nil
	}
	return r.sessions[0]
}

// Add makes s, which it takes over, current and archives the session before it. The oldest of more than MaxArchived
// archived ones is dropped.
func (r *SessionRecord) Add(s *Session) {
	r.sessions = slices.Insert(r.sessions, 0, s)
	if len(r.sessions) > 1+MaxArchived {
		for _, dropped := range r.sessions[1+MaxArchived:] {
			dropped.wipe()
		}
		r.sessions = slices.Delete(r.sessions, 1+MaxArchived, len(r.sessions))
	}
}

// Missing counts the messages that later ones have overtaken and whose keys are kept for when they arrive.
func (r *SessionRecord) Missing() (count int) {
	for _, session := range r.sessions {
		count += session.skippedKeys()
	}
	return count
}

// String returns a placeholder.
func (r *SessionRecord) String() string { return "ratchet.SessionRecord(redacted)" }

// Format prints a placeholder whatever the verb is.
func (r *SessionRecord) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// Encrypt makes the next message of the current session. Its errors are ErrNoSession and those of Session.Encrypt.
func (r *SessionRecord) Encrypt(plaintext []byte) (ciphertext.Kind, []byte, error) {
	current := r.Current()
	if current == nil {
		return 0, nil, ErrNoSession
	}
	return current.Encrypt(plaintext)
}

// Decrypt opens a message of type t and makes the session that it belongs to current. If that is a new one, UsedPrekey
// is set. A ciphertext.Whisper message is tried with all sessions. The errors are those of Session.Decrypt, of which
// the most telling one is returned, ErrNoSession, ErrUnknownPrekey, ErrIdentity, and what receiver's prekeys return;
// then nothing has changed.
func (r *SessionRecord) Decrypt(random io.Reader, receiver Receiver, kind ciphertext.Kind, message []byte) (Decrypted, error) {
	switch kind {
	case ciphertext.Whisper:
		plaintext, err := r.decryptWhisper(random, receiver, message)
		return Decrypted{Plaintext: plaintext}, err
	case ciphertext.PreKeyWhisper:
		return r.decryptPreKey(random, receiver, message)
	default:
		return Decrypted{}, fmt.Errorf("%w: a %s ciphertext", ErrMalformed, kind)
	}
}

func (r *SessionRecord) decryptWhisper(random io.Reader, receiver Receiver, message []byte) ([]byte, error) {
	m, err := receive(message)
	if err != nil {
		return nil, err
	}
	telling := ErrNoSession
	for i, session := range r.sessions {
		session.lateChains = receiver.LateChains
		plaintext, err := session.decrypt(random, m)
		switch {
		case err == nil:
			r.promote(i)
			return plaintext, nil
		case errors.Is(err, ErrTooFarAhead):
			telling = err
		case errors.Is(err, ErrMAC):
			if !errors.Is(telling, ErrTooFarAhead) {
				telling = err
			}
		default:
			// The session knows the ratchet key, or the message is authentic: no other session can open it.
			return nil, err
		}
	}
	return nil, telling
}

func (r *SessionRecord) decryptPreKey(random io.Reader, receiver Receiver, message []byte) (Decrypted, error) {
	m, err := ParsePreKeyWhisperMessage(message)
	if err != nil {
		return Decrypted{}, err
	}
	if !m.IdentityKey.Equal(receiver.Remote) {
		return Decrypted{}, ErrIdentity
	}
	if i := r.answering(m.BaseKey); i >= 0 {
		r.sessions[i].lateChains = receiver.LateChains
		plaintext, err := r.sessions[i].Decrypt(random, m.Message)
		if err != nil {
			return Decrypted{}, err
		}
		r.promote(i)
		return Decrypted{Plaintext: plaintext}, nil
	}
	s, plaintext, err := NewResponder(random, receiver.Local, receiver.Prekeys, m)
	if err != nil {
		return Decrypted{}, err
	}
	r.Add(s)
	return Decrypted{Plaintext: plaintext, UsedPrekey: m.OneTimePrekeyID}, nil
}

// answering returns the index of the session that we answered under the peer's base key, or -1.
func (r *SessionRecord) answering(base x25519.PublicKey) int {
	return slices.IndexFunc(r.sessions, func(s *Session) bool { return !s.initiator && s.base == base })
}

// promote makes session i current; the order of the others stays.
func (r *SessionRecord) promote(i int) {
	s := r.sessions[i]
	copy(r.sessions[1:], r.sessions[:i])
	r.sessions[0] = s
}
