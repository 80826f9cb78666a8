package envelope_test

import (
	"bytes"
	"fmt"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// A sender packs a ciphertext into the data text of a store request. The recipient unpacks it.
func Example() {
	alice := sessionid.FromPublicKey(x25519.PublicKey{1})
	requestID := bytes.NewReader([]byte{7}) // a program uses crypto/rand
	data, err := envelope.Pack(requestID, envelope.Envelope{
		Kind: ciphertext.Whisper, Source: alice, TimestampMS: 1590000000000, Content: []byte("ciphertext"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	received, err := envelope.Unpack(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, %d, %q\n", received.Kind, received.TimestampMS, received.Content)
	fmt.Println(received.Source == alice)

	// The envelope of a sealed sender must not name the sender.
	_, err = envelope.Pack(requestID, envelope.Envelope{Kind: ciphertext.Sealed, Source: alice, Content: []byte("x")})
	fmt.Println(err)
	// Output:
	// whisper, 1590000000000, "ciphertext"
	// true
	// envelope source does not fit its type: envelope of a sealed sender has a source
}
