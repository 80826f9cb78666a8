package account

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/efforts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/account/usedkeys"
	"sessiontool/lib/envelope"
	"sessiontool/lib/presence"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// copied is a copy of the person's keystore, as on another host.
func (p *person) copied(owner string) *person {
	p.w.t.Helper()
	dir := filepath.Join(p.w.t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(p.w.folders[p.store])); err != nil {
		p.w.t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	a, err := OpenIn(p.w.t.Context(), dir, keystore.Unlock{}, keystore.Options{}, p.w.environment(owner), p.name)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return &person{a, p.w, p.seed}
}

// Two copies of a keystore make two messages with one key. The second one is lost, and its recipient learns why and
// whose.
func TestKeyReused(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("plain ", plain), func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.friends()
			twin := alice.copied("twin")
			alice.env.Plain, twin.env.Plain = plain, plain
			first, second := alice.says(bob, "from the one host"), twin.says(bob, "from the other")
			wantText(t, bob.get(first), "from the one host")
			event := bob.get(second)
			wantFailure(t, event, inbox.CodeKeyReused)
			if event.From != alice.ID() || event.Claimed {
				t.Errorf("from %s, claimed %v", event.From, event.Claimed)
			}
			if again := bob.gets(second)[0]; !again.Duplicate {
				t.Errorf("a copy of it: %+v", again)
			}
			// A node may change the time of the first one's envelope, and a stranger may garble the second one.
			if event := bob.get(w.repack(first, w.now.Add(time.Second))); event.Kind != inbox.EventControl {
				t.Errorf("the first message in another envelope: %+v", event)
			}
			if plain {
				env, err := envelope.Unpack(second)
				if err != nil {
					t.Fatal(err)
				}
				env.Content[len(env.Content)-1] ^= 1
				wantFailure(t, bob.get(w.pack(env)), inbox.CodeDecryptionFailed)
			}
		})
	}
}

// A keystore that is restored from a backup repeats its counters, too: the same as a copy.
func TestKeyReusedAfterRestoring(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	backup := alice.copied("backup")
	for i := range 80 {
		bob.get(alice.says(bob, fmt.Sprint("message ", i)))
	}
	alice.ends(presence.Gone)
	for range 80 {
		wantFailure(t, bob.get(backup.says(bob, "lost")), inbox.CodeKeyReused)
	}
	wantText(t, bob.get(backup.says(bob, "beyond the old counters")), "beyond the old counters")
}

// Without a witness of the used key nothing is proved: a recent message is reported as claimed, and an old one is taken
// for a late copy.
func TestKeyReusedWithoutWitness(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	twin := alice.copied("twin")
	bob.get(alice.says(bob, "from the one host"))
	second := twin.says(bob, "from the other")
	err := bob.update(t.Context(), func(tx *keystore.Tx) error { return usedkeys.Forget(tx, w.now.Add(2*inbox.SeenFor)) })
	if err != nil {
		t.Fatal(err)
	}
	event := bob.get(second)
	wantFailure(t, event, inbox.CodeKeyReused)
	if event.From != alice.ID() || !event.Claimed {
		t.Errorf("from %s, claimed %v", event.From, event.Claimed)
	}
	if event := bob.get(w.repack(second, w.now.Add(-inbox.SeenFor))); event.Kind != inbox.EventControl {
		t.Errorf("an old one: %+v", event)
	}
}

