package sealedbox

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"sessiontool/lib/internal/refbox"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/sessionid"
)

type recordedPerson struct {
	SessionID sessionid.ID `json:"session_id"`
	Seed      vectors.Hex  `json:"seed_hex"`
}

func (p recordedPerson) keys() sessionid.Keys { return sessionid.KeysFromSeed(sessionid.Seed(p.Seed)) }

type recordedMessage struct {
	Sender    recordedPerson `json:"sender"`
	Recipient recordedPerson `json:"recipient"`
	Envelope  struct {
		Content vectors.Hex `json:"content_hex"`
	} `json:"envelope"`
	Opened struct {
		Padded    vectors.Hex `json:"padded_plaintext"`
		Sender    vectors.Hex `json:"sender_ed25519"`
		Signature vectors.Hex `json:"signature"`
	} `json:"opened"`
}

func recordedMessages(t testing.TB) []recordedMessage {
	t.Helper()
	var recording struct {
		Messages []recordedMessage `json:"messages"`
	}
	vectors.Load(t, "sessionjs_message.json", &recording)
	if len(recording.Messages) == 0 {
		vectors.Missing(t, "the recording has no message")
	}
	return recording.Messages
}

func TestRecordedMessagesOpen(t *testing.T) {
	for _, recorded := range recordedMessages(t) {
		padded, sender, err := Open(recorded.Recipient.keys().X25519, recorded.Envelope.Content)
		if err != nil {
			t.Fatal(err)
		}
		if sender != recorded.Sender.SessionID {
			t.Errorf("the sender is %s and not %s", sender, recorded.Sender.SessionID)
		}
		if !bytes.Equal(padded, recorded.Opened.Padded) {
			t.Errorf("opened to %x", padded)
		}
	}
}

// A box that Seal makes of a recorded content opens with the reference implementation to the recorded bytes. Ed25519
// signatures have no randomness.
func TestOursOpenByThePublishedFormat(t *testing.T) {
	random := testRandom(t)
	for _, recorded := range recordedMessages(t) {
		recipient := recorded.Recipient.keys()
		sealed, err := Seal(random, recorded.Sender.keys(), recipient.X25519.Public, recorded.Opened.Padded)
		if err != nil {
			t.Fatal(err)
		}
		plaintext := openByNotes(t, recipient.X25519.Private, sealed)
		want := bytes.Join([][]byte{recorded.Opened.Padded, recorded.Opened.Sender, recorded.Opened.Signature}, nil)
		if !bytes.Equal(plaintext, want) {
			t.Errorf("the box holds %x and not %x", plaintext, want)
		}
		// The signature covers content, sender and recipient.
		at := len(recorded.Opened.Padded) + ed25519.PublicKeySize
		signed := append(bytes.Clone(plaintext[:at]), recorded.Recipient.SessionID[1:]...)
		if !ed25519.Verify(ed25519.PublicKey(recorded.Opened.Sender), signed, plaintext[at:]) {
			t.Error("the signature does not verify")
		}
	}
}

// The recorded boxes open with the reference implementation too, so that it has the clients' format.
func TestPublishedFormatOpensRecordings(t *testing.T) {
	for _, recorded := range recordedMessages(t) {
		plaintext := openByNotes(t, recorded.Recipient.keys().X25519.Private, recorded.Envelope.Content)
		if !bytes.HasPrefix(plaintext, recorded.Opened.Padded) {
			t.Errorf("the box holds %x", plaintext)
		}
	}
}

// openByNotes opens a box with package refbox, without the code under test.
func openByNotes(t *testing.T, recipient [32]byte, sealed []byte) []byte {
	t.Helper()
	plaintext, err := refbox.Open(recipient, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return plaintext
}
