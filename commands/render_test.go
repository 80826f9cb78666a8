package commands

import (
	"testing"

	"sessiontool/lib/account"
	"sessiontool/lib/record"
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
		{account.Event{Group: true}, record.Message{Notice: "this message is about a group; sessiontool takes part in none"}},
		{account.Event{Invitation: true}, record.Message{Notice: "an invitation to a community came with this message; sessiontool joins none"}},
		{account.Event{Unsent: true}, record.Message{Unsent: true, Notice: "the sender has taken this message back"}},
		{account.Event{TimerSeconds: 60}, record.Message{
			DisappearAfterMS: 60000, DisappearFrom: "read", Notice: "the sender wants this message to disappear; sessiontool keeps it",
		}},
		{account.Event{Attachments: 2, TimerSeconds: 5, TimerFromSending: true}, record.Message{
			Attachments: 2, DisappearAfterMS: 5000, DisappearFrom: "sent",
			Notice: files + "; the sender wants this message to disappear; sessiontool keeps it",
		}},
	} {
		test.event.Kind = account.EventMessage
		got, _ := eventRecord(&account.Account{}, test.event, false).(record.Message)
		test.want.Type, test.want.ReceivedAt = record.TypeMessage, got.ReceivedAt
		if got != test.want {
			t.Errorf("%+v: %+v, want %+v", test.event, got, test.want)
		}
	}
}
