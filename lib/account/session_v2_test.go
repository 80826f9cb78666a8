package account

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/account/peerkeys"
	"sessiontool/lib/account/undecided"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/message"
	"sessiontool/lib/storage"
	"sessiontool/lib/v2message"
)

// changes is a transaction on the account's keyring.
func (p *person) changes(change func(*keyring.Keyring) error) []Opened {
	p.w.t.Helper()
	opened, err := p.UpdateKeyring(p.w.t.Context(), nil, change)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return opened
}

// publishes starts a device group and returns the key that senders get.
func (p *person) publishes() accountkeys.Public {
	p.w.t.Helper()
	var key accountkeys.Public
	p.changes(func(k *keyring.Keyring) (err error) {
		if err = k.Start(p.name); err == nil {
			err = k.SetPublishes(true)
		}
		if err == nil {
			_, key, err = k.Publish()
		}
		return err
	})
	return key
}

// learns stores the key that a swarm gives for other; nil is none.
func (p *person) learns(other *person, key *accountkeys.Public) {
	p.w.t.Helper()
	if err := p.RememberPeerKey(p.w.t.Context(), other.ID(), key); err != nil {
		p.w.t.Fatal(err)
	}
}

// sealsV2 is a text as any client of session-v2 writes it: for a key or, with the zero key, without forward secrecy.
func (p *person) sealsV2(to *person, content message.Content, key accountkeys.Public) []byte {
	p.w.t.Helper()
	draft := v2message.Draft{To: to.ID(), Content: content.Marshal()}
	seal := func() ([]byte, error) { return v2message.Seal(p.w.random, p.keys, draft, key) }
	if key.IsZero() {
		seal = func() ([]byte, error) { return v2message.SealWithoutPFS(p.w.random, p.keys, draft) }
	}
	sealed, err := seal()
	if err != nil {
		p.w.t.Fatal(err)
	}
	return sealed
}

func textOf(text string, timestampMS uint64) message.Content {
	content := message.Text(text, "", nil)
	content.SigTimestampMS = timestampMS
	return content
}

func encoded(sealed []byte) string { return base64.StdEncoding.EncodeToString(sealed) }

