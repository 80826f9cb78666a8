package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/node/store"
)

// runOutbox runs an outbox with one batch in line for as long as given, whose peer answers with fail, and returns when
// it tried, counted from the start, whether the batch is still in line, and how often the peer was said to be back.
func runOutbox(t *testing.T, within time.Duration, fail func(attempt int) error) (tries []time.Duration, waits bool, back int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	box := newOutbox(slog.New(slog.DiscardHandler), cancel)
	start := time.Now()
	waits = true
	box.next = func() (store.Batch, error) {
		if waits {
			return store.Batch{Body: []byte("x"), Count: 1, Entries: 1, Next: 2}, nil
		}
		return store.Batch{}, nil
	}
	box.send = func(context.Context, store.Batch) error {
		tries = append(tries, time.Since(start))
		return fail(len(tries))
	}
	box.done = func(store.Batch) { waits = false }
	box.back = func() { back++ }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		box.run(ctx)
	}()
	<-time.After(within)
	box.stop()
	<-ended
	return tries, waits, back
}

func TestOutboxRetriesWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, waits, back := runOutbox(t, 5*time.Minute, func(attempt int) error {
			if attempt < 14 {
				return errors.New("connection refused")
			}
			return nil
		})
		if len(tries) != 14 || waits || back != 1 {
			t.Fatalf("%d tries, want 14; still in line: %v; back %d times, want once", len(tries), waits, back)
		}
		pause := firstRetry
		for i := 1; i < len(tries); i++ {
			if got := tries[i] - tries[i-1]; got != pause {
				t.Errorf("pause %d is %v, want %v", i, got, pause)
			}
			pause = min(2*pause, lastRetry)
		}
	})
}

// A peer that is away keeps its place in the line, for as long as it takes.
func TestOutboxNeverForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, waits, _ := runOutbox(t, 24*time.Hour, func(int) error { return errors.New("no answer") })
		if !waits || len(tries) < 24*60 {
			t.Errorf("after a day and %d tries the batch is still in line: %v", len(tries), waits)
		}
	})
}

// A batch that the peer calls nonsense must not hold up what comes behind it.
func TestOutboxGivesUpWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, waits, _ := runOutbox(t, time.Hour, func(int) error { return fmt.Errorf("%w: status 400", errPeerRefused) })
		if !slices.Equal(tries, []time.Duration{0}) || waits {
			t.Errorf("tries after %v; still in line: %v", tries, waits)
		}
	})
}
