// Package inflight runs many tasks at one time, such as the messages of a batch.
package inflight

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Tasks runs a bounded number of tasks at one time, in the order in which they come. A task that takes much longer than
// others, such as one that waits for a node that is gone, is late: it gives its place to the next one.
type Tasks struct {
	places chan struct{} // a token for each running task
	late   chan struct{} // a token for each task that has given its place to another

	mu   sync.Mutex
	took []time.Duration // by the last tasks
}

// New returns a runner of up to running tasks, and up to late ones beside them.
func New(running, late int) *Tasks {
	return &Tasks{places: make(chan struct{}, running), late: make(chan struct{}, late)}
}

// Go waits for a place, and runs a task.
func (t *Tasks) Go(task func()) {
	t.places <- struct{}{}
	go t.run(task)
}

func (t *Tasks) run(task func()) {
	started := time.Now()
	var mu sync.Mutex
	over, late := false, false
	timer := time.AfterFunc(t.patience(), func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		select {
		case t.late <- struct{}{}:
			late = true
			<-t.places
		default:
		}
	})
	task()
	timer.Stop()
	t.note(time.Since(started))
	mu.Lock()
	defer mu.Unlock()
	if over = true; late {
		<-t.late
	} else {
		<-t.places
	}
}

const (
	// mostPatience is how long a task may take at most before it counts as late, and while none has ended. It is
	// heldPatience if most tasks take longer than that.
	mostPatience = time.Second
	heldPatience = mostPatience / 4
	// leastPatience is the least such time.
	leastPatience = 50 * time.Millisecond
	// tasksNoted is how many tasks decide on it.
	tasksNoted = 32
)

// patience is how long a task may take before it counts as late: twice as long as a quarter of the last ones, which are
// those that nothing held up.
func (t *Tasks) patience() time.Duration {
	if cap(t.late) == 0 {
		return math.MaxInt64
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) == 0 {
		return mostPatience
	}
	sorted := slices.Sorted(slices.Values(t.took))
	if usual := 2 * sorted[len(sorted)/4]; usual <= mostPatience {
		return max(usual, leastPatience)
	}
	return heldPatience
}

func (t *Tasks) note(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, took)
	t.took = t.took[max(len(t.took)-tasksNoted, 0):]
}
