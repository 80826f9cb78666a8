package tracecmd

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sessiontool/commands/internal/cli/clitest"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/route/mailbox"
)

// look is a look at two members, which hold these messages. A nil list is that of a member that does not answer.
func look(lists ...[]string) mailbox.SwarmCheck {
	out := mailbox.SwarmCheck{Agree: true}
	all := make(map[string]bool)
	for _, list := range lists {
		for _, hash := range list {
			all[hash] = true
		}
	}
	for i, list := range lists {
		m := mailbox.MemberCheck{Node: network.Node{Ed25519: network.Key{byte(i + 1)}}}
		if list == nil {
			m.Err, out.Agree = errors.New("no answer"), false
			out.Members = append(out.Members, m)
			continue
		}
		count := len(list)
		m.Version, m.Latency, m.Messages, m.Held = "2.0.7", time.Duration(i+1)*time.Millisecond, &count, map[string]int64{}
		for _, hash := range list {
			m.Held[hash] = 1
		}
		for hash := range all {
			if _, ok := m.Held[hash]; !ok {
				m.Missing, out.Agree = append(m.Missing, hash), false
			}
		}
		out.Members = append(out.Members, m)
	}
	return out
}

var began = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// seeAll shows a watch one look a second, and returns the last record.
func seeAll(w *watch, looks ...mailbox.SwarmCheck) (out record.SwarmWatch) {
	for i, one := range looks {
		out = w.see(one, began.Add(time.Duration(i)*time.Second))
	}
	return out
}

func TestWatchMeasuresLag(t *testing.T) {
	w := newWatch(0)
	none := []string{}
	out := seeAll(w, look(none, none), look([]string{"a"}, none), look([]string{"a"}, none))
	if out.Agree || out.LagMS != 1000 || out.Members[1].LagMS != 1000 || out.Members[1].Lacking != 1 ||
		out.Members[0].LagMS != 0 || out.Round != 3 {
		t.Errorf("while a message is missing: %+v", out)
	}
	out = w.see(look([]string{"a"}, []string{"a"}), began.Add(5*time.Second))
	if !out.Agree || out.LagMS != 0 || out.Members[1].LagP50MS != 4000 || out.Members[1].LagMaxMS != 4000 ||
		out.Members[0].LagMaxMS != 0 {
		t.Errorf("after it arrived: %+v", out)
	}
	if w.verdict() != nil {
		t.Error("a watch without a bound ends with an error")
	}
}

// What was there at the first look did not arrive late.
func TestWatchIgnoresWhatWasThere(t *testing.T) {
	out := seeAll(newWatch(0), look([]string{"a"}, []string{"a"}), look([]string{"a"}, []string{"a"}))
	if out.Members[0].LagMaxMS != 0 || out.Members[1].LagMaxMS != 0 || *out.Members[1].Messages != 1 {
		t.Errorf("the last look is %+v", out)
	}
}

// A message that expired everywhere and comes back is a new one.
func TestWatchForgetsExpired(t *testing.T) {
	w, none := newWatch(0), []string{}
	out := seeAll(w, look(none, none), look([]string{"a"}, []string{"a"}), look(none, none), look(none, none),
		look([]string{"a"}, none))
	if out.LagMS != 0 || len(w.first) != 1 {
		t.Errorf("the lag is %v ms, %d messages are followed", out.LagMS, len(w.first))
	}
}

func TestWatchWarns(t *testing.T) {
	w, none := newWatch(1500*time.Millisecond), []string{}
	if out := seeAll(w, look(none, none), look([]string{"a"}, none), look([]string{"a"}, none)); out.Warn {
		t.Errorf("warned after a second: %+v", out)
	}
	if out := w.see(look([]string{"a"}, none), began.Add(3*time.Second)); !out.Warn {
		t.Errorf("did not warn: %+v", out)
	}
	clitest.WantCode(t, w.verdict(), record.CodeSwarmLag)
	if text := w.verdict().Error(); !strings.Contains(text, "lacks 1 message for 2s") {
		t.Errorf("the verdict is %s", text)
	}
	silent := newWatch(1500 * time.Millisecond)
	out := seeAll(silent, look(none, none), look(none, nil), look(none, nil))
	if !out.Warn || out.Members[1].Asked != 3 || out.Members[1].Answered != 1 || out.Members[1].Messages != nil {
		t.Errorf("of a silent member: %+v", out)
	}
	if text := silent.verdict().Error(); !strings.Contains(text, "does not answer for 2s") {
		t.Errorf("the verdict is %s", text)
	}
}

