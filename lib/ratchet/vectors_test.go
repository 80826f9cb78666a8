package ratchet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// recordedPrekey is a key pair of a recording, with its signature if it is a signed prekey.
type recordedPrekey struct {
	ID              uint32
	Priv, Signature vectors.Hex
}

// recordedParty is one side of a recording: "Alice = initiator, Bob = responder".
type recordedParty struct {
	Identity       vectors.Hex `json:"identity_priv"`
	RegistrationID uint32      `json:"registration_id"`
	// Alice's.
	BaseKey     vectors.Hex   `json:"base_key_priv"`
	RatchetKeys []vectors.Hex `json:"ratchet_privs_in_order"`
	// Bob's.
	SignedPrekey recordedPrekey  `json:"signed_prekey"`
	Prekey       *recordedPrekey `json:"prekey"`
}

// draws returns recorded private keys as the randomness from which they are generated.
func draws(keys ...vectors.Hex) *bytes.Reader {
	var all []byte
	for _, key := range keys {
		all = append(all, key...)
	}
	return bytes.NewReader(all)
}

func keyPair(t testing.TB, private vectors.Hex) x25519.KeyPair {
	return x25519.NewKeyPair(private.Array32(t))
}

// replayedPair makes the two parties of a recording, and Bob's bundle. Each draws its recorded keys in order.
func replayedPair(t testing.TB, a, b recordedParty) (alice, bob *party, bundle x3dh.Bundle) {
	t.Helper()
	alice = emptyParty(Identity{keyPair(t, a.Identity), a.RegistrationID},
		draws(append([]vectors.Hex{a.BaseKey}, a.RatchetKeys...)...))
	bob = emptyParty(Identity{keyPair(t, b.Identity), b.RegistrationID}, draws(b.RatchetKeys...))
	alice.Remote, bob.Remote = bob.Local.Public, alice.Local.Public

	signed := x3dh.SignedPrekey{
		ID:        b.SignedPrekey.ID,
		KeyPair:   keyPair(t, b.SignedPrekey.Priv),
		Signature: [64]byte(b.SignedPrekey.Signature),
	}
	bob.signed[signed.ID] = signed.KeyPair
	var oneTime *x3dh.OneTimePrekey
	if b.Prekey != nil {
		oneTime = &x3dh.OneTimePrekey{ID: b.Prekey.ID, KeyPair: keyPair(t, b.Prekey.Priv)}
		bob.oneTime[oneTime.ID] = oneTime.KeyPair
	}
	return alice, bob, x3dh.NewBundle(bob.Local.Public, signed, oneTime)
}

// outcome returns the error of this package for the recorded error of the real client.
func outcome(t testing.TB, recorded string) error {
	t.Helper()
	for text, sentinel := range map[string]error{
		"Message key not found":         ErrDuplicate,
		"Bad MAC":                       ErrMAC,
		"messages into the future":      ErrTooFarAhead,
		"Incompatible version number":   ErrVersion,
		"No session found":              ErrNoSession,
		"Missing Signed PreKey":         ErrUnknownPrekey,
		"Tried to decrypt on a sending": ErrMAC,
	} {
		if strings.Contains(recorded, text) {
			return sentinel
		}
	}
	t.Fatalf("recorded error of an unknown kind: %s", recorded)
	return nil
}

