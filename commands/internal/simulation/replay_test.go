//go:build unix

package simulation

import (
	"os"
	"slices"
	"sync"
	"testing"
)

// simulator returns the program that runs the schedules: this one, or one with the runtime of exactEdits.
func simulator(t *testing.T) string {
	if (*exactly || *replayed) && !hasExactOrder {
		return buildWith(t, exactEdits(t))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// replay runs each seed in two processes and compares the traces. It fails unless all are equal byte for byte.
func replay(t *testing.T, program string) {
	count := max(1, min(*workers, *seeds))
	var mu sync.Mutex
	equal, lines := 0, 0
	var running sync.WaitGroup
	for worker := range count {
		running.Go(func() {
			j := job{
				program: program, From: *from + uint64(worker), Seeds: (*seeds - worker + count - 1) / count,
				Stride: count, Profile: *profileName, Trace: true,
			}
			for _, part := range j.parts() {
				var first, again []string
				for _, trace := range []*[]string{&first, &again} {
					if failure := part.start(t.Context(), t, func(r report) { *trace = r.Trace }); failure != "" {
						t.Error(failure)
					}
				}
				mu.Lock()
				lines += len(first)
				if len(first) > 0 && slices.Equal(first, again) {
					equal++
				} else {
					at := 0
					for at < min(len(first), len(again)) && first[at] == again[at] {
						at++
					}
					t.Errorf("seed %d: its traces of %d and %d lines differ from line %d on:\n%s\n%s", part.From, len(first), len(again),
						at, lineAt(first, at), lineAt(again, at))
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	t.Logf("%d of %d seeds have given the same trace twice, %d lines", equal, *seeds, lines)
}

func lineAt(lines []string, at int) string {
	if at < len(lines) {
		return lines[at]
	}
	return "(it has ended)"
}
