package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/benchpair"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// message is what travels between the two implementations.
type message struct {
	kind  ciphertext.Kind
	bytes []byte
}

// end is either implementation.
type end interface {
	encrypt(ctx context.Context, plaintext []byte) (message, error)
	decrypt(ctx context.Context, m message) ([]byte, error)
}

// ours is an account with our implementation.
type ours struct {
	ratchet.Receiver
	record  ratchet.SessionRecord
	signed  x3dh.SignedPrekey
	oneTime *x3dh.OneTimePrekey // nil once it is used
}

func newOurs(t testing.TB, remote x25519.PublicKey) *ours {
	t.Helper()
	identity, err := x25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := new(ours)
	o.Local = ratchet.Identity{KeyPair: identity, RegistrationID: 1234}
	o.Remote, o.Prekeys = remote, o
	if o.signed, err = x3dh.GenerateSignedPrekey(rand.Reader, identity, 11, time.Unix(1590000000, 0)); err != nil {
		t.Fatal(err)
	}
	oneTime, err := x3dh.GenerateOneTimePrekey(rand.Reader, 12)
	if err != nil {
		t.Fatal(err)
	}
	o.oneTime = &oneTime
	return o
}

func (o *ours) SignedPrekey(id uint32) (x25519.KeyPair, error) {
	if id != o.signed.ID {
		return x25519.KeyPair{}, ratchet.ErrUnknownPrekey
	}
	return o.signed.KeyPair, nil
}

func (o *ours) OneTimePrekey(id uint32) (x25519.KeyPair, error) {
	if o.oneTime == nil || id != o.oneTime.ID {
		return x25519.KeyPair{}, ratchet.ErrUnknownPrekey
	}
	return o.oneTime.KeyPair, nil
}

func (o *ours) bundle(withOneTime bool) x3dh.Bundle {
	if !withOneTime {
		return x3dh.NewBundle(o.Local.Public, o.signed, nil)
	}
	return x3dh.NewBundle(o.Local.Public, o.signed, o.oneTime)
}

func (o *ours) start(bundle x3dh.Bundle) error {
	session, err := ratchet.NewInitiator(rand.Reader, o.Local, bundle)
	if err != nil {
		return err
	}
	o.record.Add(session)
	return nil
}

func (o *ours) encrypt(_ context.Context, plaintext []byte) (message, error) {
	kind, bytes, err := o.record.Encrypt(plaintext)
	return message{kind, bytes}, err
}

func (o *ours) decrypt(_ context.Context, m message) ([]byte, error) {
	opened, err := o.record.Decrypt(rand.Reader, o.Receiver, m.kind, m.bytes)
	if opened.UsedPrekey != nil {
		o.oneTime = nil
	}
	return opened.Plaintext, err
}

// link is a conversation: both ends, and which of them began it.
type link struct {
	name          string
	ours          *ours
	libsignal     *peer
	first, second end
	withOneTime   bool
}

// links begins a session in each way there is.
func links(t testing.TB) []link {
	t.Helper()
	var all []link
	for _, withOneTime := range []bool{true, false} {
		all = append(all, weBegin(t, withOneTime), libsignalBegins(t, withOneTime))
	}
	return all
}

func weBegin(t testing.TB, withOneTime bool) link {
	t.Helper()
	p := newPeer(t)
	o := newOurs(t, p.public())
	if err := o.start(p.bundle(withOneTime)); err != nil {
		t.Fatalf("libsignal's bundle: %v", err)
	}
	return link{fmt.Sprintf("we begin, one-time prekey %v", withOneTime), o, p, o, p, withOneTime}
}

func libsignalBegins(t testing.TB, withOneTime bool) link {
	t.Helper()
	p := newPeer(t)
	o := newOurs(t, p.public())
	if err := p.start(t.Context(), o.bundle(withOneTime)); err != nil {
		t.Fatalf("our bundle at libsignal: %v", err)
	}
	return link{fmt.Sprintf("libsignal begins, one-time prekey %v", withOneTime), o, p, p, o, withOneTime}
}

// usedOneTimePrekey reports whether the receiver of the first message has deleted its one-time prekey.
func (l link) usedOneTimePrekey(t *testing.T) bool {
	t.Helper()
	if l.first == l.libsignal {
		return l.ours.oneTime == nil
	}
	held, err := l.libsignal.prekeys.ContainsPreKey(t.Context(), l.libsignal.oneTime.ID().Value)
	if err != nil {
		t.Fatal(err)
	}
	return !held
}

