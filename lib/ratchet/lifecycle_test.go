package ratchet

import (
	"bytes"
	"encoding/hex"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// recordedBundle is a PreKeyBundleMessage as session_lifecycle.json decodes it.
type recordedBundle struct {
	IdentityKey, PreKey, SignedKey, Signature recordedBytes
	PreKeyID, SignedKeyID                     uint32
}

type recordedBytes struct{ Hex vectors.Hex }

func (r recordedBundle) bundle(t *testing.T) *x3dh.Bundle {
	oneTime := x25519.PublicKey(r.PreKey.Hex.Array32(t))
	return &x3dh.Bundle{
		IdentityKey:     r.IdentityKey.Hex.Array32(t),
		SignedPrekeyID:  r.SignedKeyID,
		SignedPrekey:    r.SignedKey.Hex.Array32(t),
		Signature:       [64]byte(r.Signature.Hex),
		OneTimePrekeyID: r.PreKeyID,
		OneTimePrekey:   &oneTime,
	}
}

type recordedSend struct {
	Data     string `json:"store_data_base64"`
	Envelope struct {
		Type    ciphertext.Kind
		Content recordedBytes
	}
	Plaintext vectors.Hex `json:"padded_plaintext"`
	Content   struct{ PreKeyBundleMessage *recordedBundle }
}

type lifecycleStep struct {
	Step, Who string
	Sent      []recordedSend
	Received  string        `json:"received_base64"`
	Draws     []vectors.Hex `json:"random_32_byte_draws_clamped"`
}

type lifecycleParty struct {
	Identity       recordedPrekey
	SignedPreKeys  []recordedPrekey
	RegistrationID uint32
}

// client is a party with the last bundle that its contact sent.
type client struct {
	*party
	saved *x3dh.Bundle
}

// Two recorded clients, from the friend request to the reset of the session: the test makes and reads every ratchet
// message. The packages of the outer layers replay those.
func TestLifecycleVectors(t *testing.T) {
	var recording struct {
		Conversations []struct {
			Sealed     bool `json:"sealed_sender"`
			Alice, Bob lifecycleParty
			Steps      []lifecycleStep
			Final      struct {
				Alice, Bob struct{ Sessions map[string]recordedRecord }
			}
		}
	}
	vectors.Load(t, "session_lifecycle.json", &recording)
	for _, c := range recording.Conversations {
		if c.Sealed {
			continue // sealed sender hides the ratchet messages from this package
		}
		clients := map[string]*client{"alice": newClient(t, c.Alice), "bob": newClient(t, c.Bob)}
		alice, bob := clients["alice"], clients["bob"]
		alice.Remote, bob.Remote = bob.Local.Public, alice.Local.Public
		giveOneTimePrekeys(t, clients, c.Steps)

		sent := make(map[string]recordedSend)
		for _, step := range c.Steps {
			for _, m := range step.Sent {
				sent[m.Data] = m
			}
			clients[step.Who].replay(t, step, sent)
		}
		compareRecords(t, alice.party, c.Final.Alice.Sessions)
		compareRecords(t, bob.party, c.Final.Bob.Sessions)
	}
}

func newClient(t *testing.T, recorded lifecycleParty) *client {
	p := emptyParty(Identity{keyPair(t, recorded.Identity.Priv), recorded.RegistrationID}, nil)
	for _, signed := range recorded.SignedPreKeys {
		p.signed[signed.ID] = keyPair(t, signed.Priv)
	}
	return &client{party: p}
}

// giveOneTimePrekeys finds the private keys of a client's published one-time prekeys among all keys that it generated.
func giveOneTimePrekeys(t *testing.T, clients map[string]*client, steps []lifecycleStep) {
	drawn := make(map[string]x25519.KeyPair)
	for _, step := range steps {
		for _, private := range step.Draws {
			pair := keyPair(t, private)
			drawn[hex.EncodeToString(pair.Public.Encoded())] = pair
		}
		for _, m := range step.Sent {
			if published := m.Content.PreKeyBundleMessage; published != nil {
				pair, ok := drawn[hex.EncodeToString(published.PreKey.Hex)]
				if !ok {
					t.Fatalf("%s: private key of one-time prekey %d is not recorded", step.Step, published.PreKeyID)
				}
				clients[step.Who].oneTime[published.PreKeyID] = pair
			}
		}
	}
}

// replay does one step of a client. A type 3 message that it sends while it has its contact's bundle starts a session.
func (c *client) replay(t *testing.T, step lifecycleStep, sent map[string]recordedSend) {
	t.Helper()
	random := draws(step.Draws...)
	c.random = random
	ratchet := false
	if step.Received != "" {
		m, ok := sent[step.Received]
		if !ok {
			t.Fatalf("%s receives what nobody sent", step.Who)
		}
		if isRatchet(m.Envelope.Type) {
			ratchet = true
			c.mustReceive(t, sealed{m.Envelope.Type, m.Envelope.Content.Hex, string(m.Plaintext)})
		}
		if published := m.Content.PreKeyBundleMessage; published != nil {
			c.saved = published.bundle(t)
		}
	}
	for _, m := range step.Sent {
		if !isRatchet(m.Envelope.Type) {
			continue
		}
		if m.Envelope.Type == ciphertext.PreKeyWhisper && c.saved != nil {
			ratchet = true
			c.start(t, *c.saved)
			c.saved = nil
		}
		got := c.send(t, string(m.Plaintext))
		if got.kind != m.Envelope.Type || !bytes.Equal(got.bytes, m.Envelope.Content.Hex) {
			t.Errorf("%s (%s): message is %x, recorded %x", step.Step, step.Who, got.bytes,
				[]byte(m.Envelope.Content.Hex))
		}
	}
	if ratchet && random.Len() > 0 {
		t.Errorf("%s (%s): %d recorded random bytes were not drawn", step.Step, step.Who, random.Len())
	}
	c.restart(t)
}

func isRatchet(envelope ciphertext.Kind) bool {
	return envelope == ciphertext.Whisper || envelope == ciphertext.PreKeyWhisper
}
