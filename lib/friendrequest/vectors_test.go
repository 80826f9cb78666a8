package friendrequest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// recordedUser is a party of a recorded friend request.
type recordedUser struct {
	Private vectors.Hex  `json:"priv"`
	ID      sessionid.ID `json:"session_id"`
}

func (u recordedUser) keys(t *testing.T) x25519.KeyPair {
	t.Helper()
	pair := x25519.NewKeyPair(u.Private.Array32(t))
	if sessionid.FromPublicKey(pair.Public) != u.ID {
		t.Fatalf("recorded private key is not that of %s", u.ID)
	}
	return pair
}

type recordedRaw struct {
	Sender     recordedUser `json:"sender"`
	Recipient  recordedUser `json:"recipient"`
	Plaintext  vectors.Hex  `json:"plaintext"`
	IV         vectors.Hex  `json:"iv"`
	Ciphertext vectors.Hex  `json:"ciphertext"`
}

func TestVectors(t *testing.T) {
	var file struct {
		Raw      []recordedRaw `json:"raw"`
		Negative []struct {
			Case       string      `json:"case"`
			Ciphertext vectors.Hex `json:"ciphertext"`
			Error      string      `json:"error"`
		} `json:"negative"`
	}
	vectors.Load(t, "friend_request.json", &file)
	for _, raw := range file.Raw {
		sender, recipient := raw.Sender.keys(t), raw.Recipient.keys(t)
		checkVector(t, sender, recipient, raw.IV, raw.Plaintext, raw.Ciphertext)
		for _, negative := range file.Negative {
			if negative.Ciphertext == nil || !strings.Contains(negative.Error, raw.Sender.ID.String()) {
				continue // without bytes, or for other keys
			}
			if plaintext, err := Decrypt(recipient, sender.Public, negative.Ciphertext); !errors.Is(err, ErrDecrypt) {
				t.Errorf("%s: decrypted to %x, %v", negative.Case, plaintext, err)
			}
		}
	}
}

// checkVector encrypts with the recorded IV and decrypts on the other side.
func checkVector(t *testing.T, sender, recipient x25519.KeyPair, iv, plaintext, ciphertext []byte) {
	t.Helper()
	made, err := Encrypt(bytes.NewReader(iv), sender, recipient.Public, plaintext)
	if err != nil || !bytes.Equal(made, ciphertext) {
		t.Errorf("encrypted to %x (%v), want %x", made, err, ciphertext)
	}
	read, err := Decrypt(recipient, sender.Public, ciphertext)
	if err != nil || !bytes.Equal(read, plaintext) {
		t.Errorf("decrypted to %x (%v), want %x", read, err, plaintext)
	}
}
