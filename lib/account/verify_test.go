package account

import (
	"errors"
	"strings"
	"testing"
)

func (p *person) wantVerified(other *person, want bool) {
	p.w.t.Helper()
	contact, err := p.Contact(p.w.t.Context(), other.ID())
	if err != nil {
		p.w.t.Fatal(err)
	}
	if contact.Verified != want {
		p.w.t.Errorf("%s has %s verified: %v", p.Name(), other.Name(), contact.Verified)
	}
}

// Both sides compute the same number. Passing it to one account marks the contact there, and only there.
func TestVerify(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	alice, bob := w.friends()
	carol := w.person("carol")
	alice.wantVerified(bob, false)

	number := bob.SafetyNumber(alice.ID())
	for _, wrong := range []string{"", number + "0", carol.SafetyNumber(alice.ID())} {
		if err := alice.Verify(ctx, bob.ID(), wrong); !errors.Is(err, ErrSafetyNumber) {
			t.Errorf("the number %q: %v", wrong, err)
		}
	}
	alice.wantVerified(bob, false)

	if err := alice.Verify(ctx, bob.ID(), strings.ReplaceAll(number, " ", "")); err != nil {
		t.Fatal(err)
	}
	alice.wantVerified(bob, true)
	bob.wantVerified(alice, false)

	// Talking, and a new session, change nothing: the key is the same.
	w.chat(alice, bob)
	alice.wantVerified(bob, true)

	if err := alice.Verify(ctx, carol.ID(), alice.SafetyNumber(carol.ID())); !errors.Is(err, ErrUnknownContact) {
		t.Errorf("somebody unknown: %v", err)
	}
	if err := alice.RemoveContact(ctx, bob.ID()); err != nil {
		t.Fatal(err)
	}
	if err := alice.Verify(ctx, bob.ID(), number); !errors.Is(err, ErrUnknownContact) {
		t.Errorf("a contact that was removed: %v", err)
	}
}