func send(t testing.TB, from end, plaintext string) message {
	t.Helper()
	m, err := from.encrypt(t.Context(), []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func receive(t testing.TB, to end, m message, plaintext string) {
	t.Helper()
	got, err := to.decrypt(t.Context(), m)
	if err != nil {
		t.Fatalf("%s: %v", plaintext, err)
	}
	if string(got) != plaintext {
		t.Fatalf("opened %q, want %q", got, plaintext)
	}
}

// Many turns, with more than one message in each, and the one-time prekey used up where there is one.
func TestConversation(t *testing.T) {
	for _, l := range links(t) {
		t.Run(l.name, func(t *testing.T) {
			from, to := l.first, l.second
			for turn := range 60 {
				for n := range 1 + turn%4 {
					plaintext := fmt.Sprintf("turn %d, message %d", turn, n)
					m := send(t, from, plaintext)
					if prekey := m.kind == ciphertext.PreKeyWhisper; prekey != (turn == 0) {
						t.Errorf("%s is a %v", plaintext, m.kind)
					}
					receive(t, to, m, plaintext)
				}
				from, to = to, from
			}
			if used := l.usedOneTimePrekey(t); used != l.withOneTime {
				t.Errorf("the one-time prekey was used: %v", used)
			}
		})
	}
}

// Messages of several ratchet steps, delivered backwards and in part twice. Only three steps: libsignal remembers five
// chains.
func TestOutOfOrder(t *testing.T) {
	for _, l := range links(t) {
		t.Run(l.name, func(t *testing.T) {
			for _, direction := range [][2]end{{l.ours, l.libsignal}, {l.libsignal, l.ours}} {
				sender, receiver := direction[0], direction[1]
				receive(t, l.second, send(t, l.first, "first"), "first")
				receive(t, l.first, send(t, l.second, "second"), "second")
				var late []message
				for step := range 3 {
					for n := range 4 {
						late = append(late, send(t, sender, fmt.Sprint(step, n)))
					}
					receive(t, receiver, send(t, sender, "in time"), "in time")
					receive(t, sender, send(t, receiver, "answer"), "answer")
				}
				for i, m := range slices.Backward(late) {
					receive(t, receiver, m, fmt.Sprint(i/4, i%4))
				}
				if _, err := receiver.decrypt(t.Context(), late[0]); err == nil {
					t.Error("a message opened twice")
				} else if receiver == l.ours && !errors.Is(err, ratchet.ErrDuplicate) {
					t.Errorf("repeated message: %v", err)
				}
			}
		})
	}
}

// Each implementation accepts the other's signatures of signed prekeys, many times over because
// they are randomised, and refuses a wrong one.
func TestBundleSignatures(t *testing.T) {
	for range 20 {
		p := newPeer(t)
		o := newOurs(t, p.public())
		theirs, mine := p.bundle(true), o.bundle(true)
		if err := theirs.Verify(); err != nil {
			t.Errorf("libsignal's signature: %v", err)
		}
		if err := p.start(t.Context(), mine); err != nil {
			t.Errorf("our signature: %v", err)
		}
		theirs.Signature[10] ^= 1
		mine.Signature[10] ^= 1
		if err := theirs.Verify(); !errors.Is(err, x3dh.ErrSignature) {
			t.Errorf("libsignal's signature with a wrong bit: %v", err)
		}
		if err := newPeer(t).start(t.Context(), mine); err == nil {
			t.Error("libsignal takes our signature with a wrong bit")
		}
	}
}

// conversations returns one within each implementation, begun by the first of the two.
func conversations(b *testing.B) [][2]end {
	b.Helper()
	bob := newOurs(b, x25519.PublicKey{})
	alice := newOurs(b, bob.Local.Public)
	bob.Remote = alice.Local.Public
	if err := alice.start(bob.bundle(true)); err != nil {
		b.Fatal(err)
	}
	libAlice, libBob := newPeer(b), newPeer(b)
	if err := libAlice.start(b.Context(), libBob.bundle(true)); err != nil {
		b.Fatal(err)
	}
	pairs := [][2]end{{alice, bob}, {libAlice, libBob}}
	for _, pair := range pairs {
		exchange(b, pair)
	}
	return pairs
}

// exchange sends a message and its answer, with two steps of the Diffie-Hellman ratchet.
func exchange(b *testing.B, pair [2]end) {
	b.Helper()
	receive(b, pair[1], send(b, pair[0], "ping"), "ping")
	receive(b, pair[0], send(b, pair[1], "pong"), "pong")
}

// One message of 1 kB on the current sending chain, against libsignal's time.
func BenchmarkEncrypt1KB(b *testing.B) {
	plaintext := make([]byte, 1024)
	var work []func()
	for _, pair := range conversations(b) {
		work = append(work, func() {
			if _, err := pair[0].encrypt(b.Context(), plaintext); err != nil {
				b.Fatal(err)
			}
		})
	}
	benchpair.Compare(b, 100, work[0], work[1])
}

// A message and its answer, against libsignal's time.
func BenchmarkPingPong(b *testing.B) {
	pairs := conversations(b)
	benchpair.Compare(b, 1, func() { exchange(b, pairs[0]) }, func() { exchange(b, pairs[1]) })
}

// A session begun from a bundle with a one-time prekey, against libsignal's time: checking the signature, two new key
// pairs, X3DH and a step of the ratchet.
func BenchmarkInitiate(b *testing.B) {
	bundle := newOurs(b, x25519.PublicKey{}).bundle(true)
	alice, libAlice := newOurs(b, bundle.IdentityKey), newPeer(b)
	benchpair.Compare(b, 1, func() {
		alice.record = ratchet.SessionRecord{}
		if err := alice.start(bundle); err != nil {
			b.Fatal(err)
		}
	}, func() {
		libAlice.forget(b)
		if err := libAlice.start(b.Context(), bundle); err != nil {
			b.Fatal(err)
		}
	})
}
