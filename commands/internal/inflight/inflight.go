// Package inflight runs many tasks at one time, such as the messages of a batch.
package inflight

import (
	"slices"
	"sync"
	"time"
)

// Tasks runs a bounded number of tasks at one time, in the order in which they come. A task that takes much longer than
// others, such as one that waits for a node that is gone, is late: it gives its place to the next one. On a busy
// machine, where all take long, none is late: more of them at one time would only make it busier. So that not each task
// of a kind has to be found late, such as those to one recipient, later ones of its kind are late from the start.
type Tasks struct {
	mostRunning, mostLate, mostSlow int

	mu            sync.Mutex
	room          sync.Cond // running or late has decreased, or a kind has become slow
	running, late int
	active        []*task     // in the order of their start
	overdue       []*task     // late ones that still have a place, because as many as may be are late
	ends          []time.Time // of the last share of tasks

	took []time.Duration // by the last tasks that were not late
	slow map[string]bool // kinds whose tasks are late
}

// task is a running task.
type task struct {
	kind    string
	started time.Time
	late    bool // has no place
	over    bool
	passed  int // tasks that started later and have ended
	timer   *time.Timer
}

// New returns a runner of up to running tasks. Beside them up to late tasks may be late, or up to slow ones if they are
// of kinds that are late from the start.
func New(running, late, slow int) *Tasks {
	t := &Tasks{mostRunning: running, mostLate: late, mostSlow: slow, slow: make(map[string]bool)}
	t.room.L = &t.mu
	return t
}

// Go waits for a place, and runs a task of a kind. Nothing is learned of the kind "".
func (t *Tasks) Go(kind string, do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.running >= t.mostRunning && !t.startsLate(kind) {
		t.room.Wait()
	}
	one := &task{kind: kind, started: time.Now()}
	t.active = append(t.active, one)
	if t.startsLate(kind) {
		one.late = true
		t.late++
	} else {
		t.running++
	}
	slow := t.slowTime()
	if t.mostLate > 0 {
		one.timer = time.AfterFunc(t.patience(), func() { t.overtime(one) })
	}
	go func() {
		if t.mostLate > 0 {
			defer time.AfterFunc(slow, func() { t.crawls(one) }).Stop()
		}
		defer t.end(one)
		do()
	}()
}

// startsLate reports whether a task of this kind may start without a place. t.mu is held.
func (t *Tasks) startsLate(kind string) bool { return t.slow[kind] && t.late < t.mostSlow }

// overtime finds whether a task that takes long is late: others have passed it, or few end at all.
func (t *Tasks) overtime(one *task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	patience := t.patience()
	switch {
	case one.over, one.late:
	case one.passed < t.share() && len(t.ends) == t.share() && time.Since(t.ends[0]) < patience/2:
		one.timer.Reset(patience / 4)
	default:
		t.overdue = append(t.overdue, one)
		t.yield()
	}
}

// share is how many tasks must pass one before it is late, unless fewer end in half of the time of its patience.
func (t *Tasks) share() int { return (t.mostRunning + 3) / 4 }

// yield takes the places of as many overdue tasks as may be late. t.mu is held.
func (t *Tasks) yield() {
	for len(t.overdue) > 0 && t.late < t.mostLate {
		one := t.overdue[0]
		t.overdue = t.overdue[1:]
		one.late = true
		t.running--
		t.late++
	}
	t.room.Broadcast()
}

// crawls finds that a task takes so long that others of its kind are expected to.
func (t *Tasks) crawls(one *task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.over || one.kind == "" || time.Since(one.started) < slowShare*t.usual() {
		return
	}
	if len(t.slow) >= maxSlow {
		clear(t.slow)
	}
	t.slow[one.kind] = true
	t.room.Broadcast()
}

// end releases the place of a task.
func (t *Tasks) end(one *task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one.over = true
	if one.timer != nil {
		one.timer.Stop()
	}
	for i, other := range t.active {
		if other == one {
			t.active = slices.Delete(t.active, i, i+1)
			break
		}
		other.passed++
	}
	now := time.Now()
	t.ends = append(t.ends, now)
	t.ends = t.ends[max(len(t.ends)-t.share(), 0):]
	took := now.Sub(one.started)
	quick := took < t.slowTime()
	if quick {
		delete(t.slow, one.kind)
	}
	if one.late {
		t.late--
	} else {
		t.running--
		t.overdue = slices.DeleteFunc(t.overdue, func(other *task) bool { return other == one })
	}
	if !one.late || quick {
		t.took = append(t.took, took)
		t.took = t.took[max(len(t.took)-tasksNoted, 0):]
	}
	t.yield()
}

const (
	// mostPatience is how long a task may take at most before it is late, and while none has ended.
	mostPatience = 600 * time.Millisecond
	// leastPatience is the least such time.
	leastPatience = 50 * time.Millisecond
	// slowShare is how many times as long as usual a task takes before its kind is slow: on a busy machine all tasks
	// take long, and more of them would make it busier. slowAfter is the least such time, and slowUnknown that while none
	// has ended.
	slowShare   = 4
	slowAfter   = time.Second
	slowUnknown = 2 * time.Second
	// maxSlow bounds how many kinds are known to be slow.
	maxSlow = 4096
	// tasksNoted is how many tasks decide on what is usual.
	tasksNoted = 32
)

// patience is how long a task may take before it is late: half as long again as usual. t.mu is held.
func (t *Tasks) patience() time.Duration {
	if len(t.took) == 0 {
		return mostPatience
	}
	return min(max(3*t.usual()/2, leastPatience), mostPatience)
}

// slowTime is how long a task may take before its kind is slow. t.mu is held.
func (t *Tasks) slowTime() time.Duration {
	if len(t.took) == 0 {
		return slowUnknown
	}
	return max(slowShare*t.usual(), slowAfter)
}

// usual is how long a quarter of the last tasks took, which are those that nothing held up; 0 before one has ended.
// t.mu is held.
func (t *Tasks) usual() time.Duration {
	if len(t.took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.took))
	return sorted[len(sorted)/4]
}
