package account

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/envelope"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/x25519"
)

// draft28 is a draft for a network of 2.8.
func draft28(to *person, text string) Draft {
	return Draft{To: to.ID(), Text: text, Network: storage.Generation28}
}

// writes sends a text on a network of 2.8.
func (p *person) writes(to *person, text string) string {
	p.w.t.Helper()
	return p.sends(p.Send(p.w.t.Context(), draft28(to, text)))
}

// boxes seals any content as session-v1 clients do, at a time in milliseconds.
func (p *person) boxes(to *person, content message.Content, timestampMS uint64) string {
	p.w.t.Helper()
	box, err := sealedbox.Seal(p.w.random, p.keys, to.keys.X25519.Public, message.Pad(content.Marshal()))
	if err != nil {
		p.w.t.Fatal(err)
	}
	return p.w.packBox(timestampMS, box)
}

// packBox puts any box into an envelope.
func (w *world) packBox(timestampMS uint64, box []byte) string {
	w.t.Helper()
	data, err := envelope.PackBox(timestampMS, box, envelope.ProSignature{})
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// copies returns what a device stores for the other devices of its account when it sends a message.
func (p *person) copies(self, to *person, text string) string {
	p.w.t.Helper()
	now := uint64(p.w.now.UnixMilli())
	return p.boxes(self,
		message.Content{Body: message.Data{Text: text, SyncTarget: to.ID().String()}, SigTimestampMS: now}, now)
}

// pals makes two people who have written to each other with protocol session-v1.
func (w *world) pals() (alice, bob *person) {
	w.t.Helper()
	alice, bob = w.person("alice"), w.person("bob")
	bob.get(alice.writes(bob, "hi bob"))
	alice.get(bob.writes(alice, "hi alice"))
	return alice, bob
}

func (p *person) wantProtocol(with *person, want Protocol) {
	p.w.t.Helper()
	contact, err := p.Contact(p.w.t.Context(), with.ID())
	if err != nil || contact.Protocol != want {
		p.w.t.Errorf("%s speaks %q with %s (%v), want %q", p.name, contact.Protocol, with.name, err, want)
	}
}

// What session.js sent arrives as what session.js received.
func TestRecordedMessagesV1(t *testing.T) {
	var file struct {
		Messages []struct {
			Sender struct {
				ID sessionid.ID `json:"session_id"`
			} `json:"sender"`
			Recipient struct {
				Seed vectors.Hex `json:"seed_hex"`
			} `json:"recipient"`
			Store struct {
				Data string `json:"data"`
			} `json:"store_params"`
			Received struct {
				Text        string `json:"text"`
				TimestampMS int64  `json:"timestamp"`
				Author      struct {
					DisplayName string `json:"displayName"`
				} `json:"author"`
			} `json:"received_by_real_peer"`
		} `json:"messages"`
	}
	vectors.Load(t, "sessionjs_message.json", &file)
	w := newWorld(t)
	for _, recorded := range file.Messages {
		event := w.personWith("bob", sessionid.Seed(recorded.Recipient.Seed)).get(recorded.Store.Data)
		wantText(t, event, recorded.Received.Text)
		if event.From != recorded.Sender.ID || event.TimestampMS != recorded.Received.TimestampMS ||
			event.DisplayName != recorded.Received.Author.DisplayName || !event.Asks {
			t.Errorf("%+v is not what the real client showed: %+v", event, recorded.Received)
		}
	}
}

// Every Session ID can be written to at once, any number of times. The first text is a request, and an answer accepts
// it.
func TestFirstMessageIsARequest(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	first := bob.get(alice.writes(bob, "backup failed"))
	wantText(t, first, "backup failed")
	if !first.Asks || first.From != alice.ID() || first.DisplayName != "alice" {
		t.Errorf("the first message is %+v", first)
	}
	alice.wantState(bob, StateSent)
	bob.wantState(alice, StateReceived)

	second := bob.get(alice.writes(bob, "again"))
	wantText(t, second, "again")
	if second.Asks {
		t.Error("the second message is a request, too")
	}
	requests, err := bob.FriendRequests(t.Context())
	if err != nil || len(requests) != 1 || requests[0].ID != first.ID || requests[0].Text != "backup failed" {
		t.Errorf("requests %+v, %v", requests, err)
	}

	answer := alice.get(bob.writes(alice, "thanks"))
	wantText(t, answer, "thanks")
	if answer.Asks {
		t.Error("the answer is a request")
	}
	alice.wantState(bob, StateFriends)
	bob.wantState(alice, StateFriends)
}

// A request can be accepted without a word, which the other side learns; declined it leaves no trace.
func TestMessageRequestAcceptedAndDeclined(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	request := bob.get(alice.writes(bob, "hi"))
	out, err := bob.Accept(t.Context(), request.ID)
	if err != nil || out.Kind != KindControl {
		t.Fatalf("accepted with %+v, %v", out, err)
	}
	again, err := bob.Accept(t.Context(), alice.ID().String())
	if !errors.Is(err, ErrRequestNotFound) {
		t.Errorf("accepted twice: %+v, %v", again, err)
	}
	event := alice.get(out.Data)
	if event.Kind != inbox.EventFriendRequest || !event.Outgoing || event.State != StateFriends || event.Text != "hi" ||
		event.DisplayName != "bob" {
		t.Errorf("alice learns %+v", event)
	}
	alice.wantState(bob, StateFriends)
	bob.wantState(alice, StateFriends)

	bob.get(carol.writes(bob, "hello"))
	if _, err := bob.Decline(t.Context(), carol.ID().String()); err != nil {
		t.Fatal(err)
	}
	bob.wantState(carol, StateNone)
	if event := bob.get(carol.writes(bob, "please")); event.Kind != inbox.EventControl || event.Seq != 0 {
		t.Errorf("a declined stranger is shown again: %+v", event)
	}
	bob.writes(carol, "after all")
	if event := bob.get(carol.writes(bob, "finally")); event.Kind != inbox.EventMessage {
		t.Errorf("a contact that the user wrote to is ignored: %+v", event)
	}
}

// An approval without a request makes no friends, and a stranger without a text is not stored.
func TestWhatStrangersCannotDo(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	for _, content := range []message.Content{
		message.Approval("alice", 1),
		{Body: message.Receipts{Kind: message.Read, TimestampsMS: []uint64{1}}, SigTimestampMS: 1},
		{Body: message.Typing{TimestampMS: 1}, SigTimestampMS: 1},
	} {
		bob.get(alice.boxes(bob, content, 1))
		if _, err := bob.Contact(t.Context(), alice.ID()); !errors.Is(err, ErrUnknownContact) {
			t.Errorf("after %s: %v, want ErrUnknownContact", content.Body.Name(), err)
		}
	}
	// Nor does a delivery receipt from a contact with a pending request accept anything.
	bob.writes(alice, "hi")
	bob.get(alice.boxes(bob, message.Content{Body: message.Receipts{Kind: message.Read}, SigTimestampMS: 2}, 2))
	bob.wantState(alice, StateSent)
}

// Other contents of session-v1 clients than texts become events of their own kinds.
func TestOtherContentsV1(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.pals()
	now := uint64(w.now.UnixMilli())
	of := func(body message.Body) message.Content { return message.Content{Body: body, SigTimestampMS: now} }
	about := &inbox.Reference{TimestampMS: 7, Author: bob.ID().String()}
	for _, test := range []struct {
		content message.Content
		want    inbox.Event
	}{
		{of(message.Receipts{Kind: message.Read, TimestampsMS: []uint64{7}}),
			inbox.Event{Kind: inbox.EventDelivery, Text: "read", Timestamps: []uint64{7}}},
		{of(message.Typing{TimestampMS: now}), inbox.Event{Kind: inbox.EventTyping, Text: "started"}},
		{of(message.Typing{TimestampMS: now, Stopped: true}), inbox.Event{Kind: inbox.EventTyping, Text: "stopped"}},
		{of(message.Unsend{TimestampMS: 7, Author: alice.ID().String()}),
			inbox.Event{Kind: inbox.EventUnsend, About: &inbox.Reference{TimestampMS: 7, Author: alice.ID().String()}}},
		{of(message.Extraction{Kind: message.MediaSaved, TimestampMS: 7}),
			inbox.Event{Kind: inbox.EventExtraction, Text: "media_saved", About: &inbox.Reference{TimestampMS: 7}}},
		{of(message.Extraction{Kind: message.Screenshot}), inbox.Event{Kind: inbox.EventExtraction, Text: "screenshot"}},
		{of(message.Call{Step: message.CallPreOffer, ID: "c"}),
			inbox.Event{Kind: inbox.EventCall, Text: "pre_offer", CallID: "c"}},
		{of(message.Response{Approved: true}), inbox.Event{Kind: inbox.EventControl, Text: "message_request_response"}},
		{of(message.Data{Flags: message.ExpirationTimerUpdate, ExpireTimerSeconds: 9}),
			inbox.Event{Kind: inbox.EventTimer, TimerSeconds: 9}},
		{of(message.Data{Flags: message.EndSession, Text: "TERMINATE"}), inbox.Event{Kind: inbox.EventReset}},
		{of(message.Data{Flags: message.ProfileKeyUpdate}),
			inbox.Event{Kind: inbox.EventControl, Text: "profile_key_update"}},
		{of(message.Data{Reaction: &message.Reaction{TimestampMS: 7, Author: bob.ID().String(), Emoji: "x"}}),
			inbox.Event{Kind: inbox.EventReaction, Text: "x", About: about}},
		{
			of(message.Data{Reaction: &message.Reaction{TimestampMS: 7, Author: bob.ID().String(), Emoji: "x",
				Remove: true}}),
			inbox.Event{Kind: inbox.EventReaction, Text: "x", About: about, Removed: true},
		},
		{
			of(message.Data{Text: "yes", Quote: &message.Quote{TimestampMS: 7, Author: bob.ID().String(), Text: "?"}}),
			inbox.Event{Kind: inbox.EventMessage, Text: "yes", Quote: &inbox.Quote{Reference: *about, Text: "?"}},
		},
		{
			of(message.Data{Text: "see", Previews: []message.Preview{{URL: "https://example.org", Title: "t"}}}),
			inbox.Event{Kind: inbox.EventMessage, Text: "see",
				Previews: []inbox.Preview{{URL: "https://example.org", Title: "t"}}},
		},
		{of(message.Null{}), inbox.Event{Kind: inbox.EventUnknown}},
	} {
		got := bob.get(alice.boxes(bob, test.content, now))
		want := test.want
		want.Seq, want.ID, want.Hash, want.From, want.DisplayName = got.Seq, got.ID, got.Hash, alice.ID(),
			got.DisplayName
		want.TimestampMS, want.ReceivedAt, want.Route = int64(now), got.ReceivedAt, got.Route
		want.Protocol = string(ProtocolSessionV1)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", test.content.Body.Name(), got, want)
		}
	}
}

