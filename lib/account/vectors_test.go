package account

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

type recordedParty struct {
	Identity       struct{ Priv vectors.Hex }
	SignedPreKeys  []recordedPrekey
	RegistrationID uint32
}

type recordedSend struct {
	Data   string      `json:"store_data_base64"`
	Padded vectors.Hex `json:"padded_plaintext"`
}

// recordedEvent is an event that a client passed to its user interface.
type recordedEvent struct {
	Event         string
	FriendRequest bool
	Body          string
	Flags         message.Flags
	Profile       struct{ DisplayName string }
	Timestamp     int64
	Typing        struct{ Stopped bool }
}

type recordedStep struct {
	Step, Who string
	Events    []recordedEvent
	Sent      []recordedSend
	Received  string        `json:"received_base64"`
	Draws     []vectors.Hex `json:"random_32_byte_draws_clamped"`
}

type conversation struct {
	Sealed     bool `json:"sealed_sender"`
	Alice, Bob recordedParty
	Status     struct{ Alice, Bob int } `json:"friend_status_after_accept"`
	Steps      []recordedStep
	Final      *struct{ Alice, Bob struct{ PreKeys []any } }
}

// Whole conversations of two real clients, in both roles: what they sent we make too, and what they received we
// receive, the way poll does.
func TestRecordedConversations(t *testing.T) {
	var recording struct{ Conversations []conversation }
	vectors.Load(t, "session_lifecycle.json", &recording)
	for i, c := range recording.Conversations {
		t.Run(fmt.Sprintf("%d sealed=%v", i, c.Sealed), func(t *testing.T) { c.replay(t) })
	}
}

func (c conversation) replay(t *testing.T) {
	w := newWorld(t)
	alice, bob := c.client(w, "alice", c.Alice), c.client(w, "bob", c.Bob)
	said := make(map[string]message.Content)
	for i, step := range c.Steps {
		actor, other, party := alice, bob, c.Alice
		if step.Who == "bob" {
			actor, other, party = bob, alice, c.Bob
		}
		var sent []stored
		for _, send := range step.Sent {
			s := takeApart(t, other.keys.X25519, send.Data, send.Padded)
			said[s.data] = s.content
			sent = append(sent, s)
		}
		actor.draws.clear()
		actor.draws.add(inOurOrder(drawsAfterRegistration(step, party), sent)...)
		actor.step(t, fmt.Sprintf("step %d, %s, %s", i, step.Who, step.Step), other, step, sent, said[step.Received])
	}
	alice.wantState(bob.person, stateOf(t, c.Status.Alice))
	bob.wantState(alice.person, stateOf(t, c.Status.Bob))
	if c.Final != nil {
		alice.wantOneTimePrekeys(t, len(c.Final.Alice.PreKeys))
		bob.wantOneTimePrekeys(t, len(c.Final.Bob.PreKeys))
	}
}

func (c conversation) client(w *world, name string, party recordedParty) *client {
	made := w.newClient(name, party.Identity.Priv.Array32(w.t), party.RegistrationID, party.SignedPreKeys)
	made.env.Plain = !c.Sealed
	return made
}

// drawsAfterRegistration leaves out what a step drew until its client had made its signed prekeys: the account that
// plays the client starts with those.
func drawsAfterRegistration(step recordedStep, party recordedParty) (draws [][]byte) {
	for _, draw := range step.Draws {
		draws = append(draws, draw)
		if slices.ContainsFunc(party.SignedPreKeys,
			func(key recordedPrekey) bool { return string(key.Priv) == string(draw) }) {
			draws = nil
		}
	}
	return draws
}

// inOurOrder moves the keys that seal senders behind all others, in the order of the messages that they seal: the
// recorded client works on several messages at once.
func inOurOrder(draws [][]byte, sent []stored) (ordered [][]byte) {
	sealing := make([][]byte, len(sent))
	for _, draw := range draws {
		public := x25519.PrivateKey(draw).Public()
		if i := slices.IndexFunc(sent, func(s stored) bool { return s.ephemeral == public }); i >= 0 {
			sealing[i] = draw
		} else {
			ordered = append(ordered, draw)
		}
	}
	return append(ordered, slices.DeleteFunc(sealing, func(draw []byte) bool { return draw == nil })...)
}