// The first message of a session, made and read, with all intermediate keys.
func TestX3DHVectors(t *testing.T) {
	var recording struct {
		Cases []struct {
			Alice struct {
				recordedParty
				RatchetKey vectors.Hex `json:"ratchet_key_priv"`
			}
			Bob struct {
				recordedParty
				SignedPrekeyID        uint32      `json:"signed_prekey_id"`
				SignedPrekeyPriv      vectors.Hex `json:"signed_prekey_priv"`
				SignedPrekeySignature vectors.Hex `json:"signed_prekey_signature"`
				PrekeyID              *uint32     `json:"prekey_id"`
				PrekeyPriv            vectors.Hex `json:"prekey_priv"`
			}
			RootKey    vectors.Hex `json:"root_key_1"`
			ChainKey   vectors.Hex `json:"alice_sending_chain_key"`
			MessageKey vectors.Hex `json:"message_key_0"`
			CipherKey  vectors.Hex `json:"cipher_key_0"`
			MACKey     vectors.Hex `json:"mac_key_0"`
			IV         vectors.Hex `json:"iv_0"`
			Plaintext  vectors.Hex
			Message    vectors.Hex `json:"prekey_message"`
		}
	}
	vectors.Load(t, "x3dh.json", &recording)
	for i, c := range recording.Cases {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			a, b := c.Alice.recordedParty, c.Bob.recordedParty
			a.RatchetKeys = []vectors.Hex{c.Alice.RatchetKey}
			b.SignedPrekey = recordedPrekey{c.Bob.SignedPrekeyID, c.Bob.SignedPrekeyPriv, c.Bob.SignedPrekeySignature}
			if c.Bob.PrekeyID != nil {
				b.Prekey = &recordedPrekey{ID: *c.Bob.PrekeyID, Priv: c.Bob.PrekeyPriv}
			}
			alice, bob, bundle := replayedPair(t, a, b)
			alice.start(t, bundle)

			session := alice.record.Current()
			equal(t, "root key", session.root[:], c.RootKey)
			equal(t, "chain key", session.sending.key[:], c.ChainKey)
			sending := session.sending
			messageKey := sending.step()
			equal(t, "message key", messageKey[:], c.MessageKey)
			keys := deriveMessageKeys(&messageKey)
			equal(t, "cipher key", keys.cipher[:], c.CipherKey)
			equal(t, "MAC key", keys.mac[:], c.MACKey)
			equal(t, "IV", keys.iv[:], c.IV)

			m := alice.send(t, string(c.Plaintext))
			equal(t, "message", m.bytes, c.Message)
			bob.random = seeded(1) // the recording ends before Bob's first own key is seen
			bob.mustReceive(t, sealed{ciphertext.PreKeyWhisper, c.Message, string(c.Plaintext)})
			if len(bob.oneTime) != 0 {
				t.Error("the one-time prekey was not reported as used")
			}
		})
	}
}

func equal(t testing.TB, what string, got []byte, want vectors.Hex) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is %x, recorded %x", what, got, []byte(want))
	}
}

// recordedStep is a message made or delivered in ratchet.json.
type recordedStep struct {
	Op, ID    string
	From, To  string
	Type      ciphertext.Kind
	Plaintext vectors.Hex
	Message   vectors.Hex
	OK        bool
	Error     string
	NewKey    *recordedPrekey `json:"new_ratchet_key_drawn"`
}

// Recorded conversations, both parties, step by step. Both parties are stored and loaded after every step.
func TestRatchetVectors(t *testing.T) {
	var recording struct {
		Conversations []struct {
			Name       string
			Alice, Bob recordedParty
			Steps      []recordedStep
			FinalState struct{ Alice, Bob map[string]recordedRecord } `json:"final_state"`
		}
	}
	vectors.Load(t, "ratchet.json", &recording)
	for _, c := range recording.Conversations {
		t.Run(c.Name, func(t *testing.T) {
			alice, bob, bundle := replayedPair(t, c.Alice, c.Bob)
			alice.start(t, bundle)
			parties := map[string]*party{"A": alice, "B": bob}
			sent := make(map[string]sealed)
			for _, step := range c.Steps {
				switch step.Op {
				case "send":
					m := parties[step.From].send(t, string(step.Plaintext))
					equal(t, step.ID, m.bytes, step.Message)
					if m.kind != step.Type {
						t.Errorf("%s is a %v, recorded %v", step.ID, m.kind, step.Type)
					}
					sent[step.ID] = m
				case "deliver":
					replayDelivery(t, parties[step.To], sent[step.ID], step)
				default:
					t.Fatalf("unknown step %q", step.Op)
				}
				alice.restart(t)
				bob.restart(t)
			}
			for _, p := range []*party{alice, bob} {
				if rest, err := io.ReadAll(p.random); err != nil || len(rest) > 0 {
					t.Errorf("%d recorded random bytes were not drawn (%v)", len(rest), err)
				}
			}
			compareRecords(t, alice, c.FinalState.Alice)
			compareRecords(t, bob, c.FinalState.Bob)
		})
	}
}

func replayDelivery(t *testing.T, to *party, m sealed, step recordedStep) {
	t.Helper()
	random := to.random.(*bytes.Reader)
	before := random.Len()
	if !step.OK {
		to.mustRefuse(t, m, outcome(t, step.Error))
	} else {
		to.mustReceive(t, m)
	}
	drawn := before - random.Len()
	if step.NewKey == nil {
		if drawn != 0 {
			t.Errorf("%s: drew %d bytes, recorded none", step.ID, drawn)
		}
		return
	}
	if drawn != x25519.Size {
		t.Errorf("%s: drew %d bytes, recorded a key", step.ID, drawn)
	}
	private := to.record.Current().ratchet.Private
	equal(t, step.ID+": new ratchet key", private[:], step.NewKey.Priv)
}