// What another device of the account sent comes as a message to its recipient, or as a note to itself. It makes the
// recipient one whose answer is no request.
func TestCopiesFromOtherDevices(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	now := uint64(w.now.UnixMilli())
	phone := alice.losesAll()
	bob.get(alice.writes(bob, "unrelated")) // so that alice's side of it is known to bob
	carolAsked := alice.get(carol.writes(alice, "hello?"))
	if !carolAsked.Asks {
		t.Fatalf("carol's request is %+v", carolAsked)
	}
	for _, test := range []struct {
		data message.Data
		want sessionid.ID
	}{
		{message.Data{Text: "to bob", SyncTarget: bob.ID().String()}, bob.ID()},
		{message.Data{Text: "to carol", SyncTarget: carol.ID().String()}, carol.ID()},
		{message.Data{Text: "to me"}, alice.ID()},
		{message.Data{Text: "to a group", SyncTarget: "03ab"}, alice.ID()},
	} {
		event := alice.get(phone.boxes(alice, message.Content{Body: test.data, SigTimestampMS: now}, now))
		wantText(t, event, test.data.Text)
		if event.From != alice.ID() || event.To != test.want || event.Asks {
			t.Errorf("%q is %+v", test.data.Text, event)
		}
	}
	alice.wantState(carol, StateFriends) // answered on the phone
	// Others cannot make a message look as if the account had sent it.
	event := alice.get(bob.boxes(alice,
		message.Content{Body: message.Data{Text: "x", SyncTarget: carol.ID().String()}, SigTimestampMS: 9}, 9))
	if event.From != bob.ID() || !event.To.IsZero() {
		t.Errorf("bob's copy is %+v", event)
	}
}

