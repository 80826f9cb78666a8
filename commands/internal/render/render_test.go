package render

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/schema/schematest"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// What came with a message and is not here, or was asked for and is not done, is not passed over in silence.
func TestNotices(t *testing.T) {
	const files = "2 files came with this message; sessiontool does not fetch files"
	for _, test := range []struct {
		event account.Event
		want  record.Message
	}{
		{account.Event{Text: "x"}, record.Message{Text: "x"}},
		{account.Event{Attachments: 1}, record.Message{
			Attachments: 1, Notice: "a file came with this message; sessiontool does not fetch files",
		}},
		{account.Event{Attachments: 2}, record.Message{Attachments: 2, Notice: files}},
		{account.Event{Group: true}, record.Message{
			Notice: "this message is about a group; sessiontool takes part in none",
		}},
		{account.Event{Invitation: true}, record.Message{
			Notice: "an invitation to a community came with this message; sessiontool joins none",
		}},
		{account.Event{Unsent: true}, record.Message{Unsent: true, Notice: "the sender has taken this message back"}},
		{account.Event{TimerSeconds: 60}, record.Message{
			DisappearAfterMS: 60000, DisappearFrom: "read",
			Notice: "the sender wants this message to disappear; sessiontool keeps it",
		}},
		{account.Event{Attachments: 2, TimerSeconds: 5, TimerFromSending: true}, record.Message{
			Attachments: 2, DisappearAfterMS: 5000, DisappearFrom: "sent",
			Notice: files + "; the sender wants this message to disappear; sessiontool keeps it",
		}},
	} {
		test.event.Kind = account.EventMessage
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
	about := &account.Reference{TimestampMS: 7, Author: "05ab"}
	from := sessionid.FromPublicKey(x25519.PublicKey{1})
	to := sessionid.FromPublicKey(x25519.PublicKey{2})
	var checker schematest.Checker
	for _, test := range []struct {
		event account.Event
		kind  string
		paths map[string]string
	}{
		{account.Event{Kind: account.EventReset}, "session_reset", map[string]string{
			"direction": "in", "from": from.String(),
		}},
		{
			account.Event{Kind: account.EventReaction, Text: "x", About: about}, "reaction",
			map[string]string{"emoji": "x", "action": "react", "about_timestamp_ms": "7", "about_author": "05ab"},
		},
		{account.Event{Kind: account.EventReaction, Removed: true}, "reaction", map[string]string{"action": "remove"}},
		{account.Event{Kind: account.EventTyping, Text: "started"}, "typing", map[string]string{"action": "started"}},
		{
			account.Event{Kind: account.EventExtraction, Text: "screenshot"}, "extraction",
			map[string]string{"kind": "screenshot", "about_timestamp_ms": "0"},
		},
		{account.Event{Kind: account.EventCall, Text: "offer", CallID: "c"}, "phone_call", map[string]string{
			"kind": "offer", "call_id": "c",
		}},
		{
			account.Event{Kind: account.EventTimer, TimerSeconds: 5, TimerFromSending: true}, "timer_change",
			map[string]string{"disappear_after_ms": "5000", "disappear_from": "sent"},
		},
		{account.Event{Kind: account.EventTimer}, "timer_change", map[string]string{
			"disappear_after_ms": "0", "disappear_from": "read",
		}},
		{account.Event{Kind: account.EventUnsend, About: about}, "unsend", map[string]string{
			"about_timestamp_ms": "7", "about_author": "05ab",
		}},
		{account.Event{Kind: account.EventUnknown}, "unknown", map[string]string{"timestamp_ms": "9"}},
		{
			account.Event{
				Kind: account.EventMessage, To: to, Text: "x", Quote: &account.Quote{Reference: *about, Text: "q"},
			}, "message",
			map[string]string{
				"direction": "out", "to": to.String(), "quote.text": "q", "quote.author": "05ab",
				"quote.timestamp_ms": "7",
			},
		},
		{
			account.Event{Kind: account.EventMessage, Previews: []account.Preview{{URL: "u", Title: "t"}}}, "message",
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
		event := account.Event{Kind: account.EventFailure, Code: account.CodeNoSession, From: from, Claimed: claimed}
		got, ok := eventRecord(&account.Account{}, event, false).(record.Error)
		want := map[bool]string{claimed: from.String()}
		if !ok || got.ClaimedFrom != want[true] || got.From != want[false] {
			t.Errorf("claimed %t: %+v", claimed, got)
		}
	}
}