// wastes makes messages that get lost.
func (p *person) wastes(to *person, messages int) {
	p.w.t.Helper()
	err := p.update(p.w.t.Context(), func(tx *keystore.Tx) error {
		record, err := sessions.Load(tx, to.ID())
		if err != nil {
			return err
		}
		for range messages {
			if _, _, err := record.Encrypt([]byte("lost")); err != nil {
				return err
			}
		}
		return sessions.Save(tx, to.ID(), record)
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
}

// After 10 000 unread and expired messages the next one opens, and the session goes on both ways.
func TestOneWayChannel(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.wastes(bob, 10_000)
	wantText(t, bob.get(alice.says(bob, "back from holiday?")), "back from holiday?")
	wantText(t, alice.get(bob.says(alice, "yes")), "yes")
	wantText(t, bob.get(alice.says(bob, "good")), "good")
}

// A message that is far ahead and not authentic costs one contact's effort, and a claimed one that of all strangers.
func TestEffortOfContacts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	e := efforts.New()
	first := e.Of(alice.ID(), false)
	if first == e.Of(bob.ID(), false) || e.Of(alice.ID(), false) != first {
		t.Error("contacts do not have an effort each")
	}
	if e.Of(alice.ID(), true) != e.Of(bob.ID(), true) || e.Of(alice.ID(), true) == e.Of(alice.ID(), false) {
		t.Error("claimed senders do not share one effort")
	}
	var none *ratchet.Effort
	if e.Of(alice.ID(), true) == none {
		t.Error("claimed senders have none")
	}
}

// copyReports returns from whom the person has learnt since the last call that another program sends in its name.
func (p *person) copyReports() (from []sessionid.ID) {
	p.w.t.Helper()
	events := p.claims()
	p.prints(events...)
	for _, event := range events {
		if event.Code == inbox.CodeKeystoreCopied {
			from = append(from, event.From)
		}
	}
	return from
}

// wantCopyReports checks that there is one report from other, or none.
func (p *person) wantCopyReports(other *person, want bool) {
	p.w.t.Helper()
	got := p.copyReports()
	if want != (len(got) == 1) || len(got) > 1 || want && got[0] != other.ID() {
		p.w.t.Errorf("%s has reports of a copy from %d contacts", p.env.Owner, len(got))
	}
}

// When two copies have used one key, the recipient's answer tells both, once. A new friend request begins anew.
func TestBothCopiesLearn(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	twin := alice.copied("twin")
	bob.get(alice.says(bob, "from the one host"))
	wantFailure(t, bob.get(twin.says(bob, "from the other")), inbox.CodeKeyReused)
	answers := bob.answers()
	if len(answers) != 1 {
		t.Fatalf("bob has sent %d answers", len(answers))
	}
	for _, host := range []*person{alice, twin} {
		host.gets(answers...)
		host.wantCopyReports(bob, true)
		if !host.gets(answers...)[0].Duplicate {
			t.Error("the answer comes twice")
		}
		host.wantCopyReports(bob, false)
	}
	bob.get(alice.asks(bob, "let us begin anew"))
	alice.gets(bob.answers()...)
	wantText(t, bob.get(alice.says(bob, "at last")), "at last")
	wantText(t, alice.get(bob.says(alice, "welcome")), "welcome")
	alice.wantCopyReports(bob, false)
}

// A copy that has sent nothing learns of the other one from any message of a contact.
func TestIdleCopyLearns(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	idle := alice.copied("idle")
	bob.get(alice.says(bob, "one"))
	bob.get(alice.says(bob, "two"))
	text := bob.says(alice, "yes?")
	idle.get(text)
	alice.get(text)
	idle.wantCopyReports(bob, true)
	alice.wantCopyReports(bob, false)
}

// A flood of messages with used keys gets one answer an hour.
func TestReuseIsAnsweredOnce(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	twin := alice.copied("twin")
	for range 3 {
		bob.get(alice.says(bob, "from the one host"))
		wantFailure(t, bob.get(twin.says(bob, "from the other")), inbox.CodeKeyReused)
	}
	if n := len(bob.answers()); n != 1 {
		t.Errorf("%d answers", n)
	}
	w.pass(resetEvery)
	bob.get(alice.says(bob, "from the one host"))
	wantFailure(t, bob.get(twin.says(bob, "from the other")), inbox.CodeKeyReused)
	if n := len(bob.answers()); n != 1 {
		t.Errorf("%d answers an hour later", n)
	}
}
