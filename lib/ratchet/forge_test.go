package ratchet

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// Deniability: bob makes everything without alice's private key that alice makes with it. With the same random bytes
// the forged session and all its messages are the same bytes, so no test can distinguish them, with any keys.
func TestForgedSessionIsTheSame(t *testing.T) {
	for name, withOneTime := range map[string]bool{"with a one-time prekey": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			alice, bob := newPair(t, 1)
			signed, err := x3dh.GenerateSignedPrekey(bob.random, bob.Local.KeyPair, 3, time.Unix(1590000000, 0))
			if err != nil {
				t.Fatal(err)
			}
			bob.signed[3] = signed.KeyPair
			var oneTime *x3dh.OneTimePrekey
			if withOneTime {
				made, err := x3dh.GenerateOneTimePrekey(bob.random, 4)
				if err != nil {
					t.Fatal(err)
				}
				oneTime, bob.oneTime[4] = &made, made.KeyPair
			}
			alice.random = seeded(7)
			alice.start(t, x3dh.NewBundle(bob.Local.Public, signed, oneTime))

			forger := emptyParty(Identity{}, seeded(7))
			forger.Remote = bob.Local.Public
			session, err := ForgeInitiator(forger.random, alice.Local.Public, alice.Local.RegistrationID,
				bob.Local.KeyPair, signed, oneTime)
			if err != nil {
				t.Fatal(err)
			}
			forger.record.Add(session)

			for i := range 5 {
				m, forged := alice.send(t, fmt.Sprint("text ", i)), forger.send(t, fmt.Sprint("text ", i))
				if m.kind != forged.kind || !bytes.Equal(m.bytes, forged.bytes) {
					t.Fatalf("message %d differs: %s %x, forged %s %x", i, m.kind, m.bytes, forged.kind, forged.bytes)
				}
				bob.mustReceive(t, forged)
				answer := bob.send(t, fmt.Sprint("answer ", i))
				alice.mustReceive(t, answer)
				forger.mustReceive(t, answer)
				if !bytes.Equal(stored(t, &alice.record), stored(t, &forger.record)) {
					t.Fatalf("after answer %d the sessions differ", i)
				}
			}
		})
	}
}

// A stranger with neither private key makes nothing that bob opens: the shared secret has an agreement of the two
// identities' keys in it that takes one of the private halves.
func TestStrangerCannotForge(t *testing.T) {
	alice, bob := newPair(t, 2)
	bob.bundle(t, 1, 1)
	mallory := emptyParty(Identity{generate(t, bob.random), 1003}, bob.random)
	// What mallory knows of bob is his bundle; the private halves are mallory's own.
	signed, err := x3dh.GenerateSignedPrekey(bob.random, mallory.Local.KeyPair, 1, time.Unix(1590000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	oneTime, err := x3dh.GenerateOneTimePrekey(bob.random, 1)
	if err != nil {
		t.Fatal(err)
	}
	session, err := ForgeInitiator(bob.random, alice.Local.Public, 1001, mallory.Local.KeyPair, signed, &oneTime)
	if err != nil {
		t.Fatal(err)
	}
	mallory.record.Add(session)
	bob.mustRefuse(t, mallory.send(t, "I am alice"), ErrMAC)
}

func TestForgeInitiatorRefusesLowOrder(t *testing.T) {
	_, bob := newPair(t, 3)
	signed, err := x3dh.GenerateSignedPrekey(bob.random, bob.Local.KeyPair, 1, time.Unix(1590000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = ForgeInitiator(bob.random, x25519.PublicKey{}, 1, bob.Local.KeyPair, signed, nil)
	if !errors.Is(err, x25519.ErrLowOrder) {
		t.Errorf("a key of low order: %v", err)
	}
}
