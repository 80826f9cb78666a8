package inflight_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/commands/internal/inflight"
)

// batch runs tasks of kinds that take so long each, and returns how long all of them took and how many ran at one time.
func batch(t *testing.T, tasks *inflight.Tasks, n int, kind func(int) string,
	takes func(int) time.Duration) (took time.Duration, most int) {
	t.Helper()
	var work sync.WaitGroup
	var mu sync.Mutex
	now := 0
	started := time.Now()
	for i := range n {
		work.Add(1)
		tasks.Go(kind(i), func() {
			defer work.Done()
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-time.After(takes(i))
			mu.Lock()
			defer mu.Unlock()
			now--
		})
	}
	work.Wait()
	return time.Since(started), most
}

func bob(int) string { return "bob" }

func all(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// Tasks that take as long as usual keep their places.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took, most := batch(t, inflight.New(4, 16, 64), 40, bob, all(100*time.Millisecond))
		if took != time.Second || most != 4 {
			t.Errorf("they took %v, %d at one time", took, most)
		}
	})
}

// A task that is late gives its place to the next one.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each := func(i int) string { return fmt.Sprint(i) }
		takes := func(i int) time.Duration {
			if i >= 4 && i < 8 {
				return 10 * time.Second
			}
			return 100 * time.Millisecond
		}
		took, most := batch(t, inflight.New(4, 16, 64), 100, each, takes)
		if took > 10200*time.Millisecond || most != 8 {
			t.Errorf("they took %v, %d at one time", took, most)
		}
	})
}

// One that is late when as many as may be are late gives its place as soon as it may.
func TestLateWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each := func(i int) string { return fmt.Sprint(i) }
		takes := func(i int) time.Duration {
			if i < 6 {
				return time.Duration(5+i) * time.Second
			}
			return 100 * time.Millisecond
		}
		// Four are late, and two of them have no place. When the first ends, at 5 s, another has its place, and the
		// short tasks begin.
		took, _ := batch(t, inflight.New(2, 4, 4), 20, each, takes)
		if took > 11300*time.Millisecond {
			t.Errorf("they took %v", took)
		}
	})
}

// Once a kind is known to be slow, its tasks start without a place, up to a bound, beside those of other kinds.
func TestSlowKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := inflight.New(4, 16, 1000)
		took, most := batch(t, tasks, 200, bob, all(5*time.Second))
		if took > 8*time.Second || most < 180 {
			t.Errorf("they took %v, %d at one time", took, most)
		}
		took, most = batch(t, inflight.New(4, 16, 50), 200, bob, all(5*time.Second))
		if most != 54 {
			t.Errorf("%d at one time, took %v", most, took)
		}
		// it is quick again: after one that shows it, each needs a place
		batch(t, tasks, 1, bob, all(100*time.Millisecond))
		if _, most = batch(t, tasks, 40, bob, all(100*time.Millisecond)); most != 4 {
			t.Errorf("%d at one time", most)
		}
	})
}

// Tasks without a kind, and those that need processors, never run beside more than they may.
func TestNoLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, most := batch(t, inflight.New(4, 0, 0), 20, bob, all(5*time.Second)); most != 4 {
			t.Errorf("%d at one time", most)
		}
		none := func(int) string { return "" }
		if _, most := batch(t, inflight.New(4, 16, 64), 100, none, all(5*time.Second)); most != 20 {
			t.Errorf("%d at one time", most)
		}
	})
}
