package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/network/latency"
	"sessiontool/lib/onion"
	"sessiontool/lib/trace"
)

// Do is [Group.Request] for a call. It implements [Backend].
func (g *Group) Do(ctx context.Context, target Node, call Call) (Answer, error) {
	d := &delivery{
		group: g, client: g.client, target: target, call: call,
		unexplained: make(map[Key]bool),
		ended:       make(chan attempt, maxAttempts), suspicions: make(chan *suspicion, 2*maxSuspicions),
	}
	ctx, d.span = trace.Start(ctx, trace.SpanRequest, trace.String(trace.KeyMethod, call.name()),
		trace.Name("target", target.Ed25519))
	answer, err := d.run(ctx)
	d.span.Set(trace.Int("attempts", d.attempts), trace.Int(trace.KeyStatus, answer.Status))
	d.span.End(err)
	return answer, err
}

// maxSuspicions bounds the diagnoses of one delivery.
const maxSuspicions = 64

// attempt is one try of a delivery: over one path, once.
type attempt struct {
	number int
	path   []Node // nil if there is none
	answer Answer
	took   time.Duration
	err    error
}

// delivery is one Do in progress. The goroutine of run decides everything; others carry requests and look for culprits.
type delivery struct {
	group  *Group
	client *Client
	target Node
	call   Call

	ended      chan attempt
	suspicions chan *suspicion

	mu    sync.Mutex
	paths []sentPath // of all attempts, in the order in which they were found

	bad         [][]Node     // paths with a culprit
	unexplained map[Key]bool // guards behind which the call failed while every hop and the target answered probes

	attempts     int // started
	inFlight     int // without an end yet
	examined     int // paths that were diagnosed
	examining    int // diagnoses under way
	lateReported bool

	late []Node             // the path that is examined because its answer is late
	calm context.CancelFunc // ends that

	span *trace.Recording
}

// sentPath is the path of an attempt, and when the attempt began.
type sentPath struct {
	hops []Node
	at   time.Time
}

