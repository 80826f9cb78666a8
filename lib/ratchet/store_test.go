package ratchet

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/ciphertext"
	"sessiontool/proto/statepb"
)

// Every state of a session survives storing and loading.
func TestStoreEveryState(t *testing.T) {
	alice, bob := newSession(t, 1)
	alice.restart(t)
	skipped := alice.send(t, "skipped")
	exchange(t, alice, bob, "prekey phase")
	alice.restart(t)
	bob.restart(t)
	for range MaxClosedChains + 3 {
		exchange(t, bob, alice, "there")
		skipped = alice.send(t, "skipped")
		exchange(t, alice, bob, "and back")
		alice.restart(t)
		bob.restart(t)
	}
	bob.mustReceive(t, skipped)
	bob.restart(t)
}

// A session can also be stored alone.
func TestStoreSession(t *testing.T) {
	alice, bob := newConversation(t, 1)
	data, err := alice.record.Current().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var session Session
	if err := session.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if session.Remote() != bob.Local.Public {
		t.Error("the peer's identity is lost")
	}
	kind, message, err := session.Encrypt([]byte("restored"))
	if err != nil {
		t.Fatal(err)
	}
	bob.mustReceive(t, sealed{kind, message, "restored"})
}

// UnmarshalBinary refuses data that exceeds a limit, and does not change its receiver.
func TestDamagedState(t *testing.T) {
	alice, bob := newConversation(t, 1)
	late := alice.send(t, "late")
	exchange(t, alice, bob, "message")
	type state = *statepb.Session
	for name, damage := range map[string]func(state){
		"short root key":        func(s state) { s.RootKey = s.RootKey[1:] },
		"no local identity":     func(s state) { s.LocalIdentity = nil },
		"long remote identity":  func(s state) { s.RemoteIdentity = append(s.RemoteIdentity, 0) },
		"no base key":           func(s state) { s.BaseKey = nil },
		"no sending chain":      func(s state) { s.Sending = nil },
		"short ratchet key":     func(s state) { s.Sending.RatchetPrivate = s.Sending.RatchetPrivate[1:] },
		"pending as responder":  func(s state) { s.PendingPrekey, s.Receiving = new(statepb.PendingPreKey), nil },
		"pending after answer":  func(s state) { s.PendingPrekey, s.Initiator = new(statepb.PendingPreKey), true },
		"unanswered, no header": func(s state) { s.Receiving = nil },
		"current chain closed":  func(s state) { s.Receiving[1].ChainKey = nil },
		"closed chain open":     func(s state) { s.Receiving[0].ChainKey = s.RootKey },
		"one ratchet key twice": func(s state) { s.Receiving[0].RatchetPublic = s.Receiving[1].RatchetPublic },
		"short skipped key":     func(s state) { s.Receiving[1].Skipped[0].MessageKey = nil },
		"skipped key in future": func(s state) { s.Receiving[1].Skipped[0].Counter = s.Receiving[1].Counter },
		"skipped keys unsorted": func(s state) {
			c := s.Receiving[1]
			c.Skipped = append(c.Skipped, c.Skipped[0])
		},
		"too many chains":         tooManyChains,
		"too many skipped keys":   tooManySkipped,
		"empty ratchet public":    func(s state) { s.Receiving[0].RatchetPublic = nil },
		"missing receiving chain": func(s state) { s.Receiving[0] = new(statepb.ReceivingChain) },
	} {
		t.Run(name, func(t *testing.T) {
			state := new(statepb.Session)
			data, err := bob.record.Current().MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			if err := proto.Unmarshal(data, state); err != nil {
				t.Fatal(err)
			}
			damage(state)
			damaged, err := proto.Marshal(&statepb.SessionRecord{Sessions: []*statepb.Session{state}})
			if err != nil {
				t.Fatal(err)
			}
			before := stored(t, &bob.record)
			if err := bob.record.UnmarshalBinary(damaged); !errors.Is(err, ErrState) {
				t.Errorf("got %v, want ErrState", err)
			}
			if !bytes.Equal(before, stored(t, &bob.record)) {
				t.Error("the record changed")
			}
		})
	}
	bob.mustReceive(t, late)
}

