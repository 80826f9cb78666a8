package picture

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/trace"
)

// drawnTrace is a trace with a request that needed a second path, and the way of its message.
func drawnTrace(t *testing.T) ([]trace.Trace, trace.Way) {
	t.Helper()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	tick := func() time.Time { now = now.Add(time.Millisecond); return now }
	r := trace.NewRecorder(tick, bytes.NewReader(bytes.Repeat([]byte{5}, 64)), 1)
	ctx, message := trace.Begin(trace.With(context.Background(), r), trace.SpanMessage)
	_, seal := trace.Start(ctx, trace.SpanSeal, trace.String("protocol", "signal"))
	seal.End(nil)
	ctx, send := trace.Start(ctx, trace.SpanSend, trace.String(trace.KeyHash, "00<aa"))
	ctx, request := trace.Start(ctx, trace.SpanRequest, trace.String(trace.KeyMethod, "store"))
	hops := func(guard string) []trace.Attr {
		return []trace.Attr{
			trace.String("guard", guard), trace.String("relay_1", "r1r1r1r1"), trace.String("relay_2", "r2r2r2r2"),
			trace.String("target", "tttttttt"),
		}
	}
	_, first := trace.Start(ctx, trace.SpanAttempt, hops("g1g1g1g1")...)
	_, diagnosis := trace.Start(ctx, trace.SpanDiagnosis, trace.String("culprit", "r1r1r1r1"),
		trace.String("place", "relay 1"))
	_, second := trace.Start(ctx, trace.SpanAttempt, hops("g2g2g2g2")...)
	second.End(nil)
	first.End(errors.New("no answer"))
	diagnosis.End(nil)
	request.End(nil)
	send.Event(trace.EventStored, trace.String(trace.KeyNode, "tttttttt"))
	send.End(nil)
	message.End(nil)
	traces, _ := r.Take(true)
	members := []trace.Member{
		{Node: "tttttttt", Holds: true, Reachable: true}, {Node: "uuuuuuuu", Reachable: true},
		{Node: "vvvvvvvv", Error: "it is <down>"},
	}
	for i := range members {
		members[i].AskedAt = now.Add(time.Minute)
	}
	return traces, trace.WayOf("", traces, members, "")
}

// The picture says where the message stopped and why, who has it, what the detour was, and shows each span.
func TestTimeline(t *testing.T) {
	traces, way := drawnTrace(t)
	text := Timeline(traces, way)
	elements := parse(t, text)
	bars := len(traces[0].Spans)
	if want := 1 + 8 + bars; elements["rect"] != want {
		t.Errorf("%d boxes and bars, want %d", elements["rect"], want)
	}
	for _, want := range []string{
		"Message 00&lt;aa", "It stopped at “replicated”: 1 of 3 members have it. uuuuuuuu lacks it", "has it<",
		"lacks it, and answers requests<", "cannot be asked: it is &lt;down&gt;", "relay 1 (r1r1r1r1) is suspected",
		"attempt : g2g2g2g2 &gt; r1r1r1r1 &gt; r2r2r2r2 &gt; tttttttt<", "finds r1r1r1r1 (relay 1)", "✗<",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the picture lacks %s", want)
		}
	}
	if !bytes.Equal(text, Timeline(traces, way)) {
		t.Error("the same traces make another picture")
	}
	if empty := parse(t, Timeline(nil, trace.Way{})); empty["rect"] != 1 {
		t.Errorf("the picture of nothing has %v", empty)
	}
}

// Each picture has a title and a description for screen readers, colours for the dark, and no script.
func TestPicturesAreForEveryReader(t *testing.T) {
	traces, way := drawnTrace(t)
	for name, text := range map[string][]byte{"a way": Timeline(traces, way), "a ring": example().SVG()} {
		elements := parse(t, text)
		if elements["desc"] != 1 || elements["script"] != 0 || elements["style"] != 1 {
			t.Errorf("the picture of %s has %v", name, elements)
		}
		for _, want := range []string{`role="img"`, `<title id="title">`, "prefers-color-scheme:dark"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the picture of %s lacks %s", name, want)
			}
		}
	}
	if got := description(traces, way); !strings.Contains(got, "stored: done.\n") ||
		!strings.Contains(got, "It stopped at “replicated”: 1 of 3 members have it.") {
		t.Errorf("the description is %s", got)
	}
	if got := example().description(example().groups()); !strings.Contains(got, "A ring of 2 swarms of") ||
		!strings.Contains(got, "05first belongs to swarm 4000000000000000.") {
		t.Errorf("the description is %s", got)
	}
}

// What a member says does not leave the picture.
func TestLongAnswers(t *testing.T) {
	traces, way := drawnTrace(t)
	way.Members = []trace.Member{{Node: "aaaaaaaa", Error: strings.Repeat("no answer ", 30)}}
	if !strings.Contains(string(Timeline(traces, way)), "…<title>cannot be asked: no answer no answer") {
		t.Error("the answer is not cut")
	}
}

// A picture has an end, however many spans there are.
func TestTimelineIsBounded(t *testing.T) {
	traces, way := drawnTrace(t)
	var many []trace.Trace
	for range 2 * mostRows {
		many = append(many, traces...)
	}
	elements := parse(t, Timeline(many, way))
	if elements["rect"] != 1+8+mostRows {
		t.Errorf("%d boxes and bars", elements["rect"])
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "one two": "one two", "one two three": "one two|three", "a b-long-word-alone x": "a|b-long-w|ord-alon|e x", "äöüäöüäöü": "äöüäöüäö|ü",
	} {
		if got := strings.Join(wrap(text, 8), "|"); got != want {
			t.Errorf("%q is wrapped as %q", text, got)
		}
	}
}
