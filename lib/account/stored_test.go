package account

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/internal/fill"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// storedEvents are events that together use every field of the inbox, as friend or another device sent them.
func storedEvents(friend sessionid.ID) []inbox.Event {
	at := time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)
	about := &inbox.Reference{TimestampMS: 7, Author: friend.String()}
	return []inbox.Event{
		{
			ID: "e0", Kind: "message", From: friend, DisplayName: "Alice", Text: "hello", TimestampMS: 1591358400001,
			ReceivedAt: at, Route: "async", Hash: "h1", Attachments: 2, Group: true, Invitation: true, Asks: true,
			Chain: 3, Counter: 4,
			TimerSeconds: 60, TimerFromSending: true, Quote: &inbox.Quote{Reference: *about, Text: "quoted"},
			Previews: []inbox.Preview{{URL: "https://example.org", Title: "Example"}},
		},
		{ID: "e1", Kind: "message", To: friend, Text: "from another device", TimestampMS: 2, ReceivedAt: at,
			Route: "async"},
		{ID: "e2", Kind: "friend_request", From: friend, Text: "hi", ReceivedAt: at, State: 2},
		{ID: "e3", Kind: "friend_request", From: friend, ReceivedAt: at, State: 3, Outgoing: true},
		{ID: "e4", Kind: "delivery", From: friend, Text: "read", ReceivedAt: at, Timestamps: []uint64{5, 6}},
		{ID: "e5", Kind: "session_reset", From: friend, ReceivedAt: at, Route: "sync"},
		{ID: "e6", Kind: "reaction", From: friend, Text: "+", ReceivedAt: at, About: about, Removed: true},
		{ID: "e7", Kind: "typing", From: friend, Text: "started", ReceivedAt: at},
		{ID: "e8", Kind: "extraction", From: friend, Text: "screenshot", ReceivedAt: at,
			About: &inbox.Reference{TimestampMS: 8}},
		{ID: "e9", Kind: "call", From: friend, Text: "offer", ReceivedAt: at, CallID: "call-1"},
		{ID: "e10", Kind: "timer_change", From: friend, ReceivedAt: at, TimerSeconds: 30},
		{ID: "e11", Kind: "unsend", From: friend, ReceivedAt: at, About: about},
		{ID: "e12", Kind: "message", From: friend, ReceivedAt: at, Unsent: true},
		{ID: "e13", Kind: "unknown", From: friend, ReceivedAt: at},
		{ID: "e14", Kind: "failure", From: friend, ReceivedAt: at, Text: "no envelope", Code: "bad_envelope"},
		{ID: "e15", Kind: "failure", ReceivedAt: at, Text: "no key", Code: "decryption_failed"},
		{ID: "e16", Kind: "failure", ReceivedAt: at, Text: "too new", Code: "newer_protocol"},
		{ID: "e17", Kind: "failure", ReceivedAt: at, Text: "which prekey", Code: "unknown_prekey"},
		{ID: "e18", Kind: "failure", ReceivedAt: at, Text: "unsigned", Code: "bad_signature"},
		{ID: "e19", Kind: "failure", ReceivedAt: at, Text: "no session", Code: "no_session"},
	}
}

// storedOutbox are entries of the outbox at each stage, without the receipts, which the last two have.
func storedOutbox(friend sessionid.ID) []Outgoing {
	return []Outgoing{
		{Kind: "status", To: friend, Digest: "d0", TimestampMS: 1, TTLMillis: 2, Data: "ZGF0YQ=="},
		{Kind: "control", To: friend, Digest: "d1", TimestampMS: 3, TTLMillis: 4, Data: "ZGF0YQ==", Owner: "p1",
			Claimed: true},
		{
			Kind: "text", To: friend, Ref: "r1", Digest: "d2", TimestampMS: 5, TTLMillis: 6, Data: "ZGF0YQ==",
			Ack: []byte{1, 2, 3}, OnlySync: true, Owner: "p2", StampMS: 7, Nonce: "bm9uY2U=", Difficulty: 8,
		},
		{Kind: "text", To: friend, Ref: "r2", Digest: "d3", TimestampMS: 9, TTLMillis: 10, Data: "ZGF0YQ==",
			Owner: "p3"},
		{Kind: "friend_request", To: friend, Digest: "d4", TimestampMS: 11, TTLMillis: 12, Data: "ZGF0YQ==",
			Owner: "p4"},
	}
}

// friendOfBob is the Session ID of alice, bob's friend in testdata/stored.
const friendOfBob = "05110b3bdd3807f77cdb3232d42b38359eb10ed63726fa6920287127803420284b"