func TestPercentile(t *testing.T) {
	var samples []time.Duration
	if percentile(samples, 50) != 0 {
		t.Error("no samples have a percentile")
	}
	for i := range 100 {
		samples = keep(samples, time.Duration(100-i))
	}
	for share, want := range map[int]time.Duration{50: 50, 95: 95, 99: 99, 100: 100} {
		if got := percentile(samples, share); got != want {
			t.Errorf("percentile %d is %d", share, got)
		}
	}
	for range maxSamples {
		samples = keep(samples, 1)
	}
	if len(samples) != maxSamples || percentile(samples, 100) != 1 {
		t.Errorf("%d samples are kept, up to %d", len(samples), percentile(samples, 100))
	}
}

// The table takes its place on a terminal again and again, and says the states in words.
func TestView(t *testing.T) {
	run := clitest.New(t, "")
	if v := newView(run.App, false); v.out != nil || v.instead() {
		t.Error("a table is drawn on what is no terminal")
	}
	run.Streams.ErrIsTerminal, run.Streams.OutIsTerminal = true, true
	if v := newView(run.App, true); v.out != nil || v.instead() {
		t.Error("a table is drawn with --no-live")
	}
	v := newView(run.App, false)
	if !v.instead() {
		t.Error("records are mixed with the table on a terminal")
	}
	w := newWatch(0)
	v.show(w.see(look([]string{"a"}, []string{}, nil), began))
	first := run.Err.String()
	for _, want := range []string{"  disagree  ", "01000000 ok", "02000000 lacks", "03000000 silent", "1/1", "0/1"} {
		if !strings.Contains(first, want) {
			t.Errorf("the table lacks %q:\n%s", want, first)
		}
	}
	if !strings.HasPrefix(first, noWrap) || !strings.HasSuffix(first, wrap) {
		t.Errorf("a narrow terminal wraps the table %q", first)
	}
	run.Err.Reset()
	v.show(w.see(look([]string{"a"}, []string{"a"}, []string{"a"}), began.Add(time.Second)))
	if again := run.Err.String(); !strings.HasPrefix(again, "\x1b[5A\x1b[J") || !strings.Contains(again, "  agree  ") {
		t.Errorf("the second table is %q", again)
	}
	run.Streams.OutIsTerminal = false
	if newView(run.App, false).instead() {
		t.Error("a file gets no records")
	}
	run.Err.Reset()
}

// The table of a day of watching a slow swarm fits into a terminal of 80 columns.
func TestTableFits(t *testing.T) {
	count := 123_456
	member := record.MemberWatch{
		PubkeyEd25519: strings.Repeat("a", 64), Messages: &count, Lacking: 1_234_567, LagMS: 9e6, LagP95MS: 9e6,
		LatencyMS: 99_999, LatencyP95MS: 99_999, Asked: 9999, Answered: 9999,
	}
	text := table(record.SwarmWatch{
		SwarmID: strings.Repeat("f", 16), At: "2026-12-01T05:46:59.109Z", Round: 99_999, LagMS: 9e6,
		Members: []record.MemberWatch{member},
	})
	for line := range strings.Lines(text) {
		if len(line) > 80 {
			t.Errorf("a line has %d characters: %s", len(line)-1, line)
		}
	}
}

func TestWatchOptions(t *testing.T) {
	run := clitest.New(t, "")
	errs := make(map[string]error)
	for name, opts := range map[string]*watchOptions{
		"no interval": {}, "negative count": {every: time.Second, count: -1},
		"negative time": {every: time.Second, duration: -1}, "negative lag": {every: time.Second, warnLag: -1},
	} {
		errs[name] = runSwarmWatch(t.Context(), run.App, opts)
	}
	errs["a picture on stdout"] = runTrace(t.Context(), run.App, &traceOptions{svg: "-"})
	run.RefusesOptions(t, errs)
}
