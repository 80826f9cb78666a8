package account

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
)

// saying is a text of a conversation.
type saying struct {
	bobs bool
	text string
}

var sayings = []saying{
	{true, "I did it."}, {true, "Tell nobody."}, {false, "Why?"}, {true, "For the money"},
	{false, strings.Repeat("No! ", 100)}, {true, "Yes."}, {true, strings.Repeat("Really. ", 200)},
}

// lastWords is how many texts of bob end the conversation.
const lastWords = 2

// transcript is the data of one conversation, and what of it still waits for alice.
type transcript struct {
	alice   *person
	data    []string
	waiting []string
}

// speak is a conversation that took place: alice asks, bob accepts, both talk, and alice reads before she answers.
func speak(w *world) (said transcript) {
	alice, bob := w.person("alice"), w.person("bob")
	said.alice = alice
	from := func(data ...string) { said.data = append(said.data, data...) }
	request := alice.asks(bob, "hi bob")
	bob.get(request)
	accepted := bob.accepts(alice)
	from(request, accepted)
	said.waiting = []string{accepted}
	for _, s := range sayings {
		if s.bobs {
			data := bob.says(alice, s.text)
			from(data)
			said.waiting = append(said.waiting, data)
			continue
		}
		for _, opened := range alice.gets(said.waiting...) {
			if !opened.Event.Shown() {
				continue
			}
			if err := alice.MarkDelivered(w.t.Context(), opened.Event); err != nil {
				w.t.Fatal(err)
			}
		}
		said.waiting = nil
		answers := alice.answers()
		data := alice.says(bob, s.text)
		bob.gets(append(answers, data)...)
		from(append(answers, data)...)
	}
	return said
}

// forge is the same conversation without bob: alice alone makes it, from bob's Session ID.
func forge(w *world, alice *person, bob sessionid.ID) (said transcript) {
	w.t.Helper()
	ctx := w.t.Context()
	store := w.keystore()
	f, err := alice.Forge(ctx, store, bob, "bob")
	if err != nil {
		w.t.Fatal(err)
	}
	take := func(messages []ForgedMessage, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range messages {
			said.data = append(said.data, m.Data)
			if m.From == bob {
				said.waiting = append(said.waiting, m.Data)
			}
		}
	}
	take(f.Begin(ctx, "hi bob", time.Time{}))
	for _, s := range sayings {
		if s.bobs {
			m, err := f.Theirs(s.text, time.Time{})
			take([]ForgedMessage{m}, err)
			continue
		}
		said.waiting = nil
		take(f.Ours(ctx, s.text, time.Time{}))
	}
	copied, err := Open(ctx, store, w.environment("judge"), "alice")
	if err != nil {
		w.t.Fatal(err)
	}
	said.alice = &person{copied, w, alice.seed}
	return said
}

// A forged transcript has the shape of a real one: message for message the same kinds, fields and lengths, outside and
// inside, and it leaves the same state behind.
func TestForgedTranscriptLooksReal(t *testing.T) {
	w := newWorld(t)
	real := speak(w)
	alice, bob := w.person("alice"), w.person("bob")
	forged := forge(w, alice, bob.ID())
	if len(real.data) != len(forged.data) {
		t.Fatalf("%d messages, %d of them forged", len(real.data), len(forged.data))
	}
	for i := range real.data {
		if want, got := shape(t, real.alice, real.data[i]), shape(t, forged.alice, forged.data[i]); want != got {
			t.Errorf("message %d is %s, forged %s", i, want, got)
		}
	}
	// The keystores have the same records, but for names that are digests, IDs or numbers.
	if want, got := recordCounts(real.alice), recordCounts(forged.alice); !maps.Equal(want, got) {
		t.Errorf("the keystore has %v records, forged %v", want, got)
	}
	// The code that opens a real message opens a forged one, and says the same of it.
	for name, said := range map[string]transcript{"real": real, "forged": forged} {
		if len(said.waiting) != lastWords {
			t.Fatalf("%s: %d messages wait", name, len(said.waiting))
		}
		for i, opened := range said.alice.gets(said.waiting...) {
			wantText(t, opened.Event, sayings[len(sayings)-lastWords+i].text)
			if opened.Event.DisplayName != "bob" || opened.Duplicate || len(opened.Ack) == 0 {
				t.Errorf("%s: opened as %+v", name, opened)
			}
		}
	}
	forged.alice.wantState(bob, StateFriends)
	if empty, err := forged.alice.OutboxEmpty(t.Context()); err != nil || !empty {
		t.Errorf("the throw-away keystore has something to send: %v", err)
	}
}