// storedReceipts are the receipts of the last two entries of storedOutbox.
func storedReceipts(friend sessionid.ID) []Receipt {
	return []Receipt{
		{
			OK: true, To: friend, Route: message.RouteAsync, Reason: outbox.ReasonNobodyListens, MessageHash: "mh",
			TimestampMS: 11,
			TTLMillis:   12, Difficulty: 13, Stored: 2, Resumed: true, Ref: "r2", ClockOffsetMS: -14,
			Nodes: []NodeResult{
				{PubkeyEd25519: "n1", OK: true, Already: true, Status: 200, Millis: 15},
				{PubkeyEd25519: "n2", Pending: true, Error: "late", Millis: 16},
			},
		},
		{
			OK: true, To: friend, Route: message.RouteSync, RoundTripMS: 1.25, TimestampMS: 21,
			Nodes: []NodeResult{{PubkeyEd25519: "n3", OK: true, Status: 200, Millis: 1}},
		},
	}
}

// form0 opens testdata/stored: the keystore of a version that gave its values no number, and stored receipts as the
// records that it printed.
func (w *world) form0() (bob *person, friend sessionid.ID) {
	w.t.Helper()
	friend, err := sessionid.Parse(friendOfBob)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.oldKeystore("stored", w.t.TempDir()), friend
}

