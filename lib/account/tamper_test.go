package account

import (
	"encoding/base64"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
)

// Of all messages that differ from a text in one bit, the text is read once and nothing else ever: what nodes can
// change unnoticed is outside of it.
func TestEveryBitFlipped(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	for _, plain := range []bool{false, true} {
		bob.env.Plain = plain
		text := bob.says(alice, "the text")
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		var batch []string
		for i := range raw {
			raw[i] ^= 1 << (i % 8)
			batch = append(batch, base64.StdEncoding.EncodeToString(raw))
			raw[i] ^= 1 << (i % 8)
		}
		read := 0
		for i, opened := range alice.gets(append(batch, text)...) {
			switch event := opened.Event; event.Kind {
			case inbox.EventMessage:
				wantText(t, event, "the text")
				read++
			case inbox.EventFailure, inbox.EventControl:
			default:
				t.Errorf("with byte %d changed it shows as %+v", i, event)
			}
		}
		if read != 1 {
			t.Errorf("the text was read %d times", read)
		}
		w.talk(alice, bob)
	}
}

// Layer by layer: what is changed, cut or forged there has its own failure and leaves no trace.
func TestTamperedLayers(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	carol := w.person("carol")
	change := func(plain bool, how func(*envelope.Envelope)) string {
		bob.env.Plain = plain
		defer func() { bob.env.Plain = false }()
		env, err := envelope.Unpack(bob.says(alice, "hi"))
		if err != nil {
			t.Fatal(err)
		}
		how(&env)
		return w.pack(env)
	}
	flip := func(at int) func(*envelope.Envelope) {
		return func(env *envelope.Envelope) { env.Content[(at+len(env.Content))%len(env.Content)] ^= 1 }
	}
	for _, test := range []struct {
		name string
		data string
		code inbox.FailureCode
	}{
		{"sealed sender's version", change(false, flip(0)), inbox.CodeDecryptionFailed},
		{"sealed sender's ephemeral key", change(false, flip(10)), inbox.CodeDecryptionFailed},
		{"sealed sender's MAC", change(false, flip(-1)), inbox.CodeDecryptionFailed},
		{"ratchet message's version", change(true, flip(0)), inbox.CodeDecryptionFailed},
		{"ratchet message's MAC", change(true, flip(-1)), inbox.CodeDecryptionFailed},
		{"sender forged, with a session", change(true, func(env *envelope.Envelope) { env.Source = carol.ID() }),
			inbox.CodeNoSession},
		{"kind forged", change(true, func(env *envelope.Envelope) { env.Kind = ciphertext.FriendRequest }),
			inbox.CodeDecryptionFailed},
		{"kind forged", change(true, func(env *envelope.Envelope) { env.Kind = ciphertext.PreKeyWhisper }),
			inbox.CodeDecryptionFailed},
		{"content cut", change(true, func(env *envelope.Envelope) { env.Content = env.Content[:5] }),
			inbox.CodeDecryptionFailed},
	} {
		before := alice.content()
		event := alice.get(test.data)
		if event.Kind != inbox.EventFailure || event.Code != test.code {
			t.Errorf("%s: got %s %q (%s), want %s", test.name, event.Kind, event.Text, event.Code, test.code)
		}
		wantOnlySeen(t, before, alice.content())
	}
	w.talk(alice, bob)
}

// A friend's own mistakes, inside the encryption, change nothing either, not even the ratchet.
func TestMalformedContent(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	for _, test := range []struct {
		name    string
		content message.Content
		code    inbox.FailureCode
	}{
		{"nothing said", message.Content{}, inbox.CodeBadEnvelope},
	} {
		data := bob.puts(alice, test.content)
		before := alice.content()
		event := alice.get(data)
		if event.Kind != inbox.EventFailure || event.Code != test.code {
			t.Errorf("%s: got %s %q (%s), want %s", test.name, event.Kind, event.Text, event.Code, test.code)
		}
		wantOnlySeen(t, before, alice.content())
	}
	w.talk(alice, bob)
}

// What says nothing to people shows nothing: it is there for programs that ask.
func TestControlMessages(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	for want, content := range map[string]message.Content{
		"online":   message.OnlineStatus("host.example", 22021),
		"null":     {Body: message.Null{}},
		"0x100000": {Body: message.Data{Flags: 1 << 20}},
	} {
		if event := alice.get(bob.puts(alice, content)); event.Shown() || event.Kind != inbox.EventControl ||
			event.Text != want {
			t.Errorf("%s shows as %+v", want, event)
		}
	}
	event := alice.get(bob.puts(alice, message.Receipt(message.Read, 7, 8)))
	if event.Kind != inbox.EventDelivery || event.Text != "read" || len(event.Timestamps) != 2 || !event.Shown() {
		t.Errorf("a receipt shows as %+v", event)
	}
}