// shape describes everything about a message but its random bytes, as its reader sees it. The length of the whole
// depends on the envelope's random number, a varint.
func shape(t *testing.T, alice *person, data string) string {
	t.Helper()
	env, err := envelope.Unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	outside := fmt.Sprint(env.Kind, " ", env.TimestampMS, " ", env.Source.IsZero(), " ", len(env.Content))
	inner, err := sealedsender.Open(alice.keys.X25519, env.Content)
	if errors.Is(err, sealedsender.ErrDecrypt) {
		return outside + " for bob"
	}
	if err != nil {
		t.Fatal(err)
	}
	body, header := inner.Content, ""
	if inner.Kind == ciphertext.PreKeyWhisper {
		m, err := ratchet.ParsePreKeyWhisperMessage(body)
		if err != nil {
			t.Fatal(err)
		}
		if m.IdentityKey != inner.Sender.PublicKey() {
			t.Error("the identity is not the sender's")
		}
		header = fmt.Sprint(len(body), " ", m.Version, " ", *m.OneTimePrekeyID, " ", m.SignedPrekeyID)
		body = m.Message
	}
	m, err := ratchet.ParseWhisperMessage(body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(outside, " for alice ", inner.Kind, " ", header, " ", len(body), " ", m.Version, " ", m.Counter,
		" ",
		m.PreviousCounter, " ", len(m.Ciphertext))
}

// recordCounts counts the records of each table.
func recordCounts(p *person) map[string]int {
	counts := make(map[string]int)
	for name := range p.content() {
		table, _, _ := strings.Cut(name, " ")
		counts[table]++
	}
	return counts
}

// Forging does not touch the account's own keystore, whether it has a session with the contact or not.
func TestForgeTouchesNothing(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	before := alice.content()
	forged := forge(w, alice, bob.ID())
	if after := alice.content(); !maps.Equal(before, after) {
		t.Error("the account's keystore has changed")
	}
	if forged.alice.ID() != alice.ID() {
		t.Error("the transcript is another account's")
	}
	w.talk(alice, bob)
	// And the real session does not take the forged messages for its own.
	for _, data := range forged.waiting {
		if event := alice.get(data); event.Kind == inbox.EventMessage {
			t.Errorf("the live session has opened a forged message: %+v", event)
		}
	}
}

// The timestamps of a transcript are those that its maker wants, as far as they do not go back.
func TestForgeTimes(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	f, err := alice.Forge(t.Context(), w.keystore(), bob.ID(), "")
	if err != nil {
		t.Fatal(err)
	}
	begun := w.now.Add(-48 * time.Hour)
	made, err := f.Begin(t.Context(), "", begun)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{begun.Add(time.Hour), {}, begun} {
		m, err := f.Theirs("text", at)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, m)
	}
	var got []int64
	for _, m := range made {
		got = append(got, m.TimestampMS-begun.UnixMilli())
	}
	if hour := time.Hour.Milliseconds(); !slices.Equal(got, []int64{0, 0, hour, hour, hour}) {
		t.Errorf("timestamps after the first: %v", got)
	}
}

// The keystore that a transcript leaves is no younger than the transcript.
func TestForgeBackdates(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	first := w.now
	w.pass(24 * time.Hour)
	if _, err := alice.RotatePrekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		begun  time.Time
		prekey uint32
	}{
		"now":                {w.now, 2},
		"between":            {first.Add(time.Hour), 1},
		"before the account": {first.Add(-365 * 24 * time.Hour), 1},
	} {
		store := w.keystore()
		f, err := alice.Forge(t.Context(), store, bob.ID(), "")
		if err != nil {
			t.Fatal(err)
		}
		made, err := f.Begin(t.Context(), "", test.begun)
		if err != nil {
			t.Fatal(err)
		}
		if answers, err := f.Ours(t.Context(), "we are friends", time.Time{}); err != nil || len(answers) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		copied, err := Open(t.Context(), store, w.environment("judge"), "alice")
		if err != nil {
			t.Fatal(err)
		}
		prekeys, err := copied.Prekeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range prekeys {
			if key.CreatedAt.After(test.begun) {
				t.Errorf("%s: prekey %d is of %s", name, key.ID, key.CreatedAt)
			}
		}
		if copied.id.CreatedAt.After(test.begun) {
			t.Errorf("%s: the account is of %s", name, copied.id.CreatedAt)
		}
		inner, err := sealedsender.Open(alice.keys.X25519, contentOf(t, made[1].Data))
		if err != nil {
			t.Fatal(err)
		}
		m, err := ratchet.ParsePreKeyWhisperMessage(inner.Content)
		if err != nil || m.SignedPrekeyID != test.prekey {
			t.Errorf("%s: signed prekey %d, %v", name, m.SignedPrekeyID, err)
		}
	}
}

// contentOf returns what is in an envelope.
func contentOf(t *testing.T, data string) []byte {
	t.Helper()
	env, err := envelope.Unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	return env.Content
}

func TestForgeRefuses(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	if _, err := alice.Forge(t.Context(), w.keystore(), alice.ID(), ""); !errors.Is(err, ErrSelf) {
		t.Errorf("with oneself: %v", err)
	}
	if _, err := alice.Forge(t.Context(), w.keystore(), bob.ID(), "\xff"); !errors.Is(err, message.ErrNotUTF8) {
		t.Errorf("with a bad name: %v", err)
	}
	f, err := alice.Forge(t.Context(), w.keystore(), bob.ID(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Begin(t.Context(), "", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Theirs("", time.Time{}); !errors.Is(err, ErrNoText) {
		t.Errorf("no text of theirs: %v", err)
	}
	if _, err := f.Ours(t.Context(), "", time.Time{}); !errors.Is(err, ErrNoText) {
		t.Errorf("no text of ours: %v", err)
	}
}
