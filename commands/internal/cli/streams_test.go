package cli

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"sessiontool/lib/record"
)

// failing is a stdout that cannot be written.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

func TestUnwritableOutputIsAFailure(t *testing.T) {
	app := New(Streams{Out: failing{}, Err: io.Discard})
	if err := app.Print(record.Version{Type: record.TypeVersion}); err == nil {
		t.Error("a record that could not be written counts as printed")
	}
}

func TestSelect(t *testing.T) {
	var out, problems bytes.Buffer
	p := &printer{out: &out, err: &problems, path: "text"}
	for _, v := range []any{
		record.Message{Text: "a <b> \"c\"\nd"}, record.Version{}, record.NewError(record.CodeBadInput, "x"),
	} {
		if err := p.print(v); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := out.String(), "a <b> \"c\"\nd\n"; got != want {
		t.Errorf("selected %q, want %q", got, want)
	}
	if !strings.Contains(problems.String(), `"code":"bad_input"`) || !p.failed {
		t.Errorf("the error record was lost: %q", problems.String())
	}
}

func TestTextsStayReadable(t *testing.T) {
	line, err := (&printer{}).encode(record.Message{Text: "<&>"})
	if err != nil || !strings.Contains(string(line), `"text":"<&>"`) {
		t.Errorf("%s, %v", line, err)
	}
}
