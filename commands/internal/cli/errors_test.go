package cli

import (
	"testing"

	"sessiontool/lib/record"
)

// Every code is in the table once, and every error that is mapped has a code of the table.
func TestCodeTable(t *testing.T) {
	seen := make(map[record.Code]bool)
	for _, info := range record.Codes {
		if seen[info.Code] {
			t.Errorf("%s stands twice in the table", info.Code)
		}
		seen[info.Code] = true
		if info.Meaning == "" || info.Exit == record.ExitOK {
			t.Errorf("%s has no meaning or counts as success", info.Code)
		}
	}
	for _, entry := range codeTable {
		if !seen[entry.code] {
			t.Errorf("%v is mapped to %s, which is not in the table", entry.err, entry.code)
		}
	}
}

// A record's message is one line, and the same in every build.
func TestFirstLine(t *testing.T) {
	if got, want := FirstLine("proto:\u00a0cannot parse\nat all"), "proto: cannot parse; at all"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
