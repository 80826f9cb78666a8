package account

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
	"sessiontool/proto/statepb"
)

// A bundle that is not its sender's, is not signed, or can start no session is refused wherever it comes from, before
// anything has changed, and holds up no other message.
func TestBadBundles(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	mallory := w.person("mallory")

	for _, test := range []struct {
		name  string
		spoil func(sender *person, bundle x3dh.Bundle) x3dh.Bundle
	}{
		{"bad signature", func(_ *person, bundle x3dh.Bundle) x3dh.Bundle {
			bundle.Signature[10] ^= 1
			return bundle
		}},
		{"foreign identity", func(_ *person, bundle x3dh.Bundle) x3dh.Bundle {
			return w.person("trent").bundle(alice)
		}},
		{"signed prekey of low order", func(sender *person, bundle x3dh.Bundle) x3dh.Bundle {
			bundle.SignedPrekey = x25519.PublicKey{}
			return sender.signed(bundle)
		}},
		{"one-time prekey of low order", func(_ *person, bundle x3dh.Bundle) x3dh.Bundle {
			bundle.OneTimePrekey = &x25519.PublicKey{1}
			return bundle
		}},
	} {
		spoiled := test.spoil(bob, bob.bundle(alice))
		before := alice.content()
		for _, opened := range alice.gets(
			mallory.requestWith(alice, test.spoil(mallory, mallory.bundle(alice))),
			bob.requestWith(alice, spoiled),
			bob.puts(alice, message.Reset(spoiled)),
		) {
			if opened.Event.Kind != inbox.EventFailure || opened.Event.Code != inbox.CodeBadSignature {
				t.Errorf("%s: got %+v", test.name, opened.Event)
			}
		}
		wantOnlySeen(t, before, alice.content())

		opened := alice.gets(bob.says(alice, "one"), bob.puts(alice, message.Reset(spoiled)), bob.says(alice, "two"))
		wantText(t, opened[0].Event, "one")
		wantFailure(t, opened[1].Event, inbox.CodeBadSignature)
		wantText(t, opened[2].Event, "two")
	}
}

// A friend request that is sent back to its maker opens, since its key is the same both ways, but its bundle is wrong.
func TestReflectedRequest(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	alice.env.Plain = true
	env, err := envelope.Unpack(alice.asks(bob, "hi"))
	if err != nil {
		t.Fatal(err)
	}
	env.Source = bob.ID()
	wantFailure(t, alice.get(w.pack(env)), inbox.CodeBadSignature)
	alice.wantState(bob, StateSent)
}

// A node that stores a friend request again can not break what became of it.
func TestReplayedRequests(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	request := alice.asks(bob, "hi")
	bob.get(request)
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.pass(time.Hour)

	before := bob.content()
	if !bob.gets(request)[0].Duplicate {
		t.Error("the same data is not a duplicate")
	}
	older := bob.get(w.repack(request, w.now.Add(-2*time.Hour)))
	if older.Kind != inbox.EventControl {
		t.Errorf("an old request shows as %+v", older)
	}
	// With a new timestamp it looks like the request of a friend that has lost everything.
	newer := bob.get(w.repack(request, w.now))
	if newer.Kind != inbox.EventControl {
		t.Errorf("a request dated anew shows as %+v", newer)
	}
	wantOnlySeen(t, before, bob.content())
	wantText(t, alice.get(bob.says(alice, "still there?")), "still there?")
	w.chat(alice, bob)
	w.talk(alice, bob)
}

// A request that is dated into the future does not shut out the next one.
func TestRequestFromTheFuture(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(w.repack(alice.asks(bob, "hi"), w.now.AddDate(1000, 0, 0)))
	w.pass(RequestPatience)
	if event := bob.get(alice.asks(bob, "hi again")); event.State != StateReceived || event.Text != "hi again" {
		t.Errorf("the next request shows as %+v", event)
	}
}

// A request that comes late does not replace the one that was made after it.
func TestRequestsOutOfOrder(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	w.pass(time.Hour)
	first := bob.losesAll().asks(alice, "first")
	w.pass(time.Hour)
	reborn := bob.losesAll()
	alice.get(reborn.asks(alice, "second"))
	before := alice.content()
	alice.get(first)
	wantOnlySeen(t, before, alice.content())
	w.chat(alice, reborn)
	w.talk(alice, reborn)
}