// A draft without a protocol takes session-v2 where a key is known, else session-v1. One with that protocol insists.
func TestProtocolV2IsChosen(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	key := alice.publishes()
	send := func(protocol Protocol, without bool) Outgoing {
		t.Helper()
		draft := draft28(alice, "hi")
		draft.Protocol, draft.WithoutPFS = protocol, without
		out, err := bob.Send(t.Context(), draft)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := func(out Outgoing, protocol Protocol, secret bool) {
		t.Helper()
		event := alice.get(bob.sends(out, nil))
		wantText(t, event, "hi")
		if Protocol(out.Protocol) != protocol || out.ForwardSecrecy != secret || event.Protocol != out.Protocol ||
			event.ForwardSecrecy != secret || event.From != bob.ID() {
			t.Errorf("sent with %s %v, received with %s %v from %s", out.Protocol, out.ForwardSecrecy, event.Protocol,
				event.ForwardSecrecy, event.From)
		}
		w.pass(time.Second)
	}
	want(send("", false), ProtocolSessionV1, false)
	want(send(ProtocolSessionV2, true), ProtocolSessionV2, false)
	insists := draft28(alice, "hi")
	insists.Protocol = ProtocolSessionV2
	if _, err := bob.Send(t.Context(), insists); !errors.Is(err, ErrNoKeys) {
		t.Errorf("insisting without a key: %v", err)
	}
	bob.learns(alice, &key)
	want(send("", false), ProtocolSessionV2, true)
	want(send(ProtocolSessionV2, false), ProtocolSessionV2, true)
	want(send(ProtocolSessionV1, false), ProtocolSessionV1, false)
	bob.wantProtocol(alice, ProtocolSessionV1) // bob has heard nothing from alice: it is that of his first text
	alice.wantProtocol(bob, ProtocolSessionV1)
}

// What is known of a recipient's key says when the swarm is asked.
func TestPeerKeyCache(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	key := alice.publishes()
	draft := draft28(alice, "hi")
	want := func(usable, fetch, before bool) {
		t.Helper()
		known, err := bob.PeerKeys(t.Context(), draft)
		if err != nil || known.Key.IsZero() == usable || known.Fetch != fetch || known.Before != before {
			t.Errorf("after %s: %+v (%v)", w.now, known, err)
		}
	}
	want(false, true, true)
	bob.learns(alice, nil)
	want(false, false, false)
	w.pass(accountkeys.CacheMiss)
	want(false, true, true)
	bob.learns(alice, &key)
	want(true, false, false)
	w.pass(accountkeys.CacheFresh)
	want(true, true, false) // stale: fetched beside
	bob.learns(alice, nil)  // that finds none: the key serves on, and nobody asks for an hour
	want(true, false, false)
	w.pass(accountkeys.CacheMiss)
	want(true, true, false)
	w.pass(accountkeys.CacheUsable - accountkeys.CacheFresh)
	want(false, true, true)
	for name, other := range map[string]Draft{
		"storage RPC 2.0": {To: alice.ID(), Text: "hi"},
		"session-v1":      {To: alice.ID(), Text: "hi", Network: storage.Generation28, Protocol: ProtocolSessionV1},
		"signal":          {To: alice.ID(), Text: "hi", Network: storage.Generation28, Protocol: ProtocolSignal},
		"without forward secrecy": {
			To: alice.ID(), Network: storage.Generation28, Protocol: ProtocolSessionV2, WithoutPFS: true,
		},
		"the account's own device": {To: bob.ID(), Text: "hi", Network: storage.Generation28},
	} {
		if known, err := bob.PeerKeys(t.Context(), other); err != nil || known != (peerkeys.Known{}) {
			t.Errorf("%s: %+v (%v)", name, known, err)
		}
	}
}

// Neither the key indicator nor what stands in place of a ciphertext is authenticated: copies that differ there are
// recognised, as is the signed part in a new encryption.
func TestCopiesV2(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	key := alice.publishes()
	content := textOf("once", 1)
	first := bob.sealsV2(alice, content, accountkeys.Public{})
	wantText(t, alice.get(encoded(first)), "once")
	for i, copied := range [][]byte{
		first, bob.sealsV2(alice, content, accountkeys.Public{}), bob.sealsV2(alice, content, key),
	} {
		changed := append([]byte{}, copied...)
		if i == 0 {
			changed[2], changed[40] = changed[2]^1, changed[40]^1
		}
		if event := alice.get(encoded(changed)); event.Kind != inbox.EventControl || event.Text != "duplicate" {
			t.Errorf("copy %d is %s %q", i, event.Kind, event.Text)
		}
	}
	wantText(t, alice.get(encoded(bob.sealsV2(alice, textOf("once", 2), key))), "once")
}

// Messages that no key helps are refused.
func TestRefusedV2(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	key := alice.publishes()
	untimed := message.Text("no time", "", nil)
	signed := bob.sealsV2(alice, textOf("hi", 1), key)
	for name, test := range map[string]struct {
		data string
		code inbox.FailureCode
	}{
		"no time of its sender": {encoded(bob.sealsV2(alice, untimed, key)), inbox.CodeBadEnvelope},
		"too short":             {encoded(signed[:1500]), inbox.CodeBadEnvelope},
		"a later version":       {encoded(append([]byte{0, 3}, signed[2:]...)), inbox.CodeNewerProtocol},
		"a zero alone":          {encoded([]byte{0}), inbox.CodeNewerProtocol},
	} {
		opened, err := alice.BeginAsked(Incoming{Data: test.data, Route: message.RouteAsync}).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if opened.Event.Kind != inbox.EventFailure || opened.Event.Code != test.code {
			t.Errorf("%s: %s %s, want %s", name, opened.Event.Kind, opened.Event.Code, test.code)
		}
	}
	opened, err := alice.Receive(t.Context(), []Incoming{{Data: encoded(signed), Route: message.RouteSync}}, nil)
	if err != nil || !opened[0].Refused {
		t.Errorf("over the synchronous route: %+v, %v", opened, err)
	}
}

// A message for a key that the device does not have yet waits, is reported after an hour, once, and opens when the key
// comes.
func TestUndecided(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	key := alice.publishes()
	second, err := Restore(t.Context(), w.keystore(), w.environment("second"), "second", "", alice.seed)
	if err != nil {
		t.Fatal(err)
	}
	other := &person{second, w, alice.seed}
	other.publishes() // a member of some group, to which a key may come
	data := encoded(bob.sealsV2(alice, textOf("for the first", 1), key))
	for range 2 {
		if event := other.get(data); event.Kind != inbox.EventControl {
			t.Errorf("without the key it is %s %s", event.Kind, event.Code)
		}
	}
	reports := func() int {
		t.Helper()
		reported, err := other.ReportUndecided(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range reported {
			wantFailure(t, one.Event, inbox.CodeUnknownKey)
		}
		return len(reported)
	}
	if got := reports(); got != 0 {
		t.Errorf("%d messages are reported at once", got)
	}
	w.pass(time.Hour)
	if first, second := reports(), reports(); first != 1 || second != 0 {
		t.Errorf("%d and %d messages are reported after an hour", first, second)
	}
	var push keyring.Push
	if err := alice.ViewKeyring(t.Context(), func(k *keyring.Keyring) (err error) {
		push, err = k.Push()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// The second device joins, and with the group come the keys.
	group := []keyring.Message{{Data: push.Data, Hash: "one", StoredMS: w.now.UnixMilli()}}
	joined, err := Restore(t.Context(), w.keystore(), w.environment("third"), "third", "", alice.seed)
	if err != nil {
		t.Fatal(err)
	}
	third := &person{joined, w, alice.seed}
	third.get(data)
	if got, err := third.ReportUndecided(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("a device without keys reports %d messages at once (%v)", len(got), err)
	}
	var request []byte
	var emoji string
	third.changes(func(k *keyring.Keyring) (err error) {
		request, err = k.RequestLink(group, "third")
		for _, text := range k.Emoji() {
			emoji += text
		}
		return err
	})
	alice.changes(func(k *keyring.Keyring) error {
		requests, err := k.Requests([]keyring.Message{{Data: request}})
		if err == nil {
			_, err = k.Admit(requests, emoji)
		}
		if err == nil {
			push, err = k.Push()
		}
		return err
	})
	group = []keyring.Message{{Data: push.Data, Hash: "two", StoredMS: w.now.UnixMilli()}}
	opened := third.changes(func(k *keyring.Keyring) error { return k.Join(group, emoji) })
	if len(opened) != 1 {
		t.Fatalf("%d messages open with the keys", len(opened))
	}
	wantText(t, opened[0].Event, "for the first")
	if err := third.view(t.Context(), func(tx *keystore.Tx) error {
		return undecided.Each(tx, func(m undecided.Message) error {
			t.Errorf("%s still waits", m.Name)
			return nil
		})
	}); err != nil {
		t.Fatal(err)
	}
}

// A stranger cannot fill the keystore with messages that nothing will ever open.
func TestUndecidedIsBounded(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice")
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		kept := 0
		for i := range 40 {
			m := undecided.Message{Name: inbox.ID(string(rune(i))), Data: strings.Repeat("A", 1<<20), ReceivedAt: w.now}
			ok, err := undecided.Keep(tx, m)
			if err != nil {
				return err
			}
			if ok {
				kept++
			}
		}
		if kept == 0 || kept > 32 {
			t.Errorf("%d MiB are kept", kept)
		}
		// What opens or is given up makes room.
		if err := undecided.Each(tx, func(m undecided.Message) error { return undecided.Drop(tx, m) }); err != nil {
			return err
		}
		ok, err := undecided.Keep(tx, undecided.Message{Name: "one", Data: "data", ReceivedAt: w.now})
		if err == nil && !ok {
			t.Error("there is no room after all were dropped")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