func tooManyChains(s *statepb.Session) {
	for n := range MaxLateChains + MaxClosedChains {
		chain := proto.Clone(s.Receiving[0]).(*statepb.ReceivingChain)
		chain.RatchetPublic[0], chain.RatchetPublic[1] = byte(n), byte(n>>8)
		s.Receiving = append([]*statepb.ReceivingChain{chain}, s.Receiving...)
	}
}

func tooManySkipped(s *statepb.Session) {
	c := s.Receiving[1]
	key := c.Skipped[0].MessageKey
	c.Counter, c.Skipped = MaxSkippedKeys+1, nil
	for n := range uint32(MaxSkippedKeys + 1) {
		c.Skipped = append(c.Skipped, &statepb.SkippedKey{Counter: n, MessageKey: key})
	}
}

func TestDamagedRecord(t *testing.T) {
	alice, _ := newConversation(t, 1)
	session := alice.record.Current().state()
	tooMany := new(statepb.SessionRecord)
	for range MaxArchived + 2 {
		tooMany.Sessions = append(tooMany.Sessions, session)
	}
	data, err := proto.Marshal(tooMany)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"too many sessions": data, "no protobuf": {0xff}} {
		if err := alice.record.UnmarshalBinary(data); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var s Session
	if err := s.UnmarshalBinary([]byte{0xff}); !errors.Is(err, ErrState) {
		t.Errorf("session: %v", err)
	}
}

// Any stored record that is accepted works: it stores itself to bytes that load again, and opening garbage does no
// harm.
func FuzzRecordUnmarshal(f *testing.F) {
	alice, bob := newConversation(f, 1)
	late := alice.send(f, "late")
	exchange(f, alice, bob, "message")
	alice.start(f, bob.bundle(f, 1, 2))
	f.Add(stored(f, &alice.record), late.bytes)
	f.Add(stored(f, &bob.record), late.bytes)
	f.Fuzz(func(t *testing.T, data, message []byte) {
		p := party{random: seeded(1)}
		if err := p.record.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, ErrState) {
				t.Fatal(err)
			}
			return
		}
		p.restart(t)
		if _, err := p.record.Decrypt(p.random, p.Receiver, ciphertext.Whisper, message); err == nil {
			p.restart(t)
		}
		if p.record.Current() != nil {
			if _, _, err := p.record.Encrypt(nil); err != nil && !errors.Is(err, ErrExhausted) {
				t.Fatal(err)
			}
		}
	})
}

// The form of earlier versions, which has no public ratchet key, opens. A public key of another length does not.
func TestStateWithoutPublicKey(t *testing.T) {
	alice, bob := newConversation(t, 1)
	exchange(t, alice, bob, "message")
	exchange(t, bob, alice, "answer")
	want := alice.record.Sending()
	store := func(public []byte) error {
		var state statepb.SessionRecord
		data, err := alice.record.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(data, &state); err != nil {
			t.Fatal(err)
		}
		for _, session := range state.Sessions {
			session.Sending.RatchetPublic = public
		}
		if data, err = proto.Marshal(&state); err != nil {
			t.Fatal(err)
		}
		return alice.record.UnmarshalBinary(data)
	}
	if err := store([]byte("short")); !errors.Is(err, ErrState) {
		t.Errorf("a key of five bytes: %v", err)
	}
	if err := store(nil); err != nil || !slices.Equal(alice.record.Sending(), want) {
		t.Errorf("the place is %v, %v; want %v", alice.record.Sending(), err, want)
	}
	exchange(t, alice, bob, "another")
	exchange(t, bob, alice, "and its answer")
	exchange(t, alice, bob, "and a third")
}
