package ratchet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sessiontool/lib/ratchet"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// prekeys has Bob's only two prekeys.
type prekeys struct {
	signed  x3dh.SignedPrekey
	oneTime x3dh.OneTimePrekey
}

func (p prekeys) SignedPrekey(uint32) (x25519.KeyPair, error)  { return p.signed.KeyPair, nil }
func (p prekeys) OneTimePrekey(uint32) (x25519.KeyPair, error) { return p.oneTime.KeyPair, nil }

// Alice starts a session from Bob's bundle. Bob's session starts with her first message. Messages decrypt in any order,
// and each decrypts once.
func Example() {
	random := rand.NewChaCha8([32]byte{1}) // a program uses crypto/rand
	alicePair, _ := x25519.GenerateKey(random)
	bobPair, _ := x25519.GenerateKey(random)
	signed, _ := x3dh.GenerateSignedPrekey(random, bobPair, 1, time.Unix(1590000000, 0))
	oneTime, _ := x3dh.GenerateOneTimePrekey(random, 2)

	session, err := ratchet.NewInitiator(random, ratchet.Identity{KeyPair: alicePair},
		x3dh.NewBundle(bobPair.Public, signed, &oneTime))
	if err != nil {
		fmt.Println(err)
		return
	}
	var alice, bob ratchet.SessionRecord
	alice.Add(session)

	kind, first, _ := alice.Encrypt([]byte("hello"))
	_, second, _ := alice.Encrypt([]byte("are you there?"))
	fmt.Println("alice sends", kind)

	fromAlice := ratchet.Receiver{
		Local: ratchet.Identity{KeyPair: bobPair}, Prekeys: prekeys{signed, oneTime}, Remote: alicePair.Public,
	}
	for _, message := range [][]byte{second, first, first} {
		decrypted, err := bob.Decrypt(random, fromAlice, kind, message)
		if errors.Is(err, ratchet.ErrDuplicate) {
			fmt.Println("bob ignores a duplicate")
			continue
		}
		fmt.Printf("bob reads %q, %v\n", decrypted.Plaintext, err)
		if decrypted.UsedPrekey != nil {
			fmt.Println("bob deletes one-time prekey", *decrypted.UsedPrekey)
		}
	}

	kind, answer, _ := bob.Encrypt([]byte("yes"))
	decrypted, err := alice.Decrypt(random, ratchet.Receiver{Remote: bobPair.Public}, kind, answer)
	fmt.Printf("alice reads %q of kind %s, %v\n", decrypted.Plaintext, kind, err)
	// Output:
	// alice sends prekey-whisper
	// bob reads "are you there?", <nil>
	// bob deletes one-time prekey 2
	// bob reads "hello", <nil>
	// bob ignores a duplicate
	// alice reads "yes" of kind whisper, <nil>
}
