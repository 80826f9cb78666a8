package forward

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/node/link"
	"sessiontool/lib/node/ring"
)

// member is a node that answers groups after a second each: change "x" with status 200 and "did x".
type member struct {
	mu     sync.Mutex
	groups [][]string
	single []string
	flying int
	most   int // groups at a time
	status int // of whole groups; 0 means 200
	err    error
}

func (m *member) group(ctx context.Context, _ *ring.Peer, group []byte) (int, []byte, error) {
	changes, err := Parse(group)
	if err != nil {
		return 0, nil, err
	}
	var texts []string
	var results []Result
	for _, change := range changes {
		texts = append(texts, string(change))
		results = append(results, Result{200, append([]byte("did "), change...)})
	}
	m.mu.Lock()
	m.groups, m.flying = append(m.groups, texts), m.flying+1
	m.most = max(m.most, m.flying)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.flying--
	}()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
	if m.status != 0 {
		return m.status, []byte("busy"), m.err
	}
	return 200, Append(nil, results), m.err
}

func (m *member) one(_ context.Context, _ *ring.Peer, change []byte) (Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.single = append(m.single, string(change))
	return Result{201, change}, nil
}

// outcome is what a call was told, and when.
type outcome struct {
	text  string
	err   error
	after time.Duration
}

// sendAll sends changes one after the other and returns their outcomes.
func sendAll(t *testing.T, m *member, ctx context.Context, alone bool, changes ...string) []outcome {
	t.Helper()
	f := New(Config{Group: m.group, Single: m.one, Patience: 5 * time.Second})
	start, outcomes := time.Now(), make([]outcome, len(changes))
	for i, change := range changes {
		f.Send(ctx, &ring.Peer{}, []byte(change), alone, func(r Result, err error) {
			outcomes[i] = outcome{fmt.Sprint(r.Status, " ", string(r.Body)), err, time.Since(start)}
		})
		synctest.Wait()
	}
	f.Wait()
	if len(f.lines) > 0 {
		t.Errorf("%d lines are left", len(f.lines))
	}
	return outcomes
}

// The first two changes leave at once, in groups of their own. Those that come meanwhile leave together.
func TestChangesAreGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &member{}
		got := sendAll(t, m, t.Context(), false, "a", "b", "c", "d", "e")
		for i, change := range []string{"a", "b", "c", "d", "e"} {
			want := outcome{"200 did " + change, nil, time.Second}
			if i > 1 {
				want.after = 2 * time.Second
			}
			if got[i] != want {
				t.Errorf("%s: %v, want %v", change, got[i], want)
			}
		}
		slices.SortFunc(m.groups, slices.Compare)
		if text := fmt.Sprint(m.groups); text != "[[a] [b] [c d e]]" || m.most != maxFlying {
			t.Errorf("groups %s, %d at a time", text, m.most)
		}
	})
}

// A group is bounded in number and in bytes; a change that is larger than a group goes alone.
func TestGroupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, changes := &member{}, []string{"a", "b"}
		for range MaxGroup + 1 {
			changes = append(changes, "c")
		}
		half := string(make([]byte, maxBytes/2))
		changes = append(changes, half, half, half, string(make([]byte, maxBytes+1)))
		for i, got := range sendAll(t, m, t.Context(), false, changes...) {
			if got.err != nil || got.text != "200 did "+changes[i] {
				t.Errorf("change %d: %v", i, got.err)
			}
		}
		var sizes []int
		for _, group := range m.groups {
			sizes = append(sizes, len(group))
		}
		slices.Sort(sizes)
		if want := []int{1, 1, 1, 2, 2, MaxGroup}; !slices.Equal(sizes, want) {
			t.Errorf("groups of %v changes, want %v", sizes, want)
		}
	})
}

// A change that goes alone neither waits for others nor lets them wait.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &member{}
		for _, got := range sendAll(t, m, t.Context(), true, "a", "b", "c", "d") {
			if got.err != nil || got.after != time.Second {
				t.Errorf("%v", got)
			}
		}
		if m.most != 4 {
			t.Errorf("%d groups at a time", m.most)
		}
	})
}

// A member without a link gets each change on its own.
func TestWithoutLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &member{err: link.ErrNoLink}
		for i, got := range sendAll(t, m, t.Context(), false, "a", "b", "c", "d") {
			if want := "201 " + string(rune('a'+i)); got.err != nil || got.text != want {
				t.Errorf("%v, want %s", got, want)
			}
		}
		slices.Sort(m.single)
		if text := fmt.Sprint(m.single); text != "[a b c d]" {
			t.Errorf("sent %s", text)
		}
	})
}

// All changes of a group fail with it: if the member refuses it, ends it, or answers something else.
func TestGroupFails(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		member *member
		text   string
		err    error
	}{
		"refused": {&member{status: 403}, "403 busy", nil},
		"error":   {&member{err: broken}, "0 ", broken},
		"garbage": {&member{status: 200}, "0 ", ErrGroup},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, got := range sendAll(t, test.member, t.Context(), false, "a", "b", "c", "d") {
					if got.text != test.text || !errors.Is(got.err, test.err) {
						t.Errorf("%v, want %q, %v", got, test.text, test.err)
					}
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		report([]*call{{done: func(_ Result, err error) {
			if !errors.Is(err, errNoAnswer) {
				t.Errorf("no answer: %v", err)
			}
		}}}, 0, nil, nil)
	})
}

// A change whose client has gone is not sent any more; one that is on its way is finished.
func TestContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &member{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		got := sendAll(t, m, ctx, false, "a", "b", "c")
		if got[0].err != nil || got[1].err != nil || !errors.Is(got[2].err, context.DeadlineExceeded) || len(m.groups) != 2 {
			t.Errorf("%v, groups %v", got, m.groups)
		}
	})
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"", "\x00\x00\x00", "\x00\x00\x00\x01", "\x00\x00\x00\x01ab", "\xff\xff\xff\xffab"} {
		if got, err := Parse([]byte(bad)); !errors.Is(err, ErrGroup) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
	var most []byte
	for range MaxGroup {
		most = appendChange(most, nil)
	}
	if got, err := Parse(most); err != nil || len(got) != MaxGroup {
		t.Errorf("%d changes, %v", len(got), err)
	}
	if _, err := Parse(appendChange(most, nil)); !errors.Is(err, ErrGroup) {
		t.Errorf("too many: %v", err)
	}
	answer := Append(nil, []Result{{200, []byte("x")}, {406, nil}})
	for _, count := range []int{1, 3} {
		if got, err := parseAnswer(answer, count); !errors.Is(err, ErrGroup) {
			t.Errorf("%d results: %v, %v", count, got, err)
		}
	}
}

// Whatever arrives is refused, or it is a group that encodes to the same bytes.
func FuzzGroups(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if changes, err := Parse(data); err == nil {
			var again []byte
			for _, change := range changes {
				again = appendChange(again, change)
			}
			if string(again) != string(data) {
				t.Errorf("%q became %q", data, again)
			}
		}
		if results, err := parseAnswer(data, 2); err == nil && string(Append(nil, results)) != string(data) {
			t.Errorf("answer %q became %v", data, results)
		}
	})
}
