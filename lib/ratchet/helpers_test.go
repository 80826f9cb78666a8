package ratchet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// party is one side of a conversation: an account with its prekeys and its session record for the other side.
type party struct {
	Receiver
	record SessionRecord
	random io.Reader

	signed  map[uint32]x25519.KeyPair
	oneTime map[uint32]x25519.KeyPair
}

func (p *party) SignedPrekey(id uint32) (x25519.KeyPair, error)  { return find(p.signed, id) }
func (p *party) OneTimePrekey(id uint32) (x25519.KeyPair, error) { return find(p.oneTime, id) }

func find(prekeys map[uint32]x25519.KeyPair, id uint32) (x25519.KeyPair, error) {
	pair, ok := prekeys[id]
	if !ok {
		return x25519.KeyPair{}, ErrUnknownPrekey
	}
	return pair, nil
}

// emptyParty returns a party without prekeys. The caller sets its Remote.
func emptyParty(identity Identity, random io.Reader) *party {
	p := &party{
		random:  random,
		signed:  make(map[uint32]x25519.KeyPair),
		oneTime: make(map[uint32]x25519.KeyPair),
	}
	p.Local, p.Prekeys = identity, p
	return p
}

// newPair makes two parties from a seed. Each has the identity key of the other.
func newPair(t testing.TB, seed byte) (alice, bob *party) {
	t.Helper()
	random := seeded(seed)
	alice = emptyParty(Identity{generate(t, random), 1001}, random)
	bob = emptyParty(Identity{generate(t, random), 1002}, random)
	alice.Remote, bob.Remote = bob.Local.Public, alice.Local.Public
	return alice, bob
}

// newSession returns a pair in which alice has started a session from bob's bundle and has sent nothing.
func newSession(t testing.TB, seed byte) (alice, bob *party) {
	t.Helper()
	alice, bob = newPair(t, seed)
	alice.start(t, bob.bundle(t, 1, 1))
	return alice, bob
}

// newConversation returns a pair after one message in each direction. Both then encrypt WhisperMessages.
func newConversation(t testing.TB, seed byte) (alice, bob *party) {
	t.Helper()
	alice, bob = newSession(t, seed)
	exchange(t, alice, bob, "hello")
	exchange(t, bob, alice, "hello to you")
	return alice, bob
}

// seeded returns a random source that is the same in every run.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func generate(t testing.TB, random io.Reader) x25519.KeyPair {
	t.Helper()
	pair, err := x25519.GenerateKey(random)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// bundle generates prekeys with these IDs and returns their bundle.
func (p *party) bundle(t testing.TB, signedID, oneTimeID uint32) x3dh.Bundle {
	t.Helper()
	signed, err := x3dh.GenerateSignedPrekey(p.random, p.Local.KeyPair, signedID, time.Unix(1590000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	oneTime, err := x3dh.GenerateOneTimePrekey(p.random, oneTimeID)
	if err != nil {
		t.Fatal(err)
	}
	p.signed[signedID], p.oneTime[oneTimeID] = signed.KeyPair, oneTime.KeyPair
	return x3dh.NewBundle(p.Local.Public, signed, &oneTime)
}

// start starts a session from the bundle of the other side.
func (p *party) start(t testing.TB, bundle x3dh.Bundle) {
	t.Helper()
	session, err := NewInitiator(p.random, p.Local, bundle)
	if err != nil {
		t.Fatal(err)
	}
	p.record.Add(session)
}

// sealed is a message in flight.
type sealed struct {
	kind      ciphertext.Kind
	bytes     []byte
	plaintext string
}

func (p *party) send(t testing.TB, plaintext string) sealed {
	t.Helper()
	kind, message, err := p.record.Encrypt([]byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return sealed{kind, message, plaintext}
}

// receive decrypts the message and deletes the one-time prekey that it used, like an account.
func (p *party) receive(m sealed) (string, error) {
	opened, err := p.record.Decrypt(p.random, p.Receiver, m.kind, m.bytes)
	if err != nil {
		return "", err
	}
	if opened.UsedPrekey != nil {
		delete(p.oneTime, *opened.UsedPrekey)
	}
	return string(opened.Plaintext), nil
}

func (p *party) mustReceive(t testing.TB, m sealed) {
	t.Helper()
	plaintext, err := p.receive(m)
	if err != nil {
		t.Fatalf("%s: %v", m.plaintext, err)
	}
	if plaintext != m.plaintext {
		t.Fatalf("opened %q, want %q", plaintext, m.plaintext)
	}
}

// mustRefuse checks that decryption fails with want and does not change the stored record.
func (p *party) mustRefuse(t testing.TB, m sealed, want error) {
	t.Helper()
	before := stored(t, &p.record)
	plaintext, err := p.receive(m)
	if !errors.Is(err, want) {
		t.Fatalf("%s: got %q and error %v, want %v", m.plaintext, plaintext, err, want)
	}
	if !bytes.Equal(before, stored(t, &p.record)) {
		t.Fatalf("%s: refused, but the record changed", m.plaintext)
	}
}

// exchange sends one message from one party to the other.
func exchange(t testing.TB, from, to *party, plaintext string) {
	t.Helper()
	to.mustReceive(t, from.send(t, plaintext))
}

func stored(t testing.TB, record *SessionRecord) []byte {
	t.Helper()
	data, err := record.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// restart stores the record and loads it again, as between two commands.
func (p *party) restart(t testing.TB) {
	t.Helper()
	before := stored(t, &p.record)
	p.record = SessionRecord{}
	if err := p.record.UnmarshalBinary(before); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, stored(t, &p.record)) {
		t.Fatal("the record changed when it was stored and loaded")
	}
}
