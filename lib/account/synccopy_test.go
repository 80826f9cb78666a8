package account

import (
	"slices"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/storage"
)

// restored makes a person whose account is known to be on other devices, and one of these.
func (w *world) restored(name string) (device, other *person) {
	w.t.Helper()
	other = w.person(name)
	store := w.keystore()
	a, err := Restore(w.t.Context(), store, w.environment(name+"'s other device"), name, name, other.seed)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{a, w, other.seed}, other
}

// copiesLeft takes the copies for other devices out of the outbox.
func (p *person) copiesLeft() (data []string) {
	p.w.t.Helper()
	for _, out := range p.claimsOutbox() {
		if out.Kind == KindCopy {
			data = append(data, p.sends(out, nil))
		}
	}
	return data
}

// A text of session-v1 leaves a copy for the account's other devices, which show it as sent; the device itself ignores
// it. A new account has no other devices, and texts of protocol signal have no copies.
func TestSentCopies(t *testing.T) {
	w := newWorld(t)
	alice, other := w.restored("alice")
	bob := w.person("bob")
	out := alice.seals(Draft{To: bob.ID(), Text: "hi", Network: storage.Generation28})
	left := alice.copiesLeft()
	if len(left) != 1 {
		t.Fatalf("alice leaves %d copies", len(left))
	}
	event := other.get(left[0])
	if event.Kind != inbox.EventMessage || event.To != bob.ID() || event.From != alice.ID() || event.Text != "hi" ||
		event.TimestampMS != out.TimestampMS {
		t.Errorf("the other device shows %+v", event)
	}
	if event := alice.get(left[0]); event.Kind != inbox.EventControl {
		t.Errorf("alice shows its own copy: %+v", event)
	}
	other.wantState(bob, StateSent)
	for name, draft := range map[string]Draft{
		"new account":  {To: alice.ID(), Text: "hi", Network: storage.Generation28},
		"not restored": {To: alice.ID(), Text: "ho", Network: storage.Generation28, Copy: CopyUsual},
	} {
		bob.seals(draft)
		if left := bob.copiesLeft(); len(left) > 0 {
			t.Errorf("%s: %d copies", name, len(left))
		}
	}
	bob.seals(Draft{To: alice.ID(), Text: "asked", Network: storage.Generation28, Copy: CopyAlways})
	if left := bob.copiesLeft(); len(left) != 1 {
		t.Errorf("with CopyAlways: %d copies", len(left))
	}
	alice.seals(Draft{To: bob.ID(), Text: "none", Network: storage.Generation28, Copy: CopyNever})
	if left := alice.copiesLeft(); len(left) > 0 {
		t.Errorf("with CopyNever: %d copies", len(left))
	}
}

// A request of session-v1 is a text, and leaves a copy. One of protocol signal is for this device's session.
func TestCopiesOfRequests(t *testing.T) {
	w := newWorld(t)
	alice, other := w.restored("alice")
	for text, want := range map[string]int{"public": 1, "private": 0} {
		bob := w.person(text)
		draft := Draft{To: bob.ID(), Text: text, Network: storage.Generation28}
		if want == 0 {
			draft.Protocol = ProtocolSignal
		}
		out, err := alice.BeginRequest(draft, false).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		left := alice.copiesLeft()
		if len(left) != want {
			t.Fatalf("%s: %d copies", text, len(left))
		}
		for _, data := range left {
			if event := other.get(data); event.To != bob.ID() || event.Text != text || event.TimestampMS != out.TimestampMS {
				t.Errorf("the other device shows %+v", event)
			}
		}
	}
}

// A text that is sealed again, cancelled or given up takes its copy along.
func TestCopiesGoWithTheirTexts(t *testing.T) {
	w := newWorld(t)
	alice, _ := w.restored("alice")
	bob := w.person("bob")
	kinds := func() (kinds []Kind) {
		waiting, _, err := alice.OutboxWaiting(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, out := range waiting {
			kinds = append(kinds, out.Kind)
		}
		return kinds
	}
	draft := Draft{To: bob.ID(), Text: "hi", Network: storage.Generation28}
	out := alice.seals(draft)
	w.pass(1e9)
	anew, err := alice.Reseal(t.Context(), out, draft)
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(); !slices.Equal(got, []Kind{KindText, KindCopy}) {
		t.Errorf("after sealing anew wait %v", got)
	}
	if err := alice.Discard(t.Context(), anew); err != nil {
		t.Fatal(err)
	}
	if got := kinds(); len(got) > 0 {
		t.Errorf("after the text was given up wait %v", got)
	}
	out = alice.seals(draft)
	if err := alice.Release(t.Context(), out.Seq); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Cancel(t.Context(), out.Seq); err != nil {
		t.Fatal(err)
	}
	if got := kinds(); len(got) > 0 {
		t.Errorf("after the text was cancelled wait %v", got)
	}
}

// A text with forward secrecy leaves a copy only if the copy has it, too, unless the user asks for one.
func TestCopiesKeepForwardSecrecy(t *testing.T) {
	w := newWorld(t)
	alice, other := w.restored("alice")
	bob := w.person("bob")
	key := bob.publishes()
	alice.learns(bob, &key)
	draft := Draft{To: bob.ID(), Text: "hi", Network: storage.Generation28}
	if out := alice.seals(draft); !out.ForwardSecrecy {
		t.Fatalf("sealed %+v", out)
	}
	if left := alice.copiesLeft(); len(left) > 0 {
		t.Errorf("a copy without forward secrecy is left")
	}
	draft.Copy, draft.Text = CopyAlways, "asked"
	alice.seals(draft)
	left := alice.copiesLeft()
	if len(left) != 1 || other.get(left[0]).Text != "asked" {
		t.Errorf("asked for a copy, alice leaves %d", len(left))
	}
	draft.Copy, draft.Text = CopyUsual, "secret"
	alice.publishes()
	alice.seals(draft)
	left = alice.copiesLeft()
	if len(left) != 1 {
		t.Fatalf("alice leaves %d copies", len(left))
	}
	twin := alice.anew("the same keystore")
	if event := twin.get(left[0]); event.Kind != inbox.EventControl || event.Text != "duplicate" {
		t.Errorf("the device opens its own copy as %+v", event)
	}
}
