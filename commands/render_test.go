package commands

import (
	"strings"
	"testing"

	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

// Files that came with a message are not passed over in silence.
func TestAttachmentsAreTold(t *testing.T) {
	for count, want := range map[int]string{0: "", 1: "a file came", 2: "2 files came"} {
		out, ok := eventRecord(&account.Account{}, account.Event{Kind: account.EventMessage, Attachments: count}, false).(record.Message)
		if !ok || out.Attachments != count || !strings.HasPrefix(out.Notice, want) || (out.Notice == "") != (count == 0) {
			t.Errorf("%d files: %+v", count, out)
		}
	}
}