// A box is one message, whatever is around it and however late it comes again.
func TestBoxesAreOpenedOnce(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	data := alice.writes(bob, "once")
	wantText(t, bob.get(data), "once")
	if opened := bob.gets(data); !opened[0].Duplicate {
		t.Errorf("the same data: %+v", opened[0])
	}
	env, err := envelope.Unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	other, err := envelope.Pack(w.random, env) // with a device and another request id
	if err != nil || other == data {
		t.Fatal(err)
	}
	if event := bob.get(other); event.Kind != inbox.EventControl || event.Text != "duplicate" {
		t.Errorf("the box in another envelope: %+v", event)
	}
	for range 100 {
		w.pass(lifetime.Day)
		bob.gets()
	}
	for name, data := range map[string]string{"as it was": data, "in another envelope": other} {
		if event := bob.get(data); event.Kind != inbox.EventControl || event.Text != "duplicate" {
			t.Errorf("after a season, %s: %+v", name, event)
		}
	}
}

// Nodes can change what is around a box. What its sender signed counts.
func TestEnvelopeWithAnotherTimestamp(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	event := bob.get(alice.boxes(bob, message.TextV1("hi", "alice", 5), 6))
	wantText(t, event, "hi")
	if event.TimestampMS != 5 {
		t.Errorf("the message is of %d, and its sender says 5", event.TimestampMS)
	}
	// Some clients do not say when they wrote: then the envelope has to do.
	event = bob.get(alice.boxes(bob, message.Text("ho", "alice", nil), 6))
	wantText(t, event, "ho")
	if event.TimestampMS != 6 {
		t.Errorf("the message is of %d, and its envelope of 6", event.TimestampMS)
	}
}