// step does what the recorded client did in one step, and compares. Said is the content of the message received.
func (c *client) step(t *testing.T, name string, peer *client, step recordedStep, sent []stored, said message.Content) {
	t.Helper()
	other := peer.ID()
	for _, s := range sent {
		c.draw(s)
	}
	if len(sent) > 0 {
		c.w.now = time.UnixMilli(sent[0].timestamp)
	}
	var answers []string
	if step.Received != "" {
		before := c.state(other)
		opened := c.gets(step.Received)[0]
		compareEvent(t, name, opened, step.Events, said, before)
		answers = c.answers()
	}
	for _, s := range sent {
		var made string
		if len(answers) > 0 && isBackground(s.content) {
			made, answers = answers[0], answers[1:]
		} else {
			made = c.makes(other, s)
		}
		compareSent(t, name, made, s, c.keys.X25519, peer.keys.X25519)
	}
	if len(answers) > 0 {
		t.Errorf("%s: we answer with %d messages more than the client", name, len(answers))
	}
}

func (c *client) state(other sessionid.ID) State {
	contact, err := c.Contact(c.w.t.Context(), other)
	if err != nil {
		return StateNone
	}
	return contact.State
}

// compareSent compares store data byte for byte. A friend request with a profile key is the exception, since ours
// have none to give: it is compared field by field.
func compareSent(t *testing.T, name, made string, want stored, sender, recipient x25519.KeyPair) {
	t.Helper()
	data, _ := want.content.Body.(message.Data)
	if want.request && len(data.ProfileKey) > 0 {
		ours := unwrap(t, recipient, made)
		padded, err := friendrequest.Decrypt(recipient, sender.Public, ours.ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		content, err := layers.ParsePadded(padded)
		data.ProfileKey = nil
		expected := message.Content{Body: data, Bundle: want.content.Bundle}
		if err != nil || !ours.request || ours.timestamp != want.timestamp || !reflect.DeepEqual(content, expected) {
			t.Errorf("%s: we request with %+v (%v), the client with %+v", name, content, err, expected)
		}
		return
	}
	if made != want.data {
		t.Errorf("%s: we store\n%s, the client stored\n%s", name, made, want.data)
	}
}

// compareEvent compares the event of a message with the one that the client passed to its user interface. The client
// reported no online status, and we also report that a request was accepted.
func compareEvent(t *testing.T, name string, opened Opened, recorded []recordedEvent, said message.Content,
	before State) {
	t.Helper()
	want := inbox.Event{Kind: inbox.EventControl}
	if before == StateSent {
		want = inbox.Event{Kind: inbox.EventFriendRequest, State: StateFriends, Outgoing: true}
	}
	// What a client says of its own doings, such as its progress, is no word of the message.
	recorded = slices.DeleteFunc(slices.Clone(recorded), func(event recordedEvent) bool {
		return !slices.Contains([]string{"message", "read", "delivery", "typing"}, event.Event)
	})
	for _, event := range recorded {
		want = inbox.Event{Kind: inbox.EventMessage, Text: event.Body, DisplayName: event.Profile.DisplayName,
			TimestampMS: event.Timestamp}
		switch {
		case event.Event == "read" || event.Event == "delivery":
			receipts, _ := said.Body.(message.Receipts)
			want = inbox.Event{Kind: inbox.EventDelivery, Text: event.Event, Timestamps: receipts.TimestampsMS}
		case event.Event == "typing":
			want = inbox.Event{Kind: inbox.EventTyping, Text: "started"}
			if event.Typing.Stopped {
				want.Text = "stopped"
			}
		case event.FriendRequest:
			want.Kind = inbox.EventFriendRequest
		case event.Flags&message.EndSession != 0:
			want.Kind, want.Text, want.DisplayName = inbox.EventReset, "", ""
		case event.Flags&message.ExpirationTimerUpdate != 0:
			want.Kind, want.Text, want.DisplayName = inbox.EventTimer, "", ""
		case event.Flags != 0:
			want.Kind, want.Text, want.DisplayName = inbox.EventControl, event.Flags.String(), ""
		}
	}
	got := opened.Event
	same := got.Kind == want.Kind && got.Outgoing == want.Outgoing &&
		reflect.DeepEqual(got.Timestamps, want.Timestamps) &&
		(got.Text == want.Text || len(recorded) == 0) &&
		(want.DisplayName == "" || got.DisplayName == want.DisplayName) &&
		(want.TimestampMS == 0 || got.TimestampMS == want.TimestampMS)
	if !same || opened.Duplicate {
		t.Errorf("%s: received %+v, the client %+v", name, got, recorded)
	}
}

// stateOf translates the client's number (signal-2020.md section 5.2).
func stateOf(t *testing.T, number int) State {
	t.Helper()
	states := []State{StateNone, StateNone, StateSent, StateReceived, StateFriends, StateExpired}
	if number < 0 || number >= len(states) {
		t.Fatalf("recorded friend status %d", number)
	}
	return states[number]
}

func (c *client) wantOneTimePrekeys(t *testing.T, want int) {
	t.Helper()
	if got := len(c.oneTimePrekeys()); got != want {
		t.Errorf("%s has %d one-time prekeys left, the client had %d", c.name, got, want)
	}
}

type recordedRequest struct {
	Sealed    bool `json:"sealed_sender"`
	Sender    struct{ Priv vectors.Hex }
	Recipient struct{ Priv vectors.Hex }
	Data      string `json:"store_data_base64"`
	Fallback  struct {
		Padded vectors.Hex `json:"padded_plaintext"`
	}
	SealedBytes *struct {
		EphemeralPrivate vectors.Hex `json:"ephemeral_private"`
	} `json:"sealed"`
	SignedPrekey vectors.Hex `json:"signed_prekey_private"`
	Prekey       vectors.Hex `json:"prekey_private"`
	Received     struct {
		Source  sessionid.ID
		Body    string
		Profile struct{ DisplayName string }
	} `json:"received_by_real_peer"`
}

func loadRequests(t *testing.T) []recordedRequest {
	var recording struct{ Full []recordedRequest }
	vectors.Load(t, "friend_request.json", &recording)
	return recording.Full
}

// Friend requests of a real client are received as its real peer received them.
func TestRecordedFriendRequestsReceived(t *testing.T) {
	for i, r := range loadRequests(t) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			w := newWorld(t)
			bob := w.newClient("bob", r.Recipient.Priv.Array32(t), 1,
				[]recordedPrekey{{ID: 1, CreatedAt: w.now.UnixMilli()}})
			event := bob.get(r.Data)
			if event.Kind != inbox.EventFriendRequest || event.State != StateReceived || event.From != r.Received.Source ||
				event.Text != r.Received.Body || event.DisplayName != r.Received.Profile.DisplayName {
				t.Errorf("received %+v, the client %+v", event, r.Received)
			}
		})
	}
}

// Friend requests of ours are, byte for byte, those of the real client, unless that has a profile key to give.
func TestRecordedFriendRequestsMade(t *testing.T) {
	for i, r := range loadRequests(t) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			w := newWorld(t)
			recipient := x25519.NewKeyPair(r.Recipient.Priv.Array32(t))
			want := takeApart(t, recipient, r.Data, r.Fallback.Padded)
			bundle := want.content.Bundle
			alice := w.newClient("alice", r.Sender.Priv.Array32(t), 1, []recordedPrekey{{
				ID: bundle.SignedPrekeyID, Priv: r.SignedPrekey, Signature: bundle.Signature[:],
				CreatedAt: w.now.UnixMilli(),
			}})
			alice.env.Plain = !r.Sealed
			alice.countPrekeysFrom(t, bundle.OneTimePrekeyID)
			alice.draw(want)
			alice.draws.add(r.Prekey)
			if r.SealedBytes != nil {
				alice.draws.add(r.SealedBytes.EphemeralPrivate)
			}
			made := alice.makes(sessionid.FromPublicKey(recipient.Public), want)
			compareSent(t, "friend request", made, want, alice.keys.X25519, recipient)
		})
	}
}
