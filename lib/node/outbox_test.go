package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// try is one attempt to send.
type try struct {
	after time.Duration // since the start
	data  []string
}

// runOutbox runs an outbox whose peer answers with fail, and returns what was tried within the time given.
func runOutbox(t *testing.T, messages []message, within time.Duration, fail func(attempt int) error) (tries []try) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	box := newOutbox(slog.New(slog.DiscardHandler), time.Now, cancel)
	start := time.Now()
	box.send = func(_ context.Context, batch []message) error {
		sent := try{after: time.Since(start)}
		for _, m := range batch {
			sent.data = append(sent.data, m.Data)
		}
		tries = append(tries, sent)
		return fail(len(tries))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		box.run(ctx)
	}()
	for _, m := range messages {
		box.add(m)
	}
	<-time.After(within)
	box.stop()
	<-ended
	return tries
}

func TestOutboxRetriesWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := runOutbox(t, []message{plain(owner(1), "x", time.Now(), time.Hour)}, 5*time.Minute, func(attempt int) error {
			if attempt < 14 {
				return errors.New("connection refused")
			}
			return nil
		})
		if len(tries) != 14 {
			t.Fatalf("%d tries, want 14: %v", len(tries), tries)
		}
		pause := firstRetry
		for i := 1; i < len(tries); i++ {
			if got := tries[i].after - tries[i-1].after; got != pause {
				t.Errorf("pause %d is %v, want %v", i, got, pause)
			}
			pause = min(2*pause, lastRetry)
		}
	})
}

// What has expired meanwhile is not sent any more.
func TestOutboxForgetsExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		tries := runOutbox(t, []message{plain(owner(1), "short", now, 10*time.Second), plain(owner(1), "long", now, time.Minute)},
			time.Hour, func(int) error { return errors.New("no answer") })
		for _, sent := range tries {
			if sent.after >= time.Minute || sent.after >= 10*time.Second && slices.Contains(sent.data, "short") {
				t.Errorf("after %v an expired message was sent: %v", sent.after, sent.data)
			}
		}
		if last := tries[len(tries)-1]; !slices.Equal(last.data, []string{"long"}) {
			t.Errorf("the last try was %v", last)
		}
	})
}

// A batch that the peer calls nonsense must not hold up what comes behind it.
func TestOutboxGivesUpWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := strings.Repeat("x", maxBatchBytes/5)
		var messages []message
		for range 8 {
			messages = append(messages, plain(owner(1), big, time.Now(), time.Hour))
		}
		tries := runOutbox(t, messages, time.Hour, func(int) error { return fmt.Errorf("%w: status 400", errPushRefused) })
		if len(tries) < 2 || tries[len(tries)-1].after != 0 {
			t.Errorf("%d tries, the last after %v", len(tries), tries[len(tries)-1].after)
		}
	})
}

func TestOutboxBatches(t *testing.T) {
	box := newOutbox(slog.New(slog.DiscardHandler), time.Now, nil)
	for i := range 12 {
		box.add(plain(owner(1), fmt.Sprint(i, strings.Repeat("x", maxBatchBytes/5)), time.Now(), time.Hour))
	}
	box.add(plain(owner(1), strings.Repeat("y", 2*maxBatchBytes), time.Now(), time.Hour)) // larger than any real one
	var counts []int
	for batch := box.take(); len(batch) > 0; batch = box.take() {
		counts = append(counts, len(batch))
	}
	if !slices.Equal(counts, []int{4, 4, 4, 1}) || box.bytes != 0 {
		t.Errorf("batches of %v messages, %d bytes left", counts, box.bytes)
	}
}

// A peer that stays away costs a bounded amount of memory, and loses the oldest messages first.
func TestOutboxIsBounded(t *testing.T) {
	box := newOutbox(slog.New(slog.DiscardHandler), time.Now, nil)
	const count, size = 300, 100_000
	for i := range count {
		box.add(plain(owner(1), fmt.Sprintf("%3d%s", i, strings.Repeat("x", size)), time.Now(), time.Hour))
	}
	if box.bytes > maxOutboxBytes || box.bytes < maxOutboxBytes-2*size {
		t.Errorf("%d bytes wait, the bound is %d", box.bytes, maxOutboxBytes)
	}
	if last := box.waiting[len(box.waiting)-1].Data[:3]; last != fmt.Sprint(count-1) {
		t.Errorf("the newest message is gone; the last is %s", last)
	}
}
