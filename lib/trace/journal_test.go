package trace

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// example is a trace of every kind of value.
func example(t testing.TB) Trace {
	t.Helper()
	c, r := newTest(1)
	ctx, message := Begin(With(t.Context(), r), SpanMessage, String(KeyHash, "ab"), Int("n", -3), Float("share", 2),
		Bool("slow", true))
	c.pass(1234567 * time.Nanosecond)
	_, span := Start(ctx, SpanAttempt, Error(errors.New("late")))
	span.Event(EventRetry, Int("n", 1))
	span.End(errors.New("silent"))
	message.End(nil)
	traces, _ := r.Take(true)
	return traces[0]
}

func TestJournal(t *testing.T) {
	key, random := [KeySize]byte{1}, bytes.NewReader(bytes.Repeat([]byte{9, 8, 7}, 100))
	one := example(t)
	other := one
	other.ID[0]++
	journal, err := AppendEntry(nil, key, random, one)
	if err != nil {
		t.Fatal(err)
	}
	first := len(journal)
	if journal, err = AppendEntry(journal, key, random, other); err != nil {
		t.Fatal(err)
	}
	if traces, damaged := ReadJournal(journal, key); damaged != 0 || !reflect.DeepEqual(traces, []Trace{one, other}) {
		t.Errorf("%d damaged, traces %+v", damaged, traces)
	}
	if strings.Contains(string(journal), SpanMessage) {
		t.Error("the journal shows names of spans")
	}
	if traces, damaged := ReadJournal(journal, [KeySize]byte{2}); len(traces) != 0 || damaged != 1 {
		t.Errorf("another key opens %d traces, %d damaged", len(traces), damaged)
	}
	for cut := first + 1; cut < len(journal); cut++ {
		if traces, damaged := ReadJournal(journal[:cut], key); len(traces) != 1 || damaged != 1 {
			t.Fatalf("%d of %d bytes have %d traces, %d damaged", cut, len(journal), len(traces), damaged)
		}
	}
	journal[first-1]++
	if traces, damaged := ReadJournal(journal, key); damaged != 1 || !reflect.DeepEqual(traces, []Trace{other}) {
		t.Errorf("behind a damaged entry: %d damaged, traces %+v", damaged, traces)
	}
}

// A process that was killed while it wrote, or a full disk, leaves a part of an entry. What is appended later is found.
func TestJournalGoesOnBehindTornEntry(t *testing.T) {
	key, random := [KeySize]byte{1}, bytes.NewReader(bytes.Repeat([]byte{9, 8, 7}, 100))
	one := example(t)
	entry, err := AppendEntry(nil, key, random, one)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(entry); cut++ {
		torn := slices.Concat(entry, entry[:cut], entry, entry)
		if traces, damaged := ReadJournal(torn, key); damaged != 1 || !reflect.DeepEqual(traces, []Trace{one, one, one}) {
			t.Fatalf("behind %d bytes: %d damaged, %d traces", cut, damaged, len(traces))
		}
	}
}

// A journal whose every byte looks like the beginning of a long entry is given up.
func TestSlowJournal(t *testing.T) {
	slow := bytes.Repeat([]byte{0, 1, 0, 0}, 1<<18) // lengths of 64 KiB
	if traces, damaged := ReadJournal(slow, [KeySize]byte{1}); len(traces) != 0 || damaged != 1 {
		t.Errorf("%d damaged, %d traces", damaged, len(traces))
	}
}

func TestDecodeRefuses(t *testing.T) {
	const good = `{"id":"07010203070102030701020307010203","spans":[{"id":"0701020307010001","name":"a","start":1,"end":2,` +
		`"state":"ok","attrs":[{"k":"a","v":1}],"events":[{"name":"e","at":1}]}]}`
	if _, err := Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"0701020307010203070", "070102030701020307X"}, {"07010203070102030701020307010203", strings.Repeat("0", 32)},
		{`"id":"0701020307010001"`, `"id":"07"`}, {`"end":2`, `"end":0`}, {`"state":"ok"`, `"state":"good"`},
		{`"v":1`, `"v":[1]`}, {`"v":1`, `"v":1e999`}, {`"at":1`, `"at":-1`}, {`"name":"a"`, `"name":"a","parent":"0701020307010002"`},
		{`"k":"a"`, `"k":"` + strings.Repeat("k", MaxText+1) + `"`}, {`"v":1`, `"v":"` + strings.Repeat("k", MaxText+1) + `"`},
		{`"id":"0701`, `"dropped":-1,"id":"0701`}, {`{"id"`, `[{"id"`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if _, err := Decode([]byte(text)); !errors.Is(err, ErrMalformed) || text == good {
			t.Errorf("%s: error %v", text, err)
		}
	}
}

// What is read is written as the same bytes again.
func FuzzDecode(f *testing.F) {
	encoded, err := example(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Add([]byte(`{"id":"00","spans":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		one, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v", err)
			}
			return
		}
		encoded, err := one.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(encoded)
		if err != nil || !reflect.DeepEqual(again, one) {
			t.Fatalf("%s is read as another trace: %v", encoded, err)
		}
		if _, err := OTLP([]Trace{one}, ""); err != nil {
			t.Fatal(err)
		}
	})
}

// No bytes make the reader of a journal fail or return more traces than entries fit into them.
func FuzzReadJournal(f *testing.F) {
	key := [KeySize]byte{1}
	journal, err := AppendEntry(nil, key, bytes.NewReader(make([]byte, 24)), example(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(journal)
	f.Add(append(journal, 0, 0, 0, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		traces, damaged := ReadJournal(data, key)
		if (len(traces)+damaged)*4 > len(data)+4 {
			t.Fatalf("%d traces and %d damaged entries in %d bytes", len(traces), damaged, len(data))
		}
		if prefixed, lost := ReadJournal(append(bytes.Clone(journal), data...), key); len(prefixed) != len(traces)+1 ||
			lost != damaged {
			t.Fatalf("behind a good entry there are %d traces and %d damaged", len(prefixed)-1, lost)
		}
	})
}