// The inbox of form 0: 4 events that came through Receive, then storedEvents.
func TestForm0Events(t *testing.T) {
	w := newWorld(t)
	bob, friend := w.form0()
	events, err := bob.Inbox(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	want := storedEvents(friend)
	for i := range want {
		want[i].Seq = uint64(5 + i)
	}
	if len(events) != 4+len(want) || !reflect.DeepEqual(events[4:], want) {
		t.Errorf("the inbox is %+v, want at its end %+v", events, want)
	}
	wantText(t, events[1], "ping")
	wantText(t, events[2], "hello from carol")
	wantFailure(t, events[3], inbox.CodeDecryptionFailed)
	waiting, err := bob.Waiting(t.Context())
	if err != nil || len(waiting) != len(events) {
		t.Errorf("%d events wait for delivery (%v), want all %d", len(waiting), err, len(events))
	}
	err = bob.view(t.Context(), func(tx *keystore.Tx) error {
		before, found, err := inbox.Before(tx, "c0")
		control := inbox.Event{
			ID: "c0", Kind: inbox.EventControl, From: friend, Text: inbox.TextSelf, TimestampMS: 5, ReceivedAt: w.now,
			Route: message.RouteSync, Hash: "h0",
		}
		if !found || !reflect.DeepEqual(before.Event, control) {
			t.Errorf("the control event was %+v, want %+v", before, control)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The outbox of form 0 is storedOutbox, with storedReceipts.
func TestForm0Outbox(t *testing.T) {
	w := newWorld(t)
	bob, friend := w.form0()
	want, receipts := storedOutbox(friend), storedReceipts(friend)
	for i := range want {
		want[i].Seq, want[i].QueuedAt = uint64(3+i), w.now
		if at := i - 3; at >= 0 {
			want[i].Receipt, want[i].StoredAt, want[i].Reported = &receipts[at], w.now, at == 1
		}
	}
	var got []Outgoing
	err := bob.view(t.Context(), func(tx *keystore.Tx) error {
		return outbox.Each(tx, func(out Outgoing) error {
			got = append(got, out)
			return nil
		})
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the outbox is %+v (%v), want %+v", got, err, want)
	}
	for i, stage := range []outbox.Stage{outbox.Queued, outbox.Claimed, outbox.Solved, outbox.Sent, outbox.Reported} {
		if got[i].Stage() != stage {
			t.Errorf("entry %d is %s, want %s", i, got[i].Stage(), stage)
		}
	}
}

// The contacts of form 0: a friend with every field, and carol, a requester in session-v1.
func TestForm0Contacts(t *testing.T) {
	w := newWorld(t)
	bob, friend := w.form0()
	contacts, err := bob.Contacts(t.Context())
	if err != nil || len(contacts) != 2 {
		t.Fatalf("the contacts are %+v, %v", contacts, err)
	}
	want := Contact{
		ID: friend, DisplayName: "alice", State: StateFriends, HasSession: true, Protocol: ProtocolSignal, Since: w.now,
		Verified: true, Status: &Status{Node: "ab01", ToldMS: w.now.UnixMilli()},
	}
	for _, contact := range contacts {
		switch {
		case contact.ID == friend && !reflect.DeepEqual(contact, want):
			t.Errorf("the friend is %+v, want %+v", contact, want)
		case contact.ID != friend && (contact.Protocol != ProtocolSessionV1 || contact.State != StateReceived):
			t.Errorf("carol is %+v", contact)
		}
	}
	if out, err := bob.Send(t.Context(), Draft{To: friend, Text: "still friends"}); err != nil || len(out.Ack) == 0 {
		t.Errorf("the session is gone: %+v, %v", out, err)
	}
}

// Every value of form 0 that is written anew says the same, except for its number, the type of a receipt and the word
// for the protocol.
func TestForm0Rewritten(t *testing.T) {
	w := newWorld(t)
	bob, _ := w.form0()
	before := bob.content()
	rewritten := 0
	for name, value := range before {
		table, key, _ := strings.Cut(name, " ")
		var anew []byte
		var err error
		switch keystore.Table(table) {
		case outbox.Table:
			var out Outgoing
			if out, err = outbox.Decode(1, []byte(value)); err == nil {
				anew, err = outbox.Encode(out)
			}
		case contacts.Table:
			var contact contacts.Contact
			if contact, err = contacts.Decode([]byte(value)); err == nil {
				anew, err = contacts.Encode(contact)
			}
		default:
			continue
		}
		if err != nil {
			t.Fatalf("%s %s: %v", table, key, err)
		}
		rewritten++
		got, want := fieldsOf(t, string(anew)), fieldsOf(t, value)
		if got["version"] != float64(contacts.Version) {
			t.Errorf("%s has no number: %s", name, anew)
		}
		delete(got, "version")
		for protocol, old := range contacts.OldProtocols {
			if want["protocol"] == old {
				want["protocol"] = string(protocol)
			}
		}
		if receipt, ok := want["receipt"].(map[string]any); ok {
			delete(receipt, "type")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is now %s, was %s", name, anew, value)
		}
	}
	if rewritten != 5+2 {
		t.Errorf("%d values were compared", rewritten)
	}
}

func fieldsOf(t *testing.T, value string) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(value), &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// No field is lost between memory and disk. A new field fails here until stored.go has it.
func TestStoredFormHasEveryField(t *testing.T) {
	var out, wantOut Outgoing
	fill.Value(t, &wantOut)
	wantOut.Receipt.Repeated = false
	wantOut.Resumed, wantOut.Fresh, wantOut.Behind, wantOut.Unanswered = false, false, false, 0 // of this process alone
	if value, err := outbox.Encode(wantOut); err != nil {
		t.Error(err)
	} else if out, err = outbox.Decode(wantOut.Seq, value); err != nil || !reflect.DeepEqual(out, wantOut) {
		t.Errorf("the entry %+v comes back as %+v, %v", wantOut, out, err)
	}

	var contact, wantContact contacts.Contact
	fill.Value(t, &wantContact)
	for protocol := range contacts.OldProtocols {
		wantContact.Protocol = protocol
		if value, err := contacts.Encode(wantContact); err != nil {
			t.Error(err)
		} else if contact, err = contacts.Decode(value); err != nil || !reflect.DeepEqual(contact, wantContact) {
			t.Errorf("the contact %+v comes back as %+v, %v", wantContact, contact, err)
		}
	}
}

// A word that changes here needs a table in stored.go, as protocols have: older keystores have the old one.
func TestStoredWords(t *testing.T) {
	for got, want := range map[any]string{
		message.RouteAsync: "async", message.RouteSync: "sync",

		ProtocolSignal: "signal", ProtocolSessionV1: "session-v1",

		KindText: "text", KindFriendRequest: "friend_request", KindControl: "control", KindStatus: "status",
	} {
		if word := reflect.ValueOf(got).String(); word != want {
			t.Errorf("%T %q is stored as %q", got, word, want)
		}
	}
	for state, want := range []State{StateNone, StateSent, StateReceived, StateFriends, StateExpired} {
		if want != State(state) {
			t.Errorf("%s is stored as %d, want %d", want, want, state)
		}
	}
}

// A value of a newer version is refused as such, whatever its fields are.
func TestNewerForm(t *testing.T) {
	const later = `{"version":3,"kind":[1],"control":{"version":3}}`
	_, out := outbox.Decode(1, []byte(later))
	_, contact := contacts.Decode([]byte(later))
	for name, err := range map[string]error{"entry": out, "contact": contact} {
		if !errors.Is(err, keystore.ErrVersion) {
			t.Errorf("%s: got %v, want ErrVersion", name, err)
		}
	}
}

// A value with a word that no version has written is corrupt.
func TestCorruptForms(t *testing.T) {
	_, contact := contacts.Decode([]byte(`{"version":1,"protocol":"2031"}`))
	_, receipt := outbox.Decode(1, []byte(`{"version":1,"receipt":{"to":"05"}}`))
	for name, err := range map[string]error{"contact": contact, "receipt": receipt} {
		if !errors.Is(err, keystore.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}
