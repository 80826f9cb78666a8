package account

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
)

// receiveWorld is the state with which every run of FuzzReceive begins: Alice's keystore, with Bob as a friend, a
// request of Carol's that waits, and one to Dave that is not answered; and what the others have for her.
type receiveWorld struct {
	now      time.Time
	files    map[string][]byte // of Alice's keystore
	genuine  []string          // messages for Alice
	texts    []string          // of them
	sessions []byte            // Bob's with Alice
	contents [][]byte          // Contents to begin with
	alice    sessionid.Keys
	bob      sessionid.Keys
	carol    sessionid.Keys
	erin     sessionid.Keys // a stranger
}

// newReceiveWorld makes it, the same in every process.
func newReceiveWorld(t *testing.T) *receiveWorld {
	w := &world{
		t: t, now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), random: rand.NewChaCha8([32]byte{1}),
		processes: make(map[string]presence.State), folders: make(map[*keystore.Store]string),
	}
	alice, bob := w.friends()
	carol, dave, erin := w.person("carol"), w.person("dave"), w.person("erin")
	alice.get(carol.asks(alice, "hi, carol"))
	dave.get(alice.asks(dave, "hi dave"))

	r := &receiveWorld{now: w.now, files: make(map[string][]byte), alice: alice.keys, bob: bob.keys, carol: carol.keys,
		erin: erin.keys}
	bob.env.Plain = true
	r.genuine = append(r.genuine, bob.says(alice, "plain"))
	bob.env.Plain = false
	box, err := layers.PackBox(w.random, erin.keys, alice.ID().PublicKey(), uint64(w.now.UnixMilli()),
		message.TextV1("box", "erin", uint64(w.now.UnixMilli())).Marshal())
	if err != nil {
		t.Fatal(err)
	}
	r.genuine = append(r.genuine, bob.says(alice, "sealed"), bob.says(alice, "third"), dave.accepts(alice), box,
		erin.asks(alice, "asked"), bob.startsWith(alice, alice.bundle(bob), message.Text("started", "", nil)))
	r.texts = []string{"plain", "sealed", "third", "box", "asked", "started"}
	err = bob.view(t.Context(), func(tx *keystore.Tx) error {
		record, err := sessions.Load(tx, alice.ID())
		if err == nil {
			r.sessions, err = record.MarshalBinary()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []message.Content{
		message.Text("crafted", "name", nil), message.Reset(bob.bundle(alice)), message.Background(),
		message.FriendRequest("crafted", "name", nil, carol.bundle(alice)), message.OnlineStatus("a.snode", 1),
		message.Receipt(message.Read, 1, 2), {Body: message.Unsend{}}, {Body: message.Response{Approved: true}},
		message.TextV1("crafted", "name", uint64(w.now.UnixMilli())),
	} {
		r.contents = append(r.contents, content.Marshal())
	}
	paths, err := filepath.Glob(filepath.Join(w.folders[alice.store], "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if r.files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// open opens a copy of Alice's keystore.
func (r *receiveWorld) open(t *testing.T) *Account {
	dir := filepath.Join(t.TempDir(), "k")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range r.files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store, err := keystore.Open(t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	env := Environment{
		Now: func() time.Time { return r.now }, Random: rand.NewChaCha8([32]byte{2}), Owner: "poll",
		StateOf: func(string) presence.State { return presence.Alive },
	}
	a, err := Open(t.Context(), store, env, "alice")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// script is what a fuzz test does, taken from its input. At the end it gives zeros.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// bytes takes a length and as many bytes.
func (s *script) bytes() []byte {
	n := min(int(s.byte()), len(*s))
	taken := (*s)[:n]
	*s = (*s)[n:]
	return taken
}

// pick takes one of several.
func pick[T any](s *script, all []T) T { return all[int(s.byte())%len(all)] }

// change changes data: it replaces a part by bytes of the script.
func (s *script) change(data []byte) []byte {
	at := int(binary.LittleEndian.Uint16([]byte{s.byte(), s.byte()})) % (len(data) + 1)
	cut := min(int(s.byte()), len(data)-at)
	return slices.Concat(data[:at], s.bytes(), data[at+cut:])
}

// step makes the next message of a script. If its sender made it, by is the sender; otherwise it is a node's work.
func (r *receiveWorld) step(t *testing.T, s *script, sessions *ratchet.SessionRecord) (data string, by sessionid.ID) {
	random, now := rand.NewChaCha8([32]byte{s.byte()}), uint64(r.now.UnixMilli())
	to := r.alice.ID().PublicKey()
	sealed := func(from sessionid.Keys, kind ciphertext.Kind, encrypted []byte, err error) string {
		if err == nil {
			encrypted, err = sealedsender.Seal(random, from.X25519, to,
				sealedsender.Inner{Kind: kind, Sender: from.ID(), Content: encrypted})
		}
		if err == nil {
			data, err = envelope.Pack(random, envelope.Envelope{Kind: ciphertext.Sealed, TimestampMS: now,
				Content: encrypted})
		}
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	switch s.byte() % 8 {
	case 0: // replayed
		return pick(s, r.genuine), sessionid.ID{}
	case 1: // changed on the way
		raw, err := base64.StdEncoding.DecodeString(pick(s, r.genuine))
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(s.change(raw)), sessionid.ID{}
	case 2: // another envelope around it
		env, err := envelope.Unpack(pick(s, r.genuine))
		if err != nil {
			t.Fatal(err)
		}
		kinds := []ciphertext.Kind{ciphertext.Whisper, ciphertext.PreKeyWhisper, ciphertext.Sealed,
			ciphertext.FriendRequest, ciphertext.ServerReceipt, ciphertext.Group, env.Kind}
		env.Kind, env.Content = pick(s, kinds), s.change(env.Content)
		env.Source = pick(s, []sessionid.Keys{r.alice, r.bob, r.carol, r.erin}).ID()
		env.TimestampMS += uint64(s.byte()) << (s.byte() % 64)
		if data, err = envelope.Pack(random, env); err != nil {
			return "", sessionid.ID{} // no client can write it
		}
		return data, sessionid.ID{}
	case 3: // a friend's content, well encrypted
		kind, encrypted, err := sessions.Encrypt(message.Pad(s.change(pick(s, r.contents))))
		return sealed(r.bob, kind, encrypted, err), r.bob.ID()
	case 4: // a friend's padded content
		kind, encrypted, err := sessions.Encrypt(s.change(message.Pad(pick(s, r.contents))))
		return sealed(r.bob, kind, encrypted, err), r.bob.ID()
	case 5: // a request
		from := pick(s, []sessionid.Keys{r.bob, r.carol, r.erin})
		encrypted, err := friendrequest.Encrypt(random, from.X25519, to, message.Pad(s.change(pick(s, r.contents))))
		return sealed(from, ciphertext.FriendRequest, encrypted, err), from.ID()
	case 6: // of session-v1, also from another device of Alice's
		from := pick(s, []sessionid.Keys{r.bob, r.carol, r.erin, r.alice})
		data, err := layers.PackBox(random, from, to, now, s.change(pick(s, r.contents)))
		if err != nil {
			t.Fatal(err)
		}
		return data, from.ID()
	default: // anything
		return base64.StdEncoding.EncodeToString(s.bytes()), sessionid.ID{}
	}
}

var theReceiveWorld = sync.OnceValue(func() *receiveWorld { return newReceiveWorld(receiving) })

// receiving is the test that makes theReceiveWorld.
var receiving *testing.T

// FuzzReceive is the whole receive path: what nodes, strangers and a hostile friend can make of messages, in any order.
//
// Receive never fails as a whole. A message's sender is its true one, or only claimed. A text is one that its sender
// wrote. The second copy of a message is a duplicate with the same event. At the end the friend's next message is read:
// nothing that arrived before has ended the session.
func FuzzReceive(f *testing.F) {
	for kind := range byte(8) {
		for which := range byte(9) {
			f.Add([]byte{0, kind, which, 40, 0, 1, 1, 'x'})
		}
	}
	f.Add([]byte{0, 0, 6, 0, 3, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		receiving = t
		r := theReceiveWorld()
		a, steps := r.open(t), script(input)
		sessions := new(ratchet.SessionRecord)
		if err := sessions.UnmarshalBinary(r.sessions); err != nil {
			t.Fatal(err)
		}
		receive := func(data string, route message.Route) Opened {
			opened, err := a.Receive(t.Context(), []Incoming{{Data: data, Hash: "h", Route: route}}, nil)
			if err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			return opened[0]
		}
		for range 12 {
			if len(steps) == 0 {
				break
			}
			route := message.RouteAsync
			if steps[0]&1 == 1 {
				route = message.RouteSync
			}
			data, by := r.step(t, &steps, sessions)
			opened := receive(data, route)
			r.check(t, opened.Event, by)
			again := receive(data, route)
			if opened.Refused != again.Refused || !opened.Refused && (!again.Duplicate ||
				again.Event.Kind != opened.Event.Kind || again.Event.Seq != opened.Event.Seq) {
				t.Errorf("%q: first %+v, then %+v", data, opened, again)
			}
		}
		kind, encrypted, err := sessions.Encrypt(message.Pad(message.Text("still here", "", nil).Marshal()))
		if err != nil {
			t.Fatal(err)
		}
		data, err := envelope.Pack(rand.NewChaCha8([32]byte{3}), envelope.Envelope{
			Kind: kind, Source: r.bob.ID(), TimestampMS: uint64(r.now.UnixMilli()), Content: encrypted})
		if err != nil {
			t.Fatal(err)
		}
		if event := receive(data, message.RouteAsync).Event; event.Kind != inbox.EventMessage || event.Text != "still here" ||
			event.From != r.bob.ID() {
			t.Errorf("a friend's next message is %+v", event)
		}
	})
}

// check checks the event of a message that by made, or that a node made from others' messages.
func (r *receiveWorld) check(t *testing.T, event inbox.Event, by sessionid.ID) {
	genuine := []sessionid.ID{r.bob.ID(), r.erin.ID()}
	switch {
	case event.Kind == inbox.EventFailure || event.Kind == inbox.EventControl:
		if by.IsZero() && !event.From.IsZero() && !event.Claimed && event.Kind == inbox.EventFailure &&
			!slices.Contains(genuine, event.From) {
			t.Errorf("a node made a failure of %s: %+v", event.From, event)
		}
	case !by.IsZero():
		if event.From != by || event.Claimed {
			t.Errorf("a message of %s is %+v", by, event)
		}
	case event.Kind == inbox.EventMessage && !slices.Contains(r.texts, event.Text):
		t.Errorf("a node made the text %+v", event)
	}
	if !bytes.Equal([]byte(event.Text), bytes.ToValidUTF8([]byte(event.Text), nil)) {
		t.Errorf("the text of %+v is not UTF-8", event)
	}
}