// recordedRecord is a session record as the real client stores it.
type recordedRecord struct {
	Sessions map[string]struct {
		CurrentRatchet struct {
			RootKey                vectors.Hex
			LastRemoteEphemeralKey vectors.Hex
			PreviousCounter        uint32
			EphemeralKeyPair       struct{ PrivKey vectors.Hex }
		}
		IndexInfo struct {
			RemoteIdentityKey, BaseKey vectors.Hex
			Closed                     int64
			BaseKeyType                int // 1: ours, 2: theirs
		}
		PendingPreKey  json.RawMessage
		OldRatchetList []any
		Chains         map[string]recordedChain
	}
}

type recordedChain struct {
	ChainType   string
	Counter     int64 // of the last key derived
	ChainKey    vectors.Hex
	MessageKeys map[uint32]vectors.Hex
}

// compareRecords compares the sessions of p with the final record of the real client.
func compareRecords(t *testing.T, p *party, records map[string]recordedRecord) {
	t.Helper()
	for _, record := range records {
		for _, want := range record.Sessions {
			base := x25519.PublicKey(want.IndexInfo.BaseKey.Array32(t))
			i := slices.IndexFunc(p.record.sessions, func(s *Session) bool { return s.base == base })
			if i < 0 {
				t.Fatalf("no session with base key %s", base)
			}
			s := p.record.sessions[i]
			if open := want.IndexInfo.Closed < 0; open != (i == 0) {
				t.Errorf("session %s is number %d, recorded as open: %v", base, i, open)
			}
			if ours := want.IndexInfo.BaseKeyType == 1; ours != s.initiator {
				t.Errorf("initiator is %v, recorded %v", s.initiator, ours)
			}
			if pending := want.PendingPreKey != nil; pending != (s.pending != nil) {
				t.Errorf("prekey header is still sent: %v, recorded %v", s.pending != nil, pending)
			}
			ratchet := want.CurrentRatchet
			equal(t, "root key", s.root[:], ratchet.RootKey)
			equal(t, "ratchet key", s.ratchet.Private[:], ratchet.EphemeralKeyPair.PrivKey)
			equal(t, "remote identity", s.remote.Encoded(), want.IndexInfo.RemoteIdentityKey)
			if s.previousCounter != ratchet.PreviousCounter {
				t.Errorf("previous counter is %d, recorded %d", s.previousCounter, ratchet.PreviousCounter)
			}
			if n := len(s.receiving); n > 0 {
				equal(t, "remote ratchet key", s.receiving[n-1].ratchetKey.Encoded(), ratchet.LastRemoteEphemeralKey)
			}
			if got := s.storedChains(); !equalChains(got, want.Chains) {
				t.Errorf("chains are %v, recorded %v", got, want.Chains)
			}
		}
	}
}

// storedChains returns the chains of s in the stored form of the real client.
func (s *Session) storedChains() map[string]recordedChain {
	chains := map[string]recordedChain{
		fmt.Sprintf("%x", s.ratchet.Public.Encoded()): {
			ChainType: "SENDING",
			Counter:   int64(s.sending.next) - 1,
			ChainKey:  s.sending.key[:],
		},
	}
	for i, c := range s.receiving {
		stored := recordedChain{
			ChainType:   "RECEIVING",
			Counter:     int64(c.next) - 1,
			MessageKeys: make(map[uint32]vectors.Hex),
		}
		if i == len(s.receiving)-1 {
			stored.ChainKey = c.key[:]
		}
		for _, skipped := range c.skipped {
			stored.MessageKeys[skipped.counter] = skipped.messageKey[:]
		}
		chains[fmt.Sprintf("%x", c.ratchetKey.Encoded())] = stored
	}
	return chains
}

func equalChains(a, b map[string]recordedChain) bool {
	if len(a) != len(b) {
		return false
	}
	for key, x := range a {
		y, ok := b[key]
		if !ok || x.ChainType != y.ChainType || x.Counter != y.Counter || !bytes.Equal(x.ChainKey, y.ChainKey) ||
			len(x.MessageKeys) != len(y.MessageKeys) {
			return false
		}
		for counter, messageKey := range x.MessageKeys {
			if !bytes.Equal(messageKey, y.MessageKeys[counter]) {
				return false
			}
		}
	}
	return true
}
