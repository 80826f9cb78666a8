//go:build unix

package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// log is what a runner reports.
type log struct {
	mu      sync.Mutex
	results []Result
	ends    []string // ID and how it ended
	changed chan struct{}
}

func newLog() *log { return &log{changed: make(chan struct{}, 1)} }

func (l *log) report(r Result) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results = append(l.results, r)
	return nil
}

func (l *log) end(what string) error {
	l.mu.Lock()
	l.ends = append(l.ends, what)
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

// work is an event of one record for each line.
func (l *log) work(id, sender string, lines ...string) Work {
	work := Work{
		ID: id, Sender: sender,
		Done: func(accepted bool) error { return l.end(fmt.Sprint(id, " ", accepted)) },
		Left: func(started bool) error { return l.end(fmt.Sprint(id, " left ", started)) },
	}
	for _, line := range lines {
		work.Records = append(work.Records, Record{Kind: "message", Line: []byte(line + "\n")})
	}
	return work
}

func (l *log) outcomes() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.results {
		all = append(all, fmt.Sprint(r.Work.ID, " ", r.Attempt, " ", r.ExitCode, " ", r.Outcome))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// submit queues work and waits until all of it has ended.
func submit(t *testing.T, r *Runner, works ...Work) {
	t.Helper()
	for _, work := range works {
		if err := r.Submit(work); err != nil {
			t.Fatal(err)
		}
	}
}

// reads waits until a file has a text so many times.
func reads(t *testing.T, path, text string, times int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); strings.Count(read(t, path), text) < times; {
		if time.Now().After(deadline) {
			t.Fatalf("%s never has %q", path, text)
		}
		<-time.After(time.Millisecond)
	}
}

// await waits until so many events have ended.
func (l *log) await(t *testing.T, ends int) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		l.mu.Lock()
		n := len(l.ends)
		l.mu.Unlock()
		if n >= ends {
			return
		}
		select {
		case <-l.changed:
		case <-deadline:
			t.Fatalf("%d of %d events have ended", n, ends)
		}
	}
}

// Each record is a line on the stdin of one run; a command that does not read it may accept it all the same.
func TestRecordsAreRun(t *testing.T) {
	l, file := newLog(), filepath.Join(t.TempDir(), "got")
	r := New(t.Context(), Options{Command: "cat >>" + file, Jobs: 1, Report: l.report})
	submit(t, r, l.work("1", "a", "one", "two"), l.work("2", "a", "three"))
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != "one\ntwo\nthree\n" {
		t.Errorf("the command got %q", got)
	}
	if want := []string{"1 true", "2 true"}; !slices.Equal(l.ends, want) {
		t.Errorf("the ends are %q", l.ends)
	}
	r = New(t.Context(), Options{Command: "exit 0", Jobs: 1, Report: l.report})
	submit(t, r, l.work("3", "a", strings.Repeat("x", 1<<20)))
	if err := r.Finish(); err != nil || l.ends[2] != "3 true" {
		t.Errorf("unread, %q ended, %v", l.ends, err)
	}
}

