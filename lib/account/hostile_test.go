package account

import (
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
)

// The sender in an envelope without a seal is only claimed: any client can write it. A message that a session opens is
// authenticated.
func TestForgedSenderIsOnlyClaimed(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	for _, kind := range []ciphertext.Kind{ciphertext.Whisper, ciphertext.PreKeyWhisper, ciphertext.FriendRequest} {
		event := alice.get(w.pack(envelope.Envelope{Kind: kind, Source: bob.ID(), TimestampMS: 1,
			Content: []byte("forged")}))
		if event.Kind != inbox.EventFailure || event.From != bob.ID() || !event.Claimed {
			t.Errorf("%v: %+v", kind, event)
		}
	}
	if event := alice.get(bob.asks(alice, "hi")); event.Kind != inbox.EventFriendRequest || event.Claimed {
		t.Errorf("a true request is %+v", event)
	}
}