func TestBoxesThatDoNotOpen(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	before := bob.content()
	wantFailure(t, bob.get(alice.writes(carol, "not for bob")), inbox.CodeDecryptionFailed)

	// Something that begins like sealed sender is tried as a box all the same, and fails as what it may be.
	wantFailure(t, bob.get(w.packBox(1, []byte{0x11, 0xff, 0xff})), inbox.CodeDecryptionFailed)
	wantOnlySeen(t, before, bob.content())
}

// Unsupported content is reported as received: files, which are not fetched, group messages, and disappearing timers.
func TestWhatIsOnlyTold(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.pals()
	for name, test := range map[string]struct {
		content []byte // protobuf
		want    inbox.Event
	}{
		"files":      {[]byte{0x0a, 0x04, 0x12, 0x00, 0x12, 0x00}, inbox.Event{Attachments: 2}},
		"group":      {[]byte{0x0a, 0x03, 0xc2, 0x07, 0x00}, inbox.Event{Group: true}},
		"invitation": {[]byte{0x0a, 0x03, 0xb2, 0x06, 0x00}, inbox.Event{Invitation: true}},
		"after read": {[]byte{0x0a, 0x03, 0x0a, 0x01, 'x', 0x60, 1, 0x68, 60}, inbox.Event{Text: "x", TimerSeconds: 60}},
		"after send": {[]byte{0x0a, 0x03, 0x0a, 0x01, 'x', 0x60, 2, 0x68, 60},
			inbox.Event{Text: "x", TimerSeconds: 60, TimerFromSending: true}},
		"timer's set": {[]byte{0x0a, 0x02, 0x20, 0x02, 0x60, 2, 0x68, 60},
			inbox.Event{Kind: inbox.EventTimer, TimerSeconds: 60, TimerFromSending: true}},
	} {
		box, err := sealedbox.Seal(w.random, alice.keys, bob.keys.X25519.Public, message.Pad(test.content))
		if err != nil {
			t.Fatal(err)
		}
		got := bob.get(w.packBox(1, box))
		want := test.want
		if want.Kind == "" {
			want.Kind = inbox.EventMessage
		}
		want.Seq, want.ID, want.Hash, want.From, want.DisplayName = got.Seq, got.ID, got.Hash, got.From, got.DisplayName
		want.TimestampMS, want.ReceivedAt, want.Route = got.TimestampMS, got.ReceivedAt, got.Route
		want.Protocol = string(ProtocolSessionV1)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// An outbox entry is sent once, whichever process is killed, as with protocol signal.
func TestSendV1Resumes(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	first := alice.seals(draft28(bob, "hi"))
	alice.ends(presence.Crashed)
	second := alice.anew("second")
	again := second.seals(draft28(bob, "hi"))
	if !again.Resumed || again.Data != first.Data || again.TTLMillis != storage.Generation28.MaxTTLMillis() {
		t.Errorf("the rerun sends %+v, the killed run %+v", again, first)
	}
	second.ends(presence.Crashed)
	third := alice.anew("third")
	if claimed := third.claimsOutbox(); len(claimed) != 1 || claimed[0].Data != first.Data {
		t.Errorf("left in the outbox: %+v", claimed)
	}
}

func TestSendV1Refuses(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	day := (24 * time.Hour).Milliseconds()
	nobody := sessionid.FromPublicKey(x25519.PublicKey{})
	for name, test := range map[string]struct {
		draft Draft
		want  error
	}{
		"no text": {draft28(bob, ""), ErrNoText},
		"handed over": {Draft{To: bob.ID(), Text: "hi", Protocol: ProtocolSessionV1,
			OnlySync: true}, ErrOnlyAsync},
		"to itself": {draft28(alice, "hi"), ErrSelf},
		"to no real key": {Draft{To: nobody, Text: "hi", Protocol: ProtocolSessionV1},
			x25519.ErrLowOrder},
		"too long a life": {Draft{To: bob.ID(), Text: "hi", Network: storage.Generation28,
			TTLMillis: 15 * day}, ErrTTL},
		"too long a life for the network": {Draft{To: bob.ID(), Text: "hi", Protocol: ProtocolSessionV1,
			TTLMillis: 5 * day}, ErrTTL},
	} {
		_, err := alice.Send(t.Context(), test.draft)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	alice.wantOutboxEmpty(true)
	if _, err := alice.RequestFriend(t.Context(), draft28(bob, ""), false); !errors.Is(err, ErrNoText) {
		t.Errorf("a request without a text: %v", err)
	}
}

// A request is a text that one may not repeat by mistake.
func TestRequestV1(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	data := alice.sends(alice.RequestFriend(t.Context(), draft28(bob, "hi"), false))
	if _, err := alice.RequestFriend(t.Context(), draft28(bob, "ho"), false); !errors.Is(err, ErrRequestPending) {
		t.Errorf("asked twice: %v", err)
	}
	if event := bob.get(data); !event.Asks || event.Text != "hi" {
		t.Errorf("bob gets %+v", event)
	}
	if _, err := bob.RequestFriend(t.Context(), draft28(alice, "ho"), false); !errors.Is(err, ErrAskedAlready) {
		t.Errorf("asked back: %v", err)
	}
	alice.get(bob.accepts(alice))
	if _, err := alice.RequestFriend(t.Context(), draft28(bob, "ho"), false); !errors.Is(err, ErrAlreadyFriends) {
		t.Errorf("asked a friend: %v", err)
	}
}

// Texts of one millisecond have timestamps of their own, by which recipients sort them. A clock that is set back counts.
func TestTextsOfOneMillisecond(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	last := int64(0)
	for range 3 {
		out, err := alice.Send(t.Context(), draft28(bob, "hi"))
		if err != nil {
			t.Fatal(err)
		}
		if last != 0 && out.TimestampMS != last+1 {
			t.Errorf("timestamp %d after %d", out.TimestampMS, last)
		}
		last = out.TimestampMS
	}
	w.now = w.now.Add(-time.Hour)
	out, err := alice.Send(t.Context(), draft28(bob, "ho"))
	if err != nil || out.TimestampMS != w.now.UnixMilli() {
		t.Errorf("timestamp %d, %v at %d", out.TimestampMS, err, w.now.UnixMilli())
	}
}

// Texts that are sealed again stay in their order, and before one that was sealed after them with the right time.
func TestResealedBeforeLaterTexts(t *testing.T) {
	for _, right := range []bool{true, false} {
		t.Run(fmt.Sprint("a right text behind them: ", right), func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.person("alice"), w.person("bob")
			sends := func(text string) Outgoing {
				out, err := alice.Send(t.Context(), draft28(bob, text))
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			w.now = w.now.Add(30 * time.Second) // by a wrong clock
			first, second := sends("first"), sends("second")
			w.now = w.now.Add(-30 * time.Second)
			third := int64(math.MaxInt64)
			if right {
				third = sends("third").TimestampMS
			}
			var stamps []int64
			for _, old := range []Outgoing{first, second} {
				again, err := alice.Reseal(t.Context(), old, draft28(bob, "again"))
				if err != nil {
					t.Fatal(err)
				}
				stamps = append(stamps, again.TimestampMS)
			}
			if stamps[0] >= stamps[1] || stamps[1] >= third {
				t.Errorf("timestamps %d before %d", stamps, third)
			}
		})
	}
}

// A session-v1 text to a person whose signal request waits makes friends by session-v1, without a session. A status
// cannot be announced to that person, which is no error, also in the form that older versions have stored.
func TestTextToASignalRequest(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi"))
	bob.sends(bob.Send(t.Context(), Draft{To: alice.ID(), Text: "ho", Protocol: ProtocolSessionV1}))
	if event := alice.get(bob.says(alice, "ho again")); event.Text != "ho again" {
		t.Errorf("alice gets %+v", event)
	}
	for _, protocol := range []Protocol{ProtocolSessionV1, ProtocolSignal} {
		err := bob.update(t.Context(), func(tx *keystore.Tx) error {
			contact, _, err := contacts.Load(tx, alice.ID())
			if err != nil {
				return err
			}
			contact.Protocol = protocol
			return contacts.Save(tx, contact)
		})
		if err != nil {
			t.Fatal(err)
		}
		if announced, err := bob.Announce(t.Context(), alice.ID()); err != nil || len(announced) != 0 {
			t.Errorf("%s: announced %+v, %v", protocol, announced, err)
		}
	}
}

// A box was recorded to be opened, and nothing but a session belongs on the synchronous route.
func TestBoxOnTheSynchronousRoute(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	opened, err := bob.Receive(t.Context(), []Incoming{{Data: alice.writes(bob, "hi"), Route: message.RouteSync}}, nil)
	if err != nil || !opened[0].Refused {
		t.Errorf("got %+v, %v", opened, err)
	}
}

// The outbox holds base64 that a node takes: nothing else is in a store request of 2.8.
func TestBoxFitsAStoreRequest(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	text := make([]byte, message.MaxTextBytes)
	for i := range text {
		text[i] = 'x'
	}
	raw, err := base64.StdEncoding.DecodeString(alice.writes(bob, string(text)))
	if err != nil || len(raw) > rpc28.MaxMessageBytes {
		t.Errorf("the longest text takes %d bytes, %v", len(raw), err)
	}
}
