package render

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/record"
	"sessiontool/lib/schema/schematest"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// What came with a message and is not here, or was asked for and is not done, is not passed over in silence.
func TestNotices(t *testing.T) {
	const files = "2 files came with this message; sessiontool does not fetch files"
	for _, test := range []struct {
		event inbox.Event
		want  record.Message
	}{
		{inbox.Event{Text: "x"}, record.Message{Text: "x"}},
		{inbox.Event{Attachments: 1}, record.Message{
			Attachments: 1, Notice: "a file came with this message; sessiontool does not fetch files",
		}},
		{inbox.Event{Attachments: 2}, record.Message{Attachments: 2, Notice: files}},
		{inbox.Event{Group: true}, record.Message{
			Notice: "this message is about a group; sessiontool takes part in none",
		}},
		{inbox.Event{Invitation: true}, record.Message{
			Notice: "an invitation to a community came with this message; sessiontool joins none",
		}},
		{inbox.Event{Unsent: true}, record.Message{Unsent: true, Notice: "the sender has taken this message back"}},
		{inbox.Event{TimerSeconds: 60}, record.Message{
			DisappearAfterMS: 60000, DisappearFrom: "read",
			Notice: "the sender wants this message to disappear; sessiontool keeps it",
		}},
		{inbox.Event{Attachments: 2, TimerSeconds: 5, TimerFromSending: true}, record.Message{
			Attachments: 2, DisappearAfterMS: 5000, DisappearFrom: "sent",
			Notice: files + "; the sender wants this message to disappear; sessiontool keeps it",
		}},
	} {
		test.event.Kind = inbox.EventMessage
		got, _ := eventRecord(&account.Account{}, test.event, false).(record.Message)
		test.want.Type, test.want.ReceivedAt = record.TypeMessage, got.ReceivedAt
		test.want.To, test.want.Direction = new(account.Account).ID().String(), "in"
		test.want.Previews = []record.Preview{}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%+v: %+v, want %+v", test.event, got, test.want)
		}
	}
}

// What arrives and is no text is a record of its own type, with what it says in a field that can be selected.
func TestNoticeRecords(t *testing.T) {
	about := &inbox.Reference{TimestampMS: 7, Author: "05ab"}
	from := sessionid.FromPublicKey(x25519.PublicKey{1})
	to := sessionid.FromPublicKey(x25519.PublicKey{2})
	var checker schematest.Checker
	for _, test := range []struct {
		event inbox.Event
		kind  string
		paths map[string]string
	}{
		{inbox.Event{Kind: inbox.EventReset}, "session_reset", map[string]string{
			"direction": "in", "from": from.String(),
		}},
		{
			inbox.Event{Kind: inbox.EventReaction, Text: "x", About: about}, "reaction",
			map[string]string{"emoji": "x", "action": "react", "about_timestamp_ms": "7", "about_author": "05ab"},
		},
		{inbox.Event{Kind: inbox.EventReaction, Removed: true}, "reaction", map[string]string{"action": "remove"}},
		{inbox.Event{Kind: inbox.EventTyping, Text: "started"}, "typing", map[string]string{"action": "started"}},
		{
			inbox.Event{Kind: inbox.EventExtraction, Text: "screenshot"}, "extraction",
			map[string]string{"kind": "screenshot", "about_timestamp_ms": "0"},
		},
		{inbox.Event{Kind: inbox.EventCall, Text: "offer", CallID: "c"}, "phone_call", map[string]string{
			"kind": "offer", "call_id": "c",
		}},
		{
			inbox.Event{Kind: inbox.EventTimer, TimerSeconds: 5, TimerFromSending: true}, "timer_change",
			map[string]string{"disappear_after_ms": "5000", "disappear_from": "sent"},
		},
		{inbox.Event{Kind: inbox.EventTimer}, "timer_change", map[string]string{
			"disappear_after_ms": "0", "disappear_from": "read",
		}},
		{inbox.Event{Kind: inbox.EventUnsend, About: about}, "unsend", map[string]string{
			"about_timestamp_ms": "7", "about_author": "05ab",
		}},
		{inbox.Event{Kind: inbox.EventUnknown}, "unknown", map[string]string{"timestamp_ms": "9"}},
		{
			inbox.Event{
				Kind: inbox.EventMessage, To: to, Text: "x", Quote: &inbox.Quote{Reference: *about, Text: "q"},
			}, "message",
			map[string]string{
				"direction": "out", "to": to.String(), "quote.text": "q", "quote.author": "05ab",
				"quote.timestamp_ms": "7",
			},
		},
		{
			inbox.Event{Kind: inbox.EventMessage, Previews: []inbox.Preview{{URL: "u", Title: "t"}}}, "message",
			map[string]string{"direction": "in", "previews.0.url": "u", "previews.0.title": "t"},
		},
	} {
		test.event.From, test.event.TimestampMS, test.event.ReceivedAt = from, 9, time.Unix(0, 0)
		test.event.ID, test.event.Route = "id", record.RouteAsync
		line, err := json.Marshal(eventRecord(&account.Account{}, test.event, false))
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := checker.Check(line); err != nil || kind != test.kind {
			t.Errorf("%s is of type %q, want %q: %v", line, kind, test.kind, err)
		}
		for path, want := range test.paths {
			if got := gjson.GetBytes(line, path).String(); got != want {
				t.Errorf("%s of %s is %q, want %q", path, line, got, want)
			}
		}
	}
}

// An unauthenticated sender is not printed as the sender.
func TestForgedSenderIsNotFrom(t *testing.T) {
	from := sessionid.FromPublicKey(x25519.PublicKey{1})
	for _, claimed := range []bool{false, true} {
		event := inbox.Event{Kind: inbox.EventFailure, Code: inbox.CodeNoSession, From: from, Claimed: claimed}
		got, ok := eventRecord(&account.Account{}, event, false).(record.Error)
		want := map[bool]string{claimed: from.String()}
		if !ok || got.ClaimedFrom != want[true] || got.From != want[false] {
			t.Errorf("claimed %t: %+v", claimed, got)
		}
	}
}