// run sends the call until there is an answer. All attempts end with it.
func (d *delivery) run(ctx context.Context) (Answer, error) {
	sendCtx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	late := time.NewTimer(d.call.Wait + d.client.examineAfter(d.call))
	defer late.Stop()
	var hedge <-chan time.Time
	if d.call.Hedged {
		timer := time.NewTimer(d.client.lateAfter(d.call))
		defer timer.Stop()
		hedge = timer.C
	}
	start := func(why string) {
		if d.attempts < maxAttempts {
			d.attempts++
			d.inFlight++
			number := d.attempts
			work.Go(func() { d.ended <- d.try(sendCtx, number, why) })
		}
	}
	d.client.spares.earn()
	start(whyFirst)
	for failure := error(nil); ; {
		select {
		case a := <-d.ended:
			d.inFlight--
			switch {
			case a.err == nil:
				if d.calm != nil && slices.EqualFunc(a.path, d.late, sameNode) {
					d.calm()
				}
				return d.succeed(a), nil
			case errors.Is(a.err, onion.ErrTooLarge), errors.Is(a.err, onion.ErrNotText),
				ownFault(a.err):
				return Answer{}, a.err
			case ctx.Err() != nil: // the caller has given up, which is not the path's fault
				return Answer{}, ctx.Err()
			case a.path == nil && d.inFlight+d.examining == 0:
				return Answer{}, a.err
			case a.path != nil:
				failure = a.err
				d.group.drop(d.target.Ed25519, a.path)
				d.examine(sentPath{hops: a.path}, a.err)
			}
		case <-late.C:
			if !d.call.patient() {
				d.reportLate()
				if d.client.spares.spend() {
					start(whyLate)
				}
			}
			if path, ok := d.suspectPath(); ok && d.examining == 0 {
				d.examine(path, nil)
			}
		case <-hedge:
			d.reportLate()
		case s := <-d.suspicions:
			if s.doubt {
				d.reportLate()
				if d.call.patient() && d.attempts == 1 {
					start(whyDoubt)
				}
				continue
			}
			d.examining--
			switch {
			case s.found && s.culprit.Ed25519 == d.target.Ed25519:
				why := s.failure
				if why == nil {
					why = errSilent
				}
				return Answer{}, errTarget(d.target, why)
			case s.found:
				d.bad = append(d.bad, s.path)
				d.group.drop(d.target.Ed25519, s.path)
				if d.inFlight <= 1 { // at most the one that goes through the culprit
					start(whyCulprit)
				}
			case s.failure != nil:
				if d.unexplained[s.path[0].Ed25519] = true; len(d.unexplained) >= witnessesEnough {
					d.client.markFailed(d.target, s.failure)
					return Answer{}, errTarget(d.target, s.failure)
				}
				if d.inFlight == 0 {
					start(whyFailed)
				}
			}
			if s.failure == nil {
				late.Reset(max(d.client.examineAfter(d.call), latency.Unknown))
			}
			if d.inFlight+d.examining == 0 {
				if len(d.unexplained) > 0 {
					return Answer{}, errTarget(d.target, failure)
				}
				return Answer{}, fmt.Errorf("%w: %w", ErrNoPath, failure)
			}
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

// Why an attempt is made, for traces.
const (
	whyFirst   = "first"
	whyLate    = "the answer is late: the same request takes another path"
	whyDoubt   = "the answer is late and the target does not answer a probe"
	whyCulprit = "a hop of the path before is at fault"
	whyFailed  = "the path before failed, though every hop answers"
)

// try sends the call over one path: the first time over the group's path to the target.
func (d *delivery) try(ctx context.Context, number int, why string) (a attempt) {
	ctx, span := trace.Start(ctx, trace.SpanAttempt, trace.Int("attempt", number), trace.String(trace.KeyReason, why),
		trace.Name("target", d.target.Ed25519))
	defer func() { endAttempt(ctx, span, a) }()
	var path []Node
	var err error
	if number == 1 {
		path, err = d.group.path(ctx, d.target.Ed25519)
	} else {
		d.mu.Lock()
		var tried [][]Node
		for _, path := range d.paths {
			tried = append(tried, path.hops)
		}
		d.mu.Unlock()
		path, err = d.group.detour(ctx, d.target.Ed25519, tried)
	}
	if err != nil {
		return attempt{number: number, err: err}
	}
	started := time.Now()
	d.mu.Lock()
	d.paths = append(d.paths, sentPath{path, started})
	d.mu.Unlock()
	notePath(span, path)
	response, err := d.client.travel(ctx, path, d.target, d.call.Body)
	return attempt{number, path, Answer{Status: response.Status, Body: response.Body, Path: path}, time.Since(started), err}
}

// notePath records the hops of an attempt.
func notePath(span *trace.Recording, path []Node) {
	if span == nil {
		return
	}
	span.Set(trace.Name("guard", path[0].Ed25519))
	for i, relay := range path[1:] {
		span.Set(trace.Name(fmt.Sprintf("relay_%d", i+1), relay.Ed25519))
	}
}

// endAttempt records the end of an attempt. One that was left has no answer, because another one has it.
func endAttempt(ctx context.Context, span *trace.Recording, a attempt) {
	if span == nil {
		return
	}
	err := a.err
	switch {
	case err == nil:
		span.Set(trace.Int(trace.KeyStatus, a.answer.Status))
	case ctx.Err() != nil:
		span.Set(trace.Bool("left", true))
		err = errLeft
	}
	span.End(err)
}

// errLeft is the end of an attempt that is not waited for any more.
var errLeft = errors.New("no answer so far: not waited for any more")

// suspectPath returns the path of the first attempt on which no culprit was found yet.
func (d *delivery) suspectPath() (path sentPath, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, path := range d.paths {
		if !slices.ContainsFunc(d.bad, func(bad []Node) bool { return slices.EqualFunc(bad, path.hops, sameNode) }) {
			return path, true
		}
	}
	return sentPath{}, false
}

func sameNode(a, b Node) bool { return a.Ed25519 == b.Ed25519 }

// examine looks for the culprit on a path.
func (d *delivery) examine(path sentPath, failure error) {
	if d.examined < maxSuspicions {
		d.examined++
		d.examining++
		calm := d.client.examine(d.span, path, d.target, failure, d.suspicions)
		if failure == nil {
			d.late, d.calm = path.hops, calm
		}
	}
}

// reportLate reports, once, that the answer is late.
func (d *delivery) reportLate() {
	if d.lateReported {
		return
	}
	d.lateReported = true
	d.span.Event(trace.EventWaiting)
	if d.call.Late != nil {
		d.call.Late(d.client.spares.spend())
	}
}

// succeed records an answer, which clears the nodes on its path of suspicion.
func (d *delivery) succeed(a attempt) Answer {
	d.client.learnAnswer(d.call, a.took)
	nodes := append(a.path[:len(a.path):len(a.path)], d.target)
	d.client.markGood(nodes...)
	d.client.noteAnswered(nodes...)
	d.group.keep(d.target.Ed25519, a.path)
	d.client.log.Info("node answers", "method", d.call.name(), "path", pathOnion, "ms", milliseconds(a.took),
		"status", a.answer.Status, "node", d.target.Ed25519, "guard", a.path[0].Ed25519, "attempt", a.number)
	return a.answer
}

// The kinds of paths in the log.
const (
	pathOnion  = "onion"
	pathProbe  = "probe"
	pathDirect = "direct"
)

// milliseconds returns a time as the log has it.
func milliseconds(took time.Duration) float64 { return float64(took.Microseconds()) / 1000 }

// name is the method in the log and in traces.
func (c Call) name() string { return cmp.Or(c.Name, c.Method) }
