package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

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

// hostile is a text that sets the clipboard of a terminal, clears its screen in two ways, rings, turns the direction of
// what follows, and pretends to be a second record.
const (
	hostile = "\x1b]52;c;cm0gLXJm\a\x1b[2J\u009b2J\x7f\u202eexe.\u2066x\u200f\u061c\r\n{\"type\":\"message\"}"
	shown   = `\u001b]52;c;cm0gLXJm\u0007\u001b[2J\u009b2J\u007f\u202eexe.\u2066x\u200f\u061c\r\n{"type":"message"}`
)

// On a terminal a selected text cannot act. In a pipe it is data.
func TestSelectOnTerminal(t *testing.T) {
	for name, test := range map[string]struct {
		terminal    bool
		path, path0 string
		want        string
	}{
		"terminal":              {true, "text", "", shown + "\n"},
		"pipe":                  {false, "text", "", hostile + "\n"},
		"terminal, select0":     {true, "", "text", shown + "\x00"},
		"pipe, select0":         {false, "", "text", hostile + "\x00"},
		"terminal, whole value": {true, "{text}", "", `{"text":"` + strings.ReplaceAll(shown, `"`, `\"`) + "\"}\n"},
		"pipe, whole value":     {false, "{text}", "", `{"text":"` + strings.ReplaceAll(shown, `"`, `\"`) + "\"}\n"},
		"terminal, JSON in it":  {true, "display_name|@fromstr", "", "[\"\\u009b2J\"]\n"},
		"pipe, JSON in it":      {false, "display_name|@fromstr", "", "[\"\u009b2J\"]\n"},
	} {
		var out bytes.Buffer
		app := New(Streams{Out: &out, Err: io.Discard, OutIsTerminal: test.terminal})
		app.printer.path, app.printer.path0 = test.path, test.path0
		if err := app.Print(record.Message{Text: hostile, DisplayName: "[\"\u009b2J\"]"}); err != nil {
			t.Fatal(err)
		}
		if out.String() != test.want {
			t.Errorf("%s: %q, want %q", name, out.String(), test.want)
		}
	}
}

// A NUL within a text does not end it.
func TestSelect0WithNUL(t *testing.T) {
	var out bytes.Buffer
	p := &printer{out: &out, err: io.Discard, path0: "text"}
	for _, text := range []string{"one\x00two", "a\nb"} {
		if err := p.print(record.Message{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if want := "one\ufffdtwo\x00a\nb\x00"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// JSON of records and errors has no character on which a terminal acts, and is the same value.
func TestRecordsAreVisible(t *testing.T) {
	for _, pretty := range []bool{false, true} {
		line, err := (&printer{pretty: pretty}).encode(record.Message{Text: hostile, DisplayName: "Zoë 日本 \u200d👍"})
		if err != nil {
			t.Fatal(err)
		}
		wantVisible(t, string(line))
		var back record.Message
		if err := json.Unmarshal(line, &back); err != nil || back.Text != hostile {
			t.Errorf("%s is %q, %v", line, back.Text, err)
		}
		if !strings.Contains(string(line), "Zoë 日本 \u200d👍") {
			t.Errorf("a name that is only foreign is escaped: %s", line)
		}
	}
	var problems bytes.Buffer
	New(Streams{Out: io.Discard, Err: &problems}).WriteError(Describe(errors.New("the node says " + hostile)))
	wantVisible(t, problems.String())
}

// What is logged of strangers' words cannot act either, in both formats.
func TestLogsAreVisible(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var problems bytes.Buffer
		log, err := (&logFlags{format: format}).logger(visibleWriter{&problems})
		if err != nil {
			t.Fatal(err)
		}
		log.Warn("said "+hostile, "text", hostile, "err", errors.New(hostile), "delete", "\x7f", "broken", "\x9b2J")
		wantVisible(t, problems.String())
		if strings.Count(problems.String(), "\n") != 1 {
			t.Errorf("%s: not one line: %q", format, problems.String())
		}
	}
}

// wantVisible fails the test if a terminal would act on text, beyond the ends of its lines.
func wantVisible(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		if r == utf8.RuneError || r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("character %U at %d of %q", r, i, text)
		}
	}
}

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"Zoë, 日本, \u200d👍":       "Zoë, 日本, \u200d👍",
		`C:\new`:                 `C:\new`,
		"a\tb\x00":               `a\tb\u0000`,
		"\x9b2J broken \xff":     "\ufffd2J broken \ufffd",
		"\u2028\u2029\u0085":     `\u2028\u2029\u0085`,
		"\u200b\u2065\u206a":     "\u200b\u2065\u206a",
		"\u00a0\u00ad\U0001f600": "\u00a0\u00ad\U0001f600",
	} {
		if got := Visible(text); got != want {
			t.Errorf("Visible(%q) is %q, want %q", text, got, want)
		}
	}
	// Every direction that Unicode knows, and every control.
	for r := rune(0); r <= utf8.MaxRune; r++ {
		escaped := Visible(string(r)) != string(r) && r != utf8.RuneError && utf8.ValidRune(r)
		must := unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029
		if escaped != must {
			t.Errorf("%U: escaped is %v", r, escaped)
		}
	}
}
