// Package hook runs a command of the user's for each record that an account receives: the record is a line on the
// command's stdin, and the command accepts it by its exit code 0.
//
// The records of one sender are run one after the other, in their order, and a record that fails is tried again before
// the next one. Those of different senders are run beside each other, as many as there are jobs.
package hook

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// DefaultTries is how often a record is run before it is given up.
	DefaultTries = 10
	// firstPause and longestPause bound the pause before a record is tried again, which doubles each time.
	firstPause   = time.Second
	longestPause = time.Minute
	// waiting is how many records wait for each job before [Runner.Submit] blocks.
	waiting = 64
	// grace is how long a command has after SIGTERM before it is killed.
	grace = 10 * time.Second
)

// Options are what a [Runner] runs and how.
type Options struct {
	Command    string   // for the shell
	Jobs       int      // records of different senders at one time
	Tries      int      // runs of a record before it is given up; 0 means for ever
	DeadLetter string   // a file that gets the records that are given up; may be empty
	Env        []string // of the command
	Output     io.Writer
	// Report is called with the result of each run. It may be called by several goroutines at once.
	Report func(Result) error

	firstPause, grace time.Duration // of tests; 0 means the constants
}

// Record is a record for the command.
type Record struct {
	Kind string
	Line []byte // with a newline
}

// Work is what an event asks for: a run for each of its records. When all are accepted or given up, Done is called: with
// false if they are given up and there is no file for them. If the runner stops before, Left is called, and started says
// whether a run may have seen the work.
type Work struct {
	ID      string
	Sender  string
	Records []Record
	Done    func(accepted bool) error
	Left    func(started bool) error
}

// Outcome is what became of a record after a run.
type Outcome string

// The outcomes. A record that is interrupted is left for the next process.
const (
	Accepted    Outcome = "accepted"
	Retry       Outcome = "retry"
	DeadLetter  Outcome = "dead_letter"
	SetAside    Outcome = "set_aside"
	Interrupted Outcome = "interrupted"
)

// Result is the result of one run. ExitCode is 128 and the number of the signal for a command that a signal ended, and
// 127 for one that did not start.
type Result struct {
	Work     Work
	Kind     string
	Attempt  int
	ExitCode int
	Took     time.Duration
	Outcome  Outcome
	Pause    time.Duration // before the next run; only of Retry
}

// Runner runs commands. It is safe for concurrent use.
type Runner struct {
	options Options
	ctx     context.Context // its end stops the commands
	jobs    chan struct{}
	room    chan struct{}

	mu       sync.Mutex
	queues   map[string][]Work // by sender: those that wait, the one in work first
	last     bool              // what is tried for ever is not tried again
	stopped  chan struct{}     // closed with last
	failure  error
	left     bool // something was left since the context has ended
	blocked  int
	finished sync.WaitGroup
	dead     sync.Mutex
}

// New makes a runner. When ctx ends, running commands are asked to end, and what is not accepted is left.
func New(ctx context.Context, options Options) *Runner {
	if options.firstPause == 0 {
		options.firstPause = firstPause
	}
	if options.grace == 0 {
		options.grace = grace
	}
	return &Runner{
		options: options, ctx: ctx, jobs: make(chan struct{}, options.Jobs),
		room: make(chan struct{}, options.Jobs*waiting), queues: make(map[string][]Work), stopped: make(chan struct{}),
	}
}

// Submit queues work. It waits while too much is queued, and returns the first error of a callback, or the cause of the
// end of the runner's context.
func (r *Runner) Submit(work Work) error {
	r.count(1)
	defer r.count(-1)
	select {
	case r.room <- struct{}{}:
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		<-r.room
		return r.failure
	}
	r.queues[work.Sender] = append(r.queues[work.Sender], work)
	if len(r.queues[work.Sender]) == 1 {
		r.finished.Go(func() { r.serve(work.Sender) })
	}
	return nil
}

func (r *Runner) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked += n
}

// Queued returns how many records wait or run, and whether Submit waits.
func (r *Runner) Queued() (queued int, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.room), r.blocked > 0 && len(r.room) == cap(r.room)
}

// Finish returns when all that is queued is accepted, given up or left, with the first error of a callback. If something
// was left since the runner's context has ended, the error is the cause of that. What would be tried for ever is left
// after a run that fails.
func (r *Runner) Finish() error {
	r.mu.Lock()
	if !r.last {
		r.last = true
		close(r.stopped)
	}
	r.mu.Unlock()
	r.finished.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil && r.left {
		return context.Cause(r.ctx)
	}
	return r.failure
}

// fail keeps the first error of a callback.
func (r *Runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
}

// serve works for one sender until nothing is queued for it.
// If an event is left, those behind it are left, too.
func (r *Runner) serve(sender string) {
	left := false
	for {
		r.mu.Lock()
		work := r.queues[sender][0]
		left = left || r.failure != nil
		r.mu.Unlock()
		err := error(nil)
		if left {
			err = work.Left(false)
		} else {
			left, err = r.work(work)
		}
		if err != nil {
			r.fail(err)
		}
		<-r.room
		r.mu.Lock()
		r.left = r.left || left && r.ctx.Err() != nil
		r.queues[sender] = r.queues[sender][1:]
		if len(r.queues[sender]) == 0 {
			delete(r.queues, sender)
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// work runs the records of one event, and reports whether it is left.
func (r *Runner) work(work Work) (left bool, err error) {
	accepted, started := true, false
	for _, record := range work.Records {
		outcome, err := r.record(work, record, &started)
		switch {
		case err != nil:
			return true, errors.Join(err, work.Left(started))
		case outcome == Interrupted:
			return true, work.Left(started)
		case outcome == SetAside:
			accepted = false
		}
	}
	return false, work.Done(accepted)
}

// record runs one record until it is accepted, given up or interrupted.
func (r *Runner) record(work Work, record Record, started *bool) (Outcome, error) {
	pause := r.options.firstPause
	for attempt := 1; ; attempt++ {
		select {
		case r.jobs <- struct{}{}:
		case <-r.ctx.Done():
			return Interrupted, nil
		}
		if r.ctx.Err() != nil {
			<-r.jobs
			return Interrupted, nil
		}
		*started = true
		begun := time.Now()
		code := r.run(record.Line)
		<-r.jobs
		result := Result{
			Work: work, Kind: record.Kind, Attempt: attempt, ExitCode: code, Took: time.Since(begun),
			Outcome: r.judge(code, attempt),
		}
		if result.Outcome == DeadLetter {
			if err := r.bury(record.Line); err != nil {
				return "", err
			}
		}
		if result.Outcome == Retry {
			result.Pause = pause
		}
		if err := r.options.Report(result); err != nil || result.Outcome != Retry {
			return result.Outcome, err
		}
		select {
		case <-time.After(pause):
		case <-r.ctx.Done():
			return Interrupted, nil
		case <-r.forever():
			return Interrupted, nil
		}
		pause = min(2*pause, longestPause)
	}
}

// forever returns a channel that ends the pause of a record that is tried for ever.
func (r *Runner) forever() <-chan struct{} {
	if r.options.Tries > 0 {
		return nil
	}
	return r.stopped
}

// judge returns what becomes of a record after a run.
func (r *Runner) judge(code, attempt int) Outcome {
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	switch {
	case code == 0:
		return Accepted
	case r.ctx.Err() != nil:
		return Interrupted
	case r.options.Tries == 0 || attempt < r.options.Tries:
		if last && r.options.Tries == 0 {
			return Interrupted
		}
		return Retry
	case r.options.DeadLetter != "":
		return DeadLetter
	}
	return SetAside
}
