package account

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/presence"
	"sessiontool/lib/ratchet"
)

// A message is new once: not again in the same batch, in a later one, or for another process.
func TestDuplicates(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	text := bob.says(alice, "once")
	opened := alice.gets(text, text)
	wantText(t, opened[0].Event, "once")
	opened = append(opened, alice.gets(text)...)
	opened = append(opened, alice.anew("another").gets(text)...)
	if opened[0].Duplicate {
		t.Error("the first copy counts as a duplicate")
	}
	for _, one := range opened[1:] {
		if !one.Duplicate || !reflect.DeepEqual(one.Event, opened[0].Event) {
			t.Errorf("a copy is %+v, want a duplicate of %+v", one, opened[0].Event)
		}
	}
}

// The same ratchet message in another wrapping is no new message either.
func TestRewrappedDuplicate(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	text := bob.says(alice, "once")
	wantText(t, alice.get(text), "once")
	before := alice.content()
	if event := alice.get(w.repack(text, w.now.Add(time.Second))); event.Shown() {
		t.Errorf("the second wrapping shows as %+v", event)
	}
	wantOnlySeen(t, before, alice.content())
}

// Garbage, failures and texts stand in one batch in any order; each has its place in the result.
func TestBrokenMessagesInABatch(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	stranger := w.person("stranger")
	first, second, third := bob.says(alice, "first"), bob.says(alice, "second"), bob.says(alice, "third")
	foreign := bob.says(alice, "not for the stranger")

	opened := alice.gets("garbage", third, "", first, strings.Repeat("A", 1<<20), second)
	for i, want := range []string{"", "third", "", "first", "", "second"} {
		if want == "" {
			wantFailure(t, opened[i].Event, "bad_envelope")
		} else {
			wantText(t, opened[i].Event, want)
		}
	}
	wantFailure(t, stranger.get(foreign), "decryption_failed")
	if opened := alice.gets(); len(opened) != 0 {
		t.Errorf("nothing opens to %+v", opened)
	}
}

// A failure shows what the network called the message, unless that is absurdly long.
func TestHashes(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	long := strings.Repeat("h", 257)
	opened, err := alice.Receive(t.Context(), []Incoming{{Data: "1", Hash: "short"}, {Data: "2", Hash: long}},
		[]Cursor{{"node", long}})
	if err != nil || opened[0].Event.Hash != "short" || opened[1].Event.Hash != "" {
		t.Errorf("opened %+v, %v", opened, err)
	}
	if last, err := alice.LastHash(t.Context(), "node"); err != nil || last != "" {
		t.Errorf("the cursor is %q, %v", last, err)
	}
}

// Cursors are kept per node, and move with what was received.
func TestCursor(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	receive := func(node, hash string, data ...string) error {
		var batch []Incoming
		for _, one := range data {
			batch = append(batch, Incoming{Data: one})
		}
		_, err := alice.Receive(t.Context(), batch, []Cursor{{Node: node, Hash: hash}})
		return err
	}
	wantCursors := func(want ...string) {
		t.Helper()
		for i, node := range []string{"n1", "n2"} {
			if got, err := alice.LastHash(t.Context(), node); err != nil || got != want[i] {
				t.Errorf("the cursor of %s is %q (%v), want %q", node, got, err, want[i])
			}
		}
	}
	wantCursors("", "")
	if err := receive("n1", "h1"); err != nil {
		t.Fatal(err)
	}
	if err := receive("n2", "h2", bob.says(alice, "hi")); err != nil {
		t.Fatal(err)
	}
	wantCursors("h1", "h2")

	// If the cursor cannot be stored, nothing has happened, and the messages are as new as before.
	text, request := bob.says(alice, "hi again"), w.person("carol").asks(alice, "hi too")
	before := alice.content()
	if err := receive(strings.Repeat("n", keystore.MaxNameSize+1), "h3", text, request); err == nil {
		t.Error("a cursor for a node with an endless name is stored")
	}
	if after := alice.content(); !reflect.DeepEqual(before, after) {
		t.Errorf("after a failed receive: %v, before it: %v", after, before)
	}
	opened := alice.gets(text, request)
	wantText(t, opened[0].Event, "hi again")
	if opened[1].Event.State != StateReceived {
		t.Errorf("the request shows as %+v", opened[1].Event)
	}
}

// crash makes the world's processes die at a stage of a transaction while work runs.
func (w *world) crash(stage string, work func()) {
	w.t.Helper()
	w.stages = func(reached string) {
		if reached == stage {
			panic("crash")
		}
	}
	defer func() {
		w.stages = nil
		if recover() == nil {
			w.t.Errorf("nothing reached the stage %q", stage)
		}
	}()
	work()
}

// A process that dies just before its commit has received nothing.
func TestCrashBeforeCommit(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	text := bob.says(alice, "hi")
	before := alice.content()
	w.crash(keystore.StageBeforeCommit, func() { alice.get(text) })
	alice.ends(presence.Crashed)
	next := alice.anew("next")
	if after := next.content(); !reflect.DeepEqual(before, after) {
		t.Errorf("after the crash: %v, before it: %v", after, before)
	}
	wantText(t, next.get(text), "hi")
}

// A process that dies just after its commit has not shown what it received: the next one does.
func TestCrashAfterCommit(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	text := bob.says(alice, "hi")
	alice.prints(alice.claims()...)
	w.crash(keystore.StageAfterCommit, func() { alice.get(text) })
	alice.ends(presence.Crashed)
	next := alice.anew("next")
	if !next.gets(text)[0].Duplicate {
		t.Error("the message was not seen")
	}
	claimed := next.claims()
	if len(claimed) != 1 {
		t.Fatalf("claimed %+v", claimed)
	}
	wantText(t, claimed[0], "hi")
}

// What was seen is forgotten when no network can have it any more.
func TestForgetSeen(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	text := bob.says(alice, "hi")
	alice.gets(text, "garbage")
	seen := func() (n int) {
		for name := range alice.content() {
			if strings.HasPrefix(name, string(inbox.TableSeen)+" ") {
				n++
			}
		}
		return n
	}
	for range inbox.SeenFor / lifetime.Day {
		w.pass(lifetime.Day)
		if !alice.gets(text)[0].Duplicate {
			t.Error("a message is forgotten while a node may still have it")
		}
	}
	w.pass(lifetime.Day)
	alice.gets()
	if n := seen(); n != 0 {
		t.Errorf("%d messages are remembered", n)
	}
	// Even then the ratchet does not open a message twice.
	if event := alice.get(text); event.Shown() {
		t.Errorf("a very late copy shows as %+v", event)
	}
}

// A stored message opens although the two have talked on meanwhile for more turns than the real client remembers.
func TestMessageThatIsLate(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.prints(alice.claims()...)
	bob.prints(bob.claims()...)
	late := bob.says(alice, "late")
	for range 3 * ratchet.MaxClosedChains {
		bob.get(alice.says(bob, "and then?"))
		alice.get(bob.says(alice, "wait"))
	}
	if event := alice.get(late); event.Kind != inbox.EventMessage || event.Text != "late" {
		t.Errorf("the late message is %+v", event)
	}
}
