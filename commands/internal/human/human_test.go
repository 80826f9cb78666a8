package human

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"sessiontool/lib/record"
)

// shown returns what a Writer shows of records, in UTC.
func shown(t *testing.T, color bool, records ...any) string {
	t.Helper()
	var out bytes.Buffer
	w := &Writer{Out: &out, Color: color, Zone: time.UTC}
	for _, one := range records {
		if err := w.Write(one); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const (
	stranger = "05aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	at       = 1796075551511 // 2026-11-30 21:52:31
)

// The words of a stranger cannot act on the terminal, look like another line or another name, or cover other lines.
func TestStrangersAreHarmless(t *testing.T) {
	evil := "a\x1b[2J\u009b31m\u202egnp.exe\u200b\u2066x\r\nroot  2026-11-30  all is well" + strings.Repeat("\u0335", 40)
	for name, v := range map[string]any{
		"message": record.Message{From: stranger, DisplayName: evil, Text: evil, TimestampMS: at,
			Quote: &record.Quote{Text: evil}, Previews: []record.Preview{{URL: evil, Title: evil}}},
		"friend_request": record.FriendRequest{From: stranger, DisplayName: evil, Text: evil, State: "received"},
		"reaction":       record.Reaction{Notice: record.Notice{From: stranger, DisplayName: evil}, Emoji: evil},
		"contact":        record.Contact{SessionID: stranger, DisplayName: evil},
		"setting":        record.Setting{Name: "keystore", Value: evil, Origin: "file", Source: evil},
		"node":           record.Node{IP: evil},
		"check":          record.Check{Name: "path", Detail: evil},
		"swarm_check":    record.SwarmCheck{Members: []record.MemberCheck{{Version: evil, Error: evil}}},
		"trace": record.Trace{MessageHash: "00", Why: evil, Stages: []record.TraceStage{{Stage: "path", Detail: evil}},
			Detours: []record.TraceDetour{{Detail: evil}}},
		"poll":        record.Trace{Why: evil},
		"swarm_watch": record.SwarmWatch{Members: []record.MemberWatch{{Error: evil}}},
		"error":       record.Error{Code: "refused", Message: evil, Ref: evil},
		"any other":   record.PhoneCall{Kind: evil},
		"fields":      record.Identity{DisplayName: evil},
	} {
		text := shown(t, false, v)
		for _, r := range text {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(hidden, r) || unicode.Is(invisible, r)) {
				t.Errorf("%s: U+%04X is in %q", name, r, text)
				break
			}
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "root") {
				t.Errorf("%s: a line begins as the stranger likes: %q", name, text)
			}
		}
		if strings.Count(text, "\u0335") > 8*maxMarks {
			t.Errorf("%s: marks pile up", name)
		}
	}
	if text := shown(t, false, record.Message{From: stranger, DisplayName: "Bob", Text: "x"}); !strings.Contains(text,
		`"Bob" 05aaaaaaaa…`) {
		t.Errorf("a name of a stranger's own is not marked: %q", text)
	}
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "你好": 4, "ｗ": 2, "e\u0301": 1, "👩\u200d👩\u200d👧": 2, "👍🏽": 2, "🇩🇪": 2, "❤\ufe0f": 2, "☕": 2,
		"한국": 4, "…": 1, "שלום": 4,
	} {
		if got := Width(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
	if got := cut("你好世界", 5); got != "你好…" || Width(got) > 5 {
		t.Errorf("cut to %q", got)
	}
	if got := cut("short", 5); got != "short" {
		t.Errorf("cut to %q", got)
	}
}

// Columns stay straight whatever is in them: each cell of a column begins at the same place of the terminal.
func TestTablesAreStraight(t *testing.T) {
	text := shown(t, false,
		record.Contact{Name: "bob", SessionID: stranger, State: "friends", Since: "2026-11-30T21:52:31.511Z"},
		record.Contact{DisplayName: "你好 👩\u200d👩\u200d👧", SessionID: stranger, State: "received", Online: true},
		record.Contact{Name: "e\u0301", SessionID: stranger, State: "none", Blocked: true})
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 4 {
		t.Fatalf("%q", text)
	}
	place := Width(lines[0][:strings.Index(lines[0], "SESSION ID")])
	for _, line := range lines[1:] {
		if got := Width(line[:strings.Index(line, stranger)]); got != place {
			t.Errorf("the ID is at %d, not at %d, in %q", got, place, line)
		}
	}
	if !strings.Contains(lines[1], "2026-11-30 21:52:31") || !strings.Contains(lines[3], "blocked") {
		t.Errorf("%q", text)
	}
}

// The page of a network is shown where there is one.
func TestNetworkWithPage(t *testing.T) {
	up := true
	n := record.Network{Name: "devnet", Up: &up, Nodes: 4, Swarms: 1, Difficulty: 1, Generation: "2.0"}
	if text := shown(t, false, n); strings.Contains(text, "page:") {
		t.Errorf("a network without a page: %s", text)
	}
	n.PageURL = "http://127.0.0.1:8000/"
	if text := shown(t, false, n); !strings.Contains(text, "\n  page:  http://127.0.0.1:8000/\n") {
		t.Errorf("the page is not shown: %s", text)
	}
}

// A table is shown before the next record of another kind, and each event at once.
func TestOrder(t *testing.T) {
	contact := record.Contact{Name: "bob", SessionID: stranger}
	text := shown(t, false, contact, record.Check{Name: "clock", OK: true}, contact)
	if strings.Index(text, "NAME") > strings.Index(text, "clock") || strings.Count(text, "NAME") != 2 {
		t.Errorf("%q", text)
	}
	var out bytes.Buffer
	w := &Writer{Out: &out, Zone: time.UTC}
	if err := w.Write(record.Message{Text: "now"}); err != nil || !strings.HasSuffix(out.String(), "now\n") {
		t.Errorf("a message waits: %q, %v", out.String(), err)
	}
}

// Each kind of record that the program prints has a line or more, with and without colours, and colours change no
// letter.
func TestEveryRecord(t *testing.T) {
	for _, kind := range record.Kinds {
		if !kind.Output {
			continue
		}
		plain := shown(t, false, kind.Value)
		if plain == "" || !strings.HasSuffix(plain, "\n") || !utf8.ValidString(plain) {
			t.Errorf("%s is shown as %q", kind.Name, plain)
		}
		colored := shown(t, true, kind.Value)
		for _, color := range []string{bold, dim, red, green, amber, "0"} {
			colored = strings.ReplaceAll(colored, "\x1b["+color+"m", "")
		}
		if trimmed(colored) != trimmed(plain) {
			t.Errorf("%s in colours is %q, without %q", kind.Name, colored, plain)
		}
	}
}

// trimmed is a text without the spaces at the ends of its lines, where a colour may stand behind them.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// FuzzHarmless takes any text: what is shown of it has no character on which a terminal acts, and stays the same when
// it is shown again.
func FuzzHarmless(f *testing.F) {
	f.Add("\x1b[2J")
	f.Add("\u202e👩\u200d👧 e\u0301\u0301\u0301\u0301\u0301\u0301")
	f.Fuzz(func(t *testing.T, text string) {
		got := Harmless(text)
		for _, r := range got {
			if r < ' ' || unicode.Is(hidden, r) || unicode.Is(invisible, r) {
				t.Fatalf("U+%04X is in %q", r, got)
			}
		}
		if again := Harmless(got); again != got {
			t.Errorf("%q, and again %q", got, again)
		}
		if width := Width(got); width < 0 || width > 2*utf8.RuneCountInString(got) {
			t.Errorf("%q takes %d columns", got, width)
		}
	})
}

// Settings, nodes and error codes are tables.
func TestListsAreTables(t *testing.T) {
	text := shown(t, false, record.Setting{Name: "timeout", Value: "2m0s", Origin: "default"},
		record.Setting{Name: "keystore", Value: "/k", Origin: "flag", Source: "--keystore"})
	text += shown(t, false, record.Setting{Name: "keep"})
	text += shown(t, false, record.Node{IP: "192.0.2.1", Port: 22021, SwarmID: "7f", PubkeyEd25519: "ab"})
	text += shown(t, false, record.ErrorCode{Code: "timeout", ExitCode: 8, Retryable: true, Meaning: "it took too long"})
	want := "SETTING   VALUE  ORIGIN   SOURCE\ntimeout   2m0s   default\nkeystore  /k     flag     --keystore\n" +
		"SETTING  VALUE\nkeep\n" +
		"ADDRESS          SWARM  ED25519 KEY\n192.0.2.1:22021  7f     ab\n" +
		"CODE     EXIT  RETRY  MEANING\ntimeout  8     yes    it took too long\n"
	if text != want {
		t.Errorf("shown is\n%s, not\n%s", text, want)
	}
}
