package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/store"
)

// runSender runs a sender with one queued batch for a while. fail is the peer's answer to each attempt. It returns the
// times of the attempts from the start, whether the batch is still queued, and how often recovered was called.
func runSender(
	t *testing.T, within time.Duration, fail func(attempt int) error,
) (tries []time.Duration, queued bool, back int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	box := newSender(slog.New(slog.DiscardHandler), cancel)
	start := time.Now()
	queued = true
	box.next = func() (store.Batch, error) {
		if queued {
			return store.Batch{Body: []byte("x"), Count: 1, Entries: 1, Next: 2}, nil
		}
		return store.Batch{}, nil
	}
	box.send = func(context.Context, store.Batch) error {
		tries = append(tries, time.Since(start))
		return fail(len(tries))
	}
	box.done = func(store.Batch) { queued = false }
	box.recovered = func() { back++ }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		box.run(ctx)
	}()
	<-time.After(within)
	box.stop()
	<-ended
	return tries, queued, back
}

func TestSenderRetriesWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, queued, back := runSender(t, 5*time.Minute, func(attempt int) error {
			if attempt < 14 {
				return errors.New("connection refused")
			}
			return nil
		})
		if len(tries) != 14 || queued || back != 1 {
			t.Fatalf("%d tries, want 14; still in line: %v; back %d times, want once", len(tries), queued, back)
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

// The cursor of a peer that does not answer stays where it is, however long that takes.
func TestSenderNeverForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, queued, _ := runSender(t, 24*time.Hour, func(int) error { return errors.New("no answer") })
		if !queued || len(tries) < 24*60 {
			t.Errorf("after a day and %d tries the batch is still in line: %v", len(tries), queued)
		}
	})
}

// A batch that the peer refuses for good does not block the batches behind it.
func TestSenderGivesUpWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fmt.Errorf("%w: status 400", peerhttp.ErrRefused)
		tries, queued, _ := runSender(t, time.Hour, func(int) error { return refused })
		if !slices.Equal(tries, []time.Duration{0}) || queued {
			t.Errorf("tries after %v; still in line: %v", tries, queued)
		}
	})
}
