package sealedsender

import (
	"bytes"
	"reflect"
	"testing"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
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

// checkFriendRequest encrypts with the recorded IV and decrypts on the other side.
func checkFriendRequest(t *testing.T, sender, recipient x25519.KeyPair, iv, plaintext, ciphertext []byte) {
	t.Helper()
	made, err := friendrequest.Encrypt(bytes.NewReader(iv), sender, recipient.Public, plaintext)
	if err != nil || !bytes.Equal(made, ciphertext) {
		t.Errorf("encrypted to %x (%v), want %x", made, err, ciphertext)
	}
	read, err := friendrequest.Decrypt(recipient, sender.Public, ciphertext)
	if err != nil || !bytes.Equal(read, plaintext) {
		t.Errorf("decrypted to %x (%v), want %x", read, err, plaintext)
	}
}

type recordedFull struct {
	Sender      recordedUser `json:"sender"`
	Recipient   recordedUser `json:"recipient"`
	TimestampMS uint64       `json:"timestamp"`
	Data        string       `json:"store_data_base64"`
	WebSocket   struct {
		Request struct {
			ID uint8 `json:"id,string"`
		} `json:"request"`
	} `json:"websocket_message"`
	Fallback struct {
		IV         vectors.Hex `json:"iv"`
		Padded     vectors.Hex `json:"padded_plaintext"`
		Ciphertext vectors.Hex `json:"ciphertext"`
	} `json:"fallback"`
	Sealed *struct {
		Bytes            vectors.Hex `json:"bytes"`
		EphemeralPrivate vectors.Hex `json:"ephemeral_private"`
		EphemeralPublic  vectors.Hex `json:"ephemeral_public"`
		EncryptedStatic  vectors.Hex `json:"encrypted_static"`
		EncryptedMessage vectors.Hex `json:"encrypted_message"`
		EphemeralKey     vectors.Hex `json:"ephemeral_cipher_key"`
		StaticKey        vectors.Hex `json:"static_cipher_key"`
		Inner            vectors.Hex `json:"inner_message_bytes"`
	} `json:"sealed"`
}

func loadFull(t *testing.T) []recordedFull {
	var file struct {
		Full []recordedFull `json:"full"`
	}
	vectors.Load(t, "friend_request.json", &file)
	return file.Full
}

// With the random bytes of the client, a padded content becomes the data text that it stored, and decrypts again.
func TestRecordedFriendRequestsWhole(t *testing.T) {
	for _, recorded := range loadFull(t) {
		sender, recipient := recorded.Sender.keys(t), recorded.Recipient.keys(t)
		checkFriendRequest(t, sender, recipient, recorded.Fallback.IV, recorded.Fallback.Padded,
			recorded.Fallback.Ciphertext)

		e := envelope.Envelope{
			Kind:        ciphertext.FriendRequest,
			Source:      recorded.Sender.ID,
			TimestampMS: recorded.TimestampMS,
			Content:     recorded.Fallback.Ciphertext,
		}
		if recorded.Sealed != nil {
			inner := Inner{
				Kind:    ciphertext.FriendRequest,
				Sender:  recorded.Sender.ID,
				Content: recorded.Fallback.Ciphertext,
			}
			sealed, err := Seal(bytes.NewReader(recorded.Sealed.EphemeralPrivate), sender, recipient.Public, inner)
			if err != nil || !bytes.Equal(sealed, recorded.Sealed.Bytes) {
				t.Errorf("sealed to %x (%v), want %x", sealed, err, recorded.Sealed.Bytes)
			}
			opened, err := Open(recipient, recorded.Sealed.Bytes)
			if err != nil || !reflect.DeepEqual(opened, inner) {
				t.Errorf("opened to %v (%v), want %v", opened, err, inner)
			}
			e = envelope.Envelope{Kind: ciphertext.Sealed, TimestampMS: recorded.TimestampMS, Content: sealed}
		}
		data, err := envelope.Pack(bytes.NewReader([]byte{recorded.WebSocket.Request.ID}), e)
		if err != nil || data != recorded.Data {
			t.Errorf("stored %s (%v), want %s", data, err, recorded.Data)
		}
	}
}

// The intermediate keys of sealed sender are the recorded ones.
func TestRecordedSealedSenderStepByStep(t *testing.T) {
	for _, recorded := range loadFull(t) {
		want := recorded.Sealed
		if want == nil {
			continue
		}
		ephemeral, static, message, err := parse(want.Bytes)
		if err != nil || !bytes.Equal(ephemeral.Encoded(), want.EphemeralPublic) ||
			!bytes.Equal(static, want.EncryptedStatic) || !bytes.Equal(message, want.EncryptedMessage) {
			t.Fatalf("parsed %x, %x, %x, %v", ephemeral, static, message, err)
		}
		recipient := recorded.Recipient.keys(t)
		outer, chain, err := ephemeralKeys(recipient, ephemeral, recipient.Public, ephemeral)
		if err != nil || !bytes.Equal(outer.cipher[:], want.EphemeralKey) {
			t.Errorf("ephemeral key %x (%v), want %x", outer.cipher, err, want.EphemeralKey)
		}
		inmost, err := staticKeys(recipient, recorded.Sender.ID.PublicKey(), chain, static)
		if err != nil || !bytes.Equal(inmost.cipher[:], want.StaticKey) {
			t.Errorf("static key %x (%v), want %x", inmost.cipher, err, want.StaticKey)
		}
		inner := Inner{
			Kind:    ciphertext.FriendRequest,
			Sender:  recorded.Sender.ID,
			Content: recorded.Fallback.Ciphertext,
		}
		if got := marshal(t, inner); !bytes.Equal(got, want.Inner) {
			t.Errorf("inner message %x, want %x", got, want.Inner)
		}
	}
}

type recordedConversation struct {
	Sealed bool          `json:"sealed_sender"`
	Alice  recordedParty `json:"alice"`
	Bob    recordedParty `json:"bob"`
	Steps  []struct {
		Who  string `json:"who"`
		Sent []struct {
			Data   string      `json:"store_data_base64"`
			Padded vectors.Hex `json:"padded_plaintext"`
		} `json:"sent"`
	} `json:"steps"`
}

type recordedParty struct {
	Identity struct {
		Private vectors.Hex `json:"priv"`
	} `json:"identity"`
}

// Sealed senders and friend requests need no session: those of recorded conversations open with the identity keys.
func TestRecordedConversations(t *testing.T) {
	var file struct {
		Conversations []recordedConversation `json:"conversations"`
	}
	vectors.Load(t, "session_lifecycle.json", &file)
	for _, conversation := range file.Conversations {
		alice := x25519.NewKeyPair(conversation.Alice.Identity.Private.Array32(t))
		bob := x25519.NewKeyPair(conversation.Bob.Identity.Private.Array32(t))
		for _, step := range conversation.Steps {
			sender, recipient := alice, bob
			if step.Who == "bob" {
				sender, recipient = bob, alice
			}
			for _, sent := range step.Sent {
				e, err := envelope.Unpack(sent.Data)
				if err != nil {
					t.Fatal(err)
				}
				friendRequest, content := e.Kind == ciphertext.FriendRequest, e.Content
				if e.Kind == ciphertext.Sealed {
					inner, err := Open(recipient, e.Content)
					if err != nil || inner.Sender != sessionid.FromPublicKey(sender.Public) {
						t.Fatalf("%s sent a message sealed by %v, %v", step.Who, inner.Sender, err)
					}
					friendRequest, content = inner.Kind == ciphertext.FriendRequest, inner.Content
				}
				if (e.Kind == ciphertext.Sealed) != conversation.Sealed {
					t.Errorf("a %s envelope in a conversation with sealed senders: %v", e.Kind, conversation.Sealed)
				}
				if friendRequest {
					checkFriendRequest(t, sender, recipient, content[:min(len(content), 16)], sent.Padded, content)
				}
			}
		}
	}
}
