package tracefiles

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/record"
	"sessiontool/lib/trace"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// recorded returns the trace of what a function records within a span.
func recorded(t *testing.T, at time.Time, name string, failure error, work func(ctx context.Context)) trace.Trace {
	t.Helper()
	r := trace.NewRecorder(func() time.Time { return at }, rand.Reader, 1)
	ctx, root := trace.Begin(trace.With(t.Context(), r), name)
	if work != nil {
		work(ctx)
	}
	root.End(failure)
	traces, lost := r.Take(true)
	if len(traces) != 1 || lost != 0 {
		t.Fatalf("%d traces, %d lost", len(traces), lost)
	}
	return traces[0]
}

func message(t *testing.T, at time.Time) trace.Trace {
	t.Helper()
	return recorded(t, at, trace.SpanMessage, nil, func(ctx context.Context) {
		_, send := trace.Start(ctx, trace.SpanSend, trace.String(trace.KeyHash, "00aa"))
		send.Event(trace.EventStored, trace.String(trace.KeyNode, "aaaaaaaa"), trace.Int("answered_ms", 3))
		send.End(nil)
	})
}

// opened records that a poll opens a message.
func opened(duplicate bool) func(context.Context) {
	return func(ctx context.Context) {
		_, span := trace.Start(ctx, trace.SpanOpen)
		span.Event(trace.EventMessage, trace.String(trace.KeyHash, "00aa"), trace.Bool("duplicate", duplicate))
		span.End(nil)
	}
}

func journalIn(t *testing.T) Journal {
	t.Helper()
	return Journal{Dir: t.TempDir(), Key: [trace.KeySize]byte{1}, Random: rand.Reader}
}

func TestJournalKeepsMessages(t *testing.T) {
	j := journalIn(t)
	if traces, damaged, err := j.Read(now); len(traces) != 0 || damaged != 0 || err != nil {
		t.Errorf("a journal that is not there has %d traces, %d damaged, %v", len(traces), damaged, err)
	}
	err := errors.Join(
		j.Append([]trace.Trace{
			message(t, now), recorded(t, now, trace.SpanPoll, nil, nil), recorded(t, now, trace.SpanPoll, nil, opened(true)),
		}),
		j.Append([]trace.Trace{
			recorded(t, now, trace.SpanPoll, nil, opened(false)), recorded(t, now, trace.SpanPoll, errors.New("no node"), nil),
			message(t, now.Add(-journalKeeps-time.Second)),
		}))
	if err != nil {
		t.Fatal(err)
	}
	traces, damaged, err := j.Read(now)
	if err != nil || damaged != 0 {
		t.Fatalf("%d damaged, %v", damaged, err)
	}
	var names []string
	for _, one := range traces {
		names = append(names, one.Spans[0].Name+" "+one.Spans[0].State)
	}
	if got := strings.Join(names, ", "); got != "message ok, poll ok, poll failed" {
		t.Errorf("the journal shows %s", got)
	}
	info, err := os.Stat(filepath.Join(j.Dir, journalName))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the journal has the mode %v, %v", info.Mode(), err)
	}
}

// A journal that has its size becomes the old one. Both are read, and no third one is kept.
func TestJournalIsBounded(t *testing.T) {
	j := journalIn(t)
	current, old := filepath.Join(j.Dir, journalName), filepath.Join(j.Dir, oldJournalName)
	grow := func(content string) {
		t.Helper()
		if err := os.WriteFile(current, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := j.Append([]trace.Trace{message(t, now)}); err != nil {
			t.Fatal(err)
		}
	}
	grow(strings.Repeat("\xff", maxJournal+1))
	if info, err := os.Stat(old); err != nil || info.Size() != maxJournal+1 {
		t.Fatalf("the old journal: %v, %v", info, err)
	}
	if traces, damaged, err := j.Read(now); len(traces) != 1 || damaged != 1 || err != nil {
		t.Errorf("%d traces, %d damaged, %v", len(traces), damaged, err)
	}
	grow(strings.Repeat("\x00", maxJournal+2))
	files, err := os.ReadDir(j.Dir)
	if info, statErr := os.Stat(old); err != nil || statErr != nil || len(files) != 2 || info.Size() != maxJournal+2 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

// A folder that takes no journal is an error of the journal.
func TestJournalErrors(t *testing.T) {
	j := journalIn(t)
	j.Dir = filepath.Join(j.Dir, "none")
	if err := j.Append([]trace.Trace{message(t, now)}); err == nil {
		t.Error("no error without a folder")
	}
	j = journalIn(t)
	if err := os.Mkdir(filepath.Join(j.Dir, journalName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.Read(now); err == nil {
		t.Error("a folder is read as a journal")
	}
}

func TestFormats(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		"a.jsonl": `{"type":"trace","trace_id":"`, "a.JSON": `{"resourceSpans":[`, "a.svg": `<svg `,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(Check(path), Write(path, "1", []trace.Trace{message(t, now)})); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(content, []byte(want)) {
			t.Errorf("%s: %.60s, %v", name, content, err)
		}
	}
	for name, traces := range map[string][]trace.Trace{
		"Message 00aa": {message(t, now)}, "Traces": {message(t, now), message(t, now)},
		">poll": {recorded(t, now, trace.SpanPoll, nil, opened(false))},
	} {
		path := filepath.Join(dir, "b.svg")
		if err := Write(path, "", traces); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		staged := strings.Contains(string(content), ">replicated<")
		if err != nil || !strings.Contains(string(content), name) || staged != (name == "Message 00aa") {
			t.Errorf("the picture of %s has the stages: %v, %v", name, staged, err)
		}
	}
	if Check(Stdout) != nil || Check("a.txt") == nil || Check("") == nil || Write(filepath.Join(dir, "a.txt"), "", nil) == nil {
		t.Error("the names of files are not checked")
	}
}

// The record has everything of a trace: spans, attributes and moments. One of a poll has no stages.
func TestRecord(t *testing.T) {
	one := message(t, now)
	text, err := json.Marshal(Records([]trace.Trace{one})[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"message_hash":"00aa","at":"2026-11-30T12:00:00.000Z"`, `"attributes":{"message_hash":"00aa"}`,
		`"events":[{"event":"stored","offset_ms":0,"attributes":{"answered_ms":3,"node":"aaaaaaaa"}}]`,
		`"stage":"stored","state":"done","at":"2026-11-30T12:00:00.000Z"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if without := Record(one, trace.Way{}, false); len(without.Spans) != 0 || without.Spans == nil {
		t.Errorf("spans that are not wanted: %v", without.Spans)
	}
	poll := Records([]trace.Trace{recorded(t, now, trace.SpanPoll, nil, opened(false))})[0]
	if len(poll.Stages) != 0 || poll.Why != "poll: 1 new message" || poll.StoppedAt != "" {
		t.Errorf("the record of a poll is %+v", poll)
	}
	asked := Record(trace.Trace{}, trace.Way{
		Hash: "00aa", Members: []trace.Member{{Node: "aa", Holds: true, Reachable: true, AskedAt: now}},
		Detours: []trace.Detour{{Method: "store", Lost: time.Second, Text: "words"}},
	}, true)
	want := record.TraceMember{PubkeyEd25519: "aa", Reachable: true, Holds: true, At: "2026-11-30T12:00:00.000Z"}
	if len(asked.Members) != 1 || asked.Members[0] != want || len(asked.Spans) != 0 || asked.TraceID != "" ||
		len(asked.Detours) != 1 || asked.Detours[0].LostMS != 1000 || asked.Detours[0].Detail != "words" {
		t.Errorf("the record without a trace is %+v", asked)
	}
}