// A session starts only with the one-time prekey that was made for its contact.
func TestWrongPrekey(t *testing.T) {
	w := newWorld(t)
	alice, bob, mallory := w.person("alice"), w.person("bob"), w.person("mallory")
	forBob := alice.bundle(bob)
	alice.bundle(mallory)

	without := forBob
	without.OneTimePrekey = nil
	unknown := forBob
	unknown.OneTimePrekeyID += 1000
	older := forBob
	older.SignedPrekeyID += 1000
	before := alice.content()
	for name, message := range map[string]string{
		"made for another contact": mallory.startsWith(alice, forBob, message.Background()),
		"none":                     bob.startsWith(alice, without, message.Background()),
		"unknown":                  bob.startsWith(alice, unknown, message.Background()),
		"unknown signed prekey":    bob.startsWith(alice, older, message.Background()),
	} {
		event := alice.get(message)
		if event.Code != inbox.CodeUnknownPrekey {
			t.Errorf("%s: got %+v", name, event)
		}
	}
	wantOnlySeen(t, before, alice.content())
	event := alice.get(bob.startsWith(alice, forBob, message.Text("hi", "bob", nil)))
	if event.Kind != inbox.EventMessage {
		t.Errorf("with the right prekey: %+v", event)
	}
}

// A removed contact is a stranger: what it still sends can not be opened, and asking again makes friends again.
func TestRemoveContact(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.bundle(bob)
	if err := alice.RemoveContact(t.Context(), bob.ID()); err != nil {
		t.Fatal(err)
	}
	content := alice.content()
	for _, table := range []keystore.Table{contacts.Table, sessions.Table, prekeystore.TableContacts} {
		if _, ok := content[string(table)+" "+bob.ID().String()]; ok {
			t.Errorf("alice still has %s of bob", table)
		}
	}
	if prekeys := alice.oneTimePrekeys(); len(prekeys) > 0 {
		t.Errorf("prekeys are left: %+v", prekeys)
	}
	wantFailure(t, alice.get(bob.says(alice, "hello?")), inbox.CodeNoSession)
	if err := alice.RemoveContact(t.Context(), bob.ID()); err == nil {
		t.Error("removing a stranger succeeds")
	}
	w.pass(time.Hour)
	event := alice.get(bob.asks(alice, "friends again?"))
	if event.State != StateReceived {
		t.Errorf("the next request shows as %+v", event)
	}
	bob.get(alice.accepts(bob))
	w.chat(alice, bob)
	w.talk(alice, bob)
}

// A contact that makes us store too many keys of lost messages is refused at some point, and no other contact is.
func TestSessionsThatGrowTooLarge(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.hoardKeys(bob)
	before := alice.content()
	wantFailure(t, alice.get(bob.says(alice, "one more")), inbox.CodeDecryptionFailed)
	wantOnlySeen(t, before, alice.content())
	wantText(t, bob.get(alice.says(bob, "too much")), "too much")
	if event := alice.get(w.person("carol").asks(alice, "hi")); event.State != StateReceived {
		t.Errorf("carol's request shows as %+v", event)
	}
}

// hoardKeys adds archived sessions with other to p's, each with as many skipped keys as it may have.
func (p *person) hoardKeys(other *person) {
	p.w.t.Helper()
	err := p.update(p.w.t.Context(), func(tx *keystore.Tx) error {
		data, _, err := tx.Get(sessions.Table, other.ID().String())
		if err != nil {
			return err
		}
		var record statepb.SessionRecord
		if err := proto.Unmarshal(data, &record); err != nil {
			return err
		}
		for len(data) < sessions.MaxReceived {
			session := proto.CloneOf(record.Sessions[0])
			chain := session.Receiving[len(session.Receiving)-1]
			for i := range uint32(ratchet.MaxSkippedKeys) {
				chain.Skipped = append(chain.Skipped,
					&statepb.SkippedKey{Counter: chain.Counter + i, MessageKey: chain.ChainKey})
			}
			chain.Counter += ratchet.MaxSkippedKeys
			record.Sessions = append(record.Sessions, session)
			if data, err = proto.Marshal(&record); err != nil {
				return err
			}
		}
		return tx.Put(sessions.Table, other.ID().String(), data)
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
}
