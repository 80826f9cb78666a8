package x3dh_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// Alice starts a session with Bob from his prekey bundle while he is offline. Bob computes the same secret from the
// keys in her first message.
func Example() {
	random := rand.NewChaCha8([32]byte{1}) // a program uses crypto/rand
	alice, _ := x25519.GenerateKey(random)
	bob, _ := x25519.GenerateKey(random)

	// Bob publishes a bundle of his identity key, a signed prekey and a one-time prekey.
	signed, err := x3dh.GenerateSignedPrekey(random, bob, 1, time.Unix(1590000000, 0))
	if err != nil {
		fmt.Println(err)
		return
	}
	oneTime, _ := x3dh.GenerateOneTimePrekey(random, 2)
	bundle := x3dh.NewBundle(bob.Public, signed, &oneTime)

	// Alice verifies the bundle and computes the secret with an ephemeral key.
	ephemeral, _ := x25519.GenerateKey(random)
	hers, err := x3dh.Initiate(alice, ephemeral, bundle)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Bob computes the secret from her two public keys.
	his, err := x3dh.Respond(bob, signed.KeyPair, &oneTime.KeyPair, alice.Public, ephemeral.Public)
	fmt.Println(hers == his, err)
	fmt.Println(hers)
	// Output:
	// true <nil>
	// x3dh.Secret(redacted)
}

// A bundle whose signed prekey has another signature gives no secret.
func ExampleBundle_Verify() {
	random := rand.NewChaCha8([32]byte{1})
	bob, _ := x25519.GenerateKey(random)
	mallory, _ := x25519.GenerateKey(random)
	signed, _ := x3dh.GenerateSignedPrekey(random, mallory, 1, time.Unix(1590000000, 0))
	fmt.Println(x3dh.NewBundle(mallory.Public, signed, nil).Verify())
	fmt.Println(x3dh.NewBundle(bob.Public, signed, nil).Verify())
	// Output:
	// <nil>
	// signature of the signed prekey is wrong
}
