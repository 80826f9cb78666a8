package ratchet

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/x25519"
	"sessiontool/proto/statepb"
)

// ErrState reports stored bytes that are not a session or a session record.
var ErrState = errors.New("stored session is damaged")

// MarshalBinary encodes the session for storage. The result has all secrets in plaintext.
func (s *Session) MarshalBinary() ([]byte, error) {
	return marshal(s.state())
}

// UnmarshalBinary replaces s by a session that MarshalBinary encoded. It returns ErrState, and does not change s, if
// the data is invalid or exceeds a limit of this package.
func (s *Session) UnmarshalBinary(data []byte) error {
	state := new(statepb.Session)
	if err := proto.Unmarshal(data, state); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	restored, err := restoreSession(state)
	if err != nil {
		return err
	}
	*s = *restored
	return nil
}

// MarshalBinary encodes the record for storage. The result has all secrets of its sessions in plaintext.
func (r *SessionRecord) MarshalBinary() ([]byte, error) {
	state := new(statepb.SessionRecord)
	for _, s := range r.sessions {
		state.Sessions = append(state.Sessions, s.state())
	}
	return marshal(state)
}

// UnmarshalBinary replaces r by a record that MarshalBinary encoded. It returns ErrState, and does not change r, if the
// data is invalid or exceeds a limit of this package.
func (r *SessionRecord) UnmarshalBinary(data []byte) error {
	state := new(statepb.SessionRecord)
	if err := proto.Unmarshal(data, state); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	if len(state.Sessions) > 1+MaxArchived {
		return fmt.Errorf("%w: %d sessions", ErrState, len(state.Sessions))
	}
	var sessions []*Session
	for _, stored := range state.Sessions {
		s, err := restoreSession(stored)
		if err != nil {
			return err
		}
		sessions = append(sessions, s)
	}
	r.sessions = sessions
	return nil
}

// marshal encodes equal states to equal bytes.
func marshal(state proto.Message) ([]byte, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("storing a session: %w", err)
	}
	return data, nil
}

// state returns the stored form of s. It shares the memory of s.
func (s *Session) state() *statepb.Session {
	state := &statepb.Session{
		LocalIdentity:  s.local[:],
		RemoteIdentity: s.remote[:],
		BaseKey:        s.base[:],
		Initiator:      s.initiator,
		RootKey:        s.root[:],
		Sending: &statepb.SendingChain{
			RatchetPrivate: s.ratchet.Private[:],
			RatchetPublic:  s.ratchet.Public[:],
			ChainKey:       s.sending.key[:],
			Counter:        s.sending.next,
		},
		PreviousCounter: s.previousCounter,
	}
	if s.pending != nil {
		state.PendingPrekey = &statepb.PendingPreKey{
			RegistrationId:  s.pending.registrationID,
			OneTimePrekeyId: s.pending.oneTimePrekeyID,
			SignedPrekeyId:  s.pending.signedPrekeyID,
		}
	}
	for i := range s.receiving {
		c := &s.receiving[i]
		stored := &statepb.ReceivingChain{RatchetPublic: c.ratchetKey[:], Counter: c.next, DroppedBelow: c.dropped}
		if i == len(s.receiving)-1 {
			stored.ChainKey = c.key[:]
		}
		for j := range c.skipped {
			stored.Skipped = append(stored.Skipped, &statepb.SkippedKey{
				Counter:    c.skipped[j].counter,
				MessageKey: c.skipped[j].messageKey[:],
			})
		}
		state.Receiving = append(state.Receiving, stored)
	}
	return state
}

// restoreSession reverses Session.state and checks the invariants of a session.
func restoreSession(state *statepb.Session) (*Session, error) {
	var k keyReader
	s := &Session{
		local:     k.key(state.LocalIdentity),
		remote:    k.key(state.RemoteIdentity),
		base:      k.key(state.BaseKey),
		initiator: state.Initiator,
		root:      k.key(state.RootKey),
		sending: chain{
			key:  k.key(state.Sending.GetChainKey()),
			next: state.Sending.GetCounter(),
		},
		previousCounter: state.PreviousCounter,
	}
	s.ratchet = k.pair(state.Sending)
	if k.err != nil {
		return nil, k.err
	}
	if p := state.PendingPrekey; p != nil {
		if !s.initiator {
			return nil, fmt.Errorf("%w: prekey header of a responder", ErrState)
		}
		s.pending = &pendingPrekey{p.RegistrationId, p.OneTimePrekeyId, p.SignedPrekeyId}
	}
	if err := s.restoreReceiving(state.Receiving); err != nil {
		return nil, err
	}
	if answered := len(s.receiving) > 0; answered == (s.pending != nil) {
		return nil, fmt.Errorf("%w: prekey header and receiving chains disagree", ErrState)
	}
	return s, nil
}

func (s *Session) restoreReceiving(stored []*statepb.ReceivingChain) error {
	if len(stored) > MaxLateChains+MaxClosedChains+1 {
		return fmt.Errorf("%w: %d receiving chains", ErrState, len(stored))
	}
	for i, c := range stored {
		restored, err := restoreChain(c, i == len(stored)-1)
		if err != nil {
			return err
		}
		if s.chainOf(restored.ratchetKey) >= 0 {
			return fmt.Errorf("%w: two receiving chains of one key", ErrState)
		}
		s.receiving = append(s.receiving, restored)
	}
	if total := s.skippedKeys(); total > MaxSkippedKeys {
		return fmt.Errorf("%w: %d skipped message keys", ErrState, total)
	}
	return nil
}

func restoreChain(stored *statepb.ReceivingChain, current bool) (receivingChain, error) {
	var k keyReader
	c := receivingChain{ratchetKey: k.key(stored.RatchetPublic)}
	c.next, c.dropped = stored.Counter, stored.DroppedBelow
	if c.dropped > c.next {
		return receivingChain{}, fmt.Errorf("%w: keys dropped below counter %d", ErrState, c.dropped)
	}
	if current {
		c.key = k.key(stored.ChainKey)
	} else if len(stored.ChainKey) > 0 {
		return receivingChain{}, fmt.Errorf("%w: closed chain with a key", ErrState)
	}
	for i, skipped := range stored.Skipped {
		if skipped.Counter >= c.next || i > 0 && skipped.Counter <= c.skipped[i-1].counter {
			return receivingChain{}, fmt.Errorf("%w: skipped counter %d", ErrState, skipped.Counter)
		}
		c.skipped = append(c.skipped, skippedKey{skipped.Counter, k.key(skipped.MessageKey)})
	}
	return c, k.err
}

// keyReader reads keys of 32 bytes. It keeps an error if a key has another length.
type keyReader struct{ err error }

func (k *keyReader) key(b []byte) (key [x25519.Size]byte) {
	if len(b) != len(key) {
		k.err = fmt.Errorf("%w: key of %d bytes", ErrState, len(b))
		return key
	}
	return [x25519.Size]byte(b)
}

// pair reads the local ratchet key. The public key, which costs as much as a Diffie-Hellman function, is computed only
// for the form of earlier versions.
func (k *keyReader) pair(stored *statepb.SendingChain) x25519.KeyPair {
	private := x25519.PrivateKey(k.key(stored.GetRatchetPrivate()))
	switch {
	case k.err != nil:
		return x25519.KeyPair{}
	case len(stored.GetRatchetPublic()) == 0:
		return x25519.NewKeyPair(private)
	}
	return x25519.KeyPair{Private: private, Public: k.key(stored.GetRatchetPublic())}
}