// A record that fails is tried again before the next one of its sender, while those of others pass.
func TestOrderAndRetry(t *testing.T) {
	l, dir := newLog(), t.TempDir()
	file := filepath.Join(dir, "got")
	command := fmt.Sprintf(`read -r line; echo $line >>%s; case $line in bad*) test -e %s/mended;; esac`, file, dir)
	r := New(t.Context(), Options{Command: command, Jobs: 2, Report: l.report, firstPause: time.Millisecond})
	submit(t, r, l.work("1", "a", "bad"), l.work("2", "a", "next"), l.work("3", "b", "other"))
	l.await(t, 1)
	if l.ends[0] != "3 true" {
		t.Errorf("%q ended first", l.ends[0])
	}
	reads(t, file, "bad", 2)
	if err := os.WriteFile(filepath.Join(dir, "mended"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l.await(t, 3)
	if err := r.Finish(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); strings.Count(got, "bad") < 2 || !strings.HasSuffix(got, "bad\nnext\n") {
		t.Errorf("the command got %q", got)
	}
	if outcomes := l.outcomes(); outcomes[len(outcomes)-1] != "2 1 0 accepted" {
		t.Errorf("the outcomes are %q", outcomes)
	}
}

// After so many tries a record is set aside, or in a file if there is one; the next one follows.
func TestGivenUp(t *testing.T) {
	letters := filepath.Join(t.TempDir(), "letters")
	for _, file := range []string{"", letters} {
		l := newLog()
		r := New(t.Context(), Options{
			Command: "grep -q good || exit 3", Jobs: 1, Tries: 3, DeadLetter: file, Report: l.report,
			firstPause: time.Millisecond,
		})
		submit(t, r, l.work("1", "a", "evil"), l.work("2", "a", "good"))
		l.await(t, 2)
		if err := r.Finish(); err != nil {
			t.Fatal(err)
		}
		last, want := "1 3 3 set_aside", []string{"1 false", "2 true"}
		if file != "" {
			last, want[0] = "1 3 3 dead_letter", "1 true"
		}
		if outcomes := l.outcomes(); outcomes[0] != "1 1 3 retry" || outcomes[2] != last || !slices.Equal(l.ends, want) {
			t.Errorf("the outcomes are %q, the ends %q", outcomes, l.ends)
		}
	}
	if got := read(t, letters); got != "evil\n" {
		t.Errorf("the file has %q", got)
	}
	if info, err := os.Stat(letters); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	l := newLog()
	r := New(t.Context(), Options{Command: "false", Jobs: 1, Tries: 1, DeadLetter: "/nonexistent/x", Report: l.report})
	submit(t, r, l.work("1", "a", "x"), l.work("2", "a", "y"))
	if err := r.Finish(); !errors.Is(err, os.ErrNotExist) || l.ends[0] != "1 left true" || l.ends[1] != "2 left false" {
		t.Errorf("without the folder of the file: %v, %q", err, l.ends)
	}
}

// A record that does not fit on the disk leaves nothing of it in the file. Without a disk there is nothing to sync.
func TestDeadLetters(t *testing.T) {
	dir := t.TempDir()
	if err := CheckDeadLetters(dir); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder: %v", err)
	}
	file := filepath.Join(dir, "letters")
	if err := CheckDeadLetters(file); err != nil || read(t, file) != "" {
		t.Errorf("a new file: %v", err)
	}
	full := &Runner{options: Options{DeadLetter: "/dev/full"}}
	if err := full.bury([]byte("x\n")); runtime.GOOS == "linux" && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full device: %v", err)
	}
	before, little := syscall.Rlimit{}, syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	r := &Runner{options: Options{DeadLetter: file}}
	if err := r.bury([]byte("first\n")); err != nil {
		t.Fatal(err)
	}
	little = before
	little.Cur = 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &little); err != nil {
		t.Fatal(err)
	}
	err := r.bury([]byte("second\n"))
	if restored := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); restored != nil {
		t.Fatal(restored)
	}
	if text := read(t, file); !errors.Is(err, syscall.EFBIG) || text != "first\n" {
		t.Errorf("without room for it: %v, %q", err, text)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		text, err := os.ReadFile(pipe)
		got <- fmt.Sprint(string(text), err)
	}()
	r.options.DeadLetter = pipe
	if err := r.bury([]byte("whole\n")); err != nil {
		t.Errorf("a pipe: %v", err)
	}
	if text := <-got; text != "whole\n<nil>" {
		t.Errorf("the pipe had %q", text)
	}
}

// When the runner stops, a running command and its children get SIGTERM and the time to end; what is not accepted is
// left. One that does not end is killed.
func TestStop(t *testing.T) {
	for name, command := range map[string]string{
		"ends in order": `trap 'echo stopped >>%s; exit 0' TERM; echo begun >>%[1]s; while :; do sleep 0.01; done`,
		"ends itself":   `echo begun >>%s; sleep 1000`,
		"deaf":          `trap '' TERM; echo begun >>%s; while :; do sleep 0.01; done`,
	} {
		l, file := newLog(), filepath.Join(t.TempDir(), "got")
		ctx, cancel := context.WithCancel(t.Context())
		r := New(ctx, Options{
			Command: fmt.Sprintf(command, file), Jobs: 1, Report: l.report, grace: 200 * time.Millisecond,
		})
		submit(t, r, l.work("1", "a", "x"), l.work("2", "a", "y"))
		reads(t, file, "begun", 1)
		cancel()
		if err := r.Finish(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		want := map[string][]string{
			"ends in order": {"1 1 0 accepted", "1 true", "2 left false"},
			"ends itself":   {"1 1 143 interrupted", "1 left true", "2 left false"},
			"deaf":          {"1 1 137 interrupted", "1 left true", "2 left false"},
		}[name]
		if got := slices.Concat(l.outcomes(), l.ends); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if err := r.Submit(l.work("3", "b", "z")); name == "deaf" && err == nil {
			if err := r.Finish(); !errors.Is(err, context.Canceled) || l.ends[len(l.ends)-1] != "3 left false" {
				t.Errorf("after the stop: %v, %q", err, l.ends)
			}
		}
	}
}

// A command that does not exist fails like one that a shell does not find; a failing callback ends the work.
func TestFailures(t *testing.T) {
	l := newLog()
	r := New(t.Context(), Options{Command: "no-such-command-here 2>/dev/null", Jobs: 1, Tries: 1, Report: l.report})
	submit(t, r, l.work("1", "a", "x"))
	if err := r.Finish(); err != nil || l.outcomes()[0] != "1 1 127 set_aside" {
		t.Errorf("%q, %v", l.outcomes(), err)
	}
	broken := errors.New("broken")
	r = New(t.Context(), Options{Command: "true", Jobs: 1, Report: func(Result) error { return broken }})
	submit(t, r, l.work("2", "a", "x"))
	if err := r.Finish(); !errors.Is(err, broken) {
		t.Errorf("a report that fails: %v", err)
	}
	if err := r.Submit(l.work("3", "a", "x")); !errors.Is(err, broken) {
		t.Errorf("work after that: %v", err)
	}
}
