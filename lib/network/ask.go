package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/trace"
)

// The errors in a [Reply] and of [Client.AskSwarm] for members that refuse a request or do not answer.
var (
	ErrNotMember  = errors.New("not a member of the swarm")
	ErrClock      = errors.New("the network refuses this machine's clock")
	ErrPending    = errors.New("the answer is late")
	ErrUnanswered = errors.New("too few members of the swarm answered")
)

// Verdict is the judgement of a [Judge] on an answer.
type Verdict int

const (
	Next    Verdict = iota // the member failed: ask another one
	Done                   // the member did
	Again                  // the member did, and has more: ask it once more
	Doubt                  // the member did; ask another one too, without a long wait
	Settled                // the member refused, and others would too: ask none in its place
	Stop                   // the question is over
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Next:
		return "next"
	case Done:
		return "done"
	case Again:
		return "again"
	case Doubt:
		return "doubt"
	case Settled:
		return "settled"
	case Stop:
		return "stop"
	}
	return fmt.Sprintf("verdict %d", int(v))
}

// Reply is the result of one request to a member. Err is nil if there is an answer to judge. Otherwise it wraps
// [ErrNotMember] after a 421, [ErrClock] after a 406 or 425, or [ErrPending] for a member that was left, or is an error
// of [Backend].Do.
type Reply struct {
	Member Node
	Answer
	Err  error
	Took time.Duration
}

// Judge makes the requests of a question and judges the answers. One goroutine calls its methods. Judge also sees
// replies with an Err, which it may record; their verdict does not count.
type Judge interface {
	Request(member Node) (body []byte, err error)
	Judge(reply Reply) Verdict
}

// Restamper is a [Judge] whose requests must be made again after a correction of the clock, which may take time.
type Restamper interface {
	Restamp(ctx context.Context) error
}

// Behind is a [Judge] that knows members whose answers need many requests, such as one whose list is read from its
// beginning. [Ask] does not wait for them once enough others are Done.
type Behind interface {
	Behind(member Node) bool
}

// Question is a question to members of a swarm.
type Question struct {
	Owner sessionid.ID // whose swarm
	Call  Call         // Method, Wait and Slow
	Judge Judge

	// Sides is how many members should be Done. Enough suffice if the rest is late, and Least if no member is left to
	// ask. Each defaults to 1.
	Sides, Enough, Least int

	Members []Node // known members of the swarm; nil: those of Swarm
	Prefer  []Key  // members to ask before others, unless they failed lately
	Except  []Key  // members to leave out
	Only    []Node // if set, ask only these, whatever they say of the swarm

	Backend Backend // carries the requests; nil: a new Group
}

// Directory knows swarms and the time. [Client] is the directory of a real network.
type Directory interface {
	Swarm(ctx context.Context, id sessionid.ID) ([]Node, error)
	LookupSwarm(ctx context.Context, id sessionid.ID) ([]Node, error)
	AdoptSwarm(ctx context.Context, id sessionid.ID, body string) ([]Node, error)
	SyncClock(ctx context.Context) (Clock, error)
	Offset() time.Duration
	Shuffle(nodes []Node) []Node
	Suspect(key Key) bool
}

// AskSwarm asks members of a swarm until enough are Done. It asks Sides members at once, in random order, those that
// failed lately last. Another member replaces one that fails or whose answer is late. A 421 brings the right members.
// If two members refuse the time of the request and none accepts it, AskSwarm corrects the clock, once, and asks them
// again. If fewer than Least were Done, it looks up the swarm again and asks the members that it has not asked.
//
// It returns nil if Least members were Done, or if a verdict was Settled or Stop. Otherwise the error is one of these:
//
//   - it wraps [ErrUnanswered] if too few members were Done
//   - a [ClockError] if the clock could not be corrected, or members refuse the corrected time
//   - an error of Backend.Do that is not the target's fault
//   - an error of Swarm, Request or Restamp
//   - the context's
func (c *Client) AskSwarm(ctx context.Context, q Question) error {
	if q.Backend == nil {
		q.Backend = c.Group()
	}
	return Ask(ctx, c, c.lateAfter(Call{Slow: true}), q)
}

// Ask is [Client.AskSwarm] with a directory and a backend. With a slow call, it waits for the
// members without an answer for grace after enough others have answered.
func Ask(ctx context.Context, directory Directory, grace time.Duration, q Question) error {
	q.Sides, q.Enough, q.Least = max(q.Sides, 1), max(q.Enough, 1), max(q.Least, 1)
	a := &asking{Question: q, directory: directory, grace: grace, taken: make(map[Key]bool),
		active: make(map[Key]*side), began: time.Now()}
	for _, key := range q.Except {
		a.taken[key] = true
	}
	switch members, err := q.Members, error(nil); {
	case q.Only != nil:
		a.queue = q.Only
	case members == nil:
		if members, err = directory.Swarm(ctx, q.Owner); err != nil {
			return err
		}
		fallthrough
	default:
		a.queue = a.ordered(members)
	}
	ctx, a.span = trace.Start(ctx, trace.SpanAsk, trace.String(trace.KeyMethod, q.Call.Method),
		trace.Int("members_known", len(a.queue)), trace.Int("sides", q.Sides), trace.Int("enough", q.Enough))
	err := a.run(ctx)
	a.span.Set(trace.Int("done", a.done))
	a.span.End(err)
	return err
}

// ordered returns members in random order, but preferred ones first and those that failed lately last.
func (a *asking) ordered(members []Node) []Node {
	nodes := a.directory.Shuffle(members)
	if len(a.Prefer) == 0 {
		return nodes
	}
	preferred := func(n Node) bool {
		return slices.Contains(a.Prefer, n.Ed25519) && !a.directory.Suspect(n.Ed25519)
	}
	first := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return !preferred(n) })
	return append(first, slices.DeleteFunc(nodes, preferred)...)
}

// witnessesEnough is how many members must refuse the time before the clock counts as wrong, and how many must settle a
// question before the others are left.
const witnessesEnough = 2

// asking is one Ask in progress. One goroutine decides everything; one goroutine per side carries its requests.
type asking struct {
	Question
	directory Directory
	grace     time.Duration

	queue  []Node // not asked yet, except those in taken
	taken  map[Key]bool
	active map[Key]*side

	began       time.Time
	besideUntil time.Time // zero before enough members are Done

	done, settled int
	stopped       bool
	refused       []Node // members that refused the time
	corrected     bool   // the clock was corrected
	fresh         bool   // the swarm was looked up
	broken        error  // no path works
	failures      []error

	span *trace.Recording
	why  string // why the next member is asked, for the trace; empty for the first ones
}

// side is a member that is being asked.
type side struct {
	node    Node
	started time.Time
	late    bool
	kept    bool // late, and no other member is asked in its place
	suspect bool
	behind  bool // see Behind
}

// run asks in rounds, and between them corrects the clock or the swarm.
func (a *asking) run(ctx context.Context) error {
	for {
		if err := a.round(ctx); err != nil {
			return err
		}
		switch {
		case a.stopped || a.done >= a.Least || a.settled > 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case a.done == 0 && len(a.refused) > 0:
			if err := a.correctClock(ctx); err != nil {
				return err
			}
			continue
		case a.broken != nil:
			return a.broken
		case a.fresh || a.Only != nil:
			return a.unanswered()
		}
		a.retry("too few members of the known swarm did: the swarm is looked up")
		members, err := a.directory.LookupSwarm(ctx, a.Owner)
		if err != nil {
			a.failures = append(a.failures, err)
			return a.unanswered()
		}
		a.fresh, a.queue = true, a.ordered(members)
	}
}

// retry records why other requests follow.
func (a *asking) retry(why string) {
	a.why = why
	a.span.Event(trace.EventRetry, trace.String(trace.KeyReason, why))
}

func (a *asking) unanswered() error {
	return fmt.Errorf("%w: %d of %d: %w", ErrUnanswered, a.done, a.Least, errors.Join(a.failures...))
}

// correctClock sets the clock and asks the members again that refused its time.
func (a *asking) correctClock(ctx context.Context) error {
	if a.corrected {
		return &ClockError{Offset: a.directory.Offset()}
	}
	a.corrected = true
	a.retry("members refuse the time of the request: the clock is corrected")
	switch _, err := a.directory.SyncClock(ctx); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &ClockError{Cause: err}
	}
	if judge, ok := a.Question.Judge.(Restamper); ok {
		if err := judge.Restamp(ctx); err != nil {
			return err
		}
	}
	for _, node := range a.refused {
		delete(a.taken, node.Ed25519)
	}
	a.queue, a.refused = append(a.refused, a.queue...), nil
	return nil
}

// answered is a reply for the deciding goroutine, with the swarm from a 421.
type answered struct {
	Reply
	right []Node
	span  *trace.Recording
}

// lateness is the report that the answer of a member is late: see [Call].Late.
type lateness struct {
	member Key
	spare  bool
}

// round asks members until the question is over. The error is Request's.
func (a *asking) round(ctx context.Context) error {
	asked, cancel := context.WithCancel(ctx)
	var sides sync.WaitGroup
	defer sides.Wait()
	defer cancel()
	replies, late := make(chan answered), make(chan lateness)
	var grace <-chan time.Time
	for {
		for a.wants() {
			node, ok := a.next()
			if !ok {
				break
			}
			side := &side{node: node, suspect: a.directory.Suspect(node.Ed25519)}
			a.active[node.Ed25519] = side
			if err := a.launch(asked, &sides, node, replies, late); err != nil {
				return err
			}
			if judge, ok := a.Question.Judge.(Behind); ok {
				side.behind = judge.Behind(node)
			}
		}
		if a.over() {
			a.leave()
			return nil
		}
		if left := a.left(); left > 0 && grace == nil {
			timer := time.NewTimer(left)
			defer timer.Stop()
			grace = timer.C
		}
		select {
		case reply := <-replies:
			again := a.take(reply)
			if !again {
				delete(a.active, reply.Member.Ed25519)
				break
			}
			if err := a.launch(asked, &sides, reply.Member, replies, late); err != nil {
				return err
			}
		case l := <-late:
			if side := a.active[l.member]; side != nil {
				side.late, side.kept = true, !l.spare
				a.why = "a member is late"
			}
		case <-grace:
			grace = nil
			for _, side := range a.active {
				side.late = side.late || a.Call.Slow
			}
		case <-ctx.Done():
			a.leave()
			return nil
		}
	}
}

// launch sends a member its request.
func (a *asking) launch(ctx context.Context, sides *sync.WaitGroup, node Node, replies chan<- answered,
	late chan<- lateness) error {
	body, err := a.Question.Judge.Request(node)
	if err != nil {
		return err
	}
	call := a.Call
	call.Body = body
	call.Late = func(spare bool) {
		select {
		case late <- lateness{node.Ed25519, spare}:
		case <-ctx.Done():
		}
	}
	started := time.Now()
	side := a.active[node.Ed25519]
	side.started, side.late, side.kept = started, false, false
	ctx, span := trace.Start(ctx, trace.SpanMember, trace.Name(trace.KeyNode, node.Ed25519),
		trace.String(trace.KeyMethod, call.Method), trace.String(trace.KeyReason, a.why))
	sides.Go(func() {
		reply := answered{Reply: Reply{Member: node}, span: span}
		reply.Answer, reply.Err = a.Backend.Do(ctx, node, call)
		reply.Took = time.Since(started)
		if reply.Err == nil {
			a.classify(ctx, &reply)
		}
		select {
		case replies <- reply:
		case <-ctx.Done():
			span.Set(trace.Bool("left", true))
			span.End(ErrPending)
		}
	})
	return nil
}

// classify sets the Err of an answer that refuses the member or the time.
func (a *asking) classify(ctx context.Context, reply *answered) {
	switch reply.Status {
	case storage.StatusWrongSwarm:
		reply.Err = ErrNotMember
		if a.Only != nil {
			return
		}
		right, err := a.directory.AdoptSwarm(ctx, a.Owner, reply.Body)
		if err != nil {
			reply.Err = fmt.Errorf("%w: %w", ErrNotMember, err)
		}
		reply.right = a.directory.Shuffle(right)
	case storage.StatusBadTimestamp, storage.StatusTooEarly:
		reply.Err = ErrClock
	}
}

// take judges a reply, and reports whether to ask its member again.
func (a *asking) take(reply answered) (again bool) {
	verdict := a.Question.Judge.Judge(reply.Reply)
	a.note(reply, verdict)
	switch {
	case reply.Err == nil:
		return a.follow(verdict, reply.Reply)
	case errors.Is(reply.Err, ErrClock):
		a.refused = append(a.refused, reply.Member)
	case errors.Is(reply.Err, ErrNotMember):
		a.queue = append(reply.right, a.queue...)
	case !errors.Is(reply.Err, ErrTarget):
		a.broken = reply.Err
	}
	a.fail(reply.Member, reply.Err)
	return false
}

// note records a reply and its verdict.
func (a *asking) note(reply answered, verdict Verdict) {
	if reply.span == nil {
		return
	}
	failure := reply.Err
	switch {
	case failure != nil:
		a.why = failure.Error()
	case verdict == Next || verdict == Settled:
		failure = fmt.Errorf("status %d: %.200q", reply.Status, reply.Body)
		a.why = failure.Error()
	case verdict == Doubt:
		a.why = "one member alone is not trusted"
	case verdict == Again:
		a.why = "the member has more"
	}
	reply.span.Set(trace.Int(trace.KeyStatus, reply.Status), trace.Name("verdict", verdict))
	reply.span.End(failure)
}

// follow acts on a verdict.
func (a *asking) follow(verdict Verdict, reply Reply) (again bool) {
	switch verdict {
	case Done:
		a.done++
	case Doubt:
		a.done++
		a.Sides++
	case Settled:
		a.settled++
	case Stop:
		a.stopped = true
	case Again:
		return true
	case Next:
		a.fail(reply.Member, fmt.Errorf("status %d: %.200q", reply.Status, reply.Body))
	}
	return false
}

func (a *asking) fail(member Node, err error) {
	a.failures = append(a.failures, fmt.Errorf("node %s: %w", member.Ed25519, err))
}

// next takes a member that was not asked yet.
func (a *asking) next() (Node, bool) {
	for len(a.queue) > 0 {
		node := a.queue[0]
		a.queue = a.queue[1:]
		if !a.taken[node.Ed25519] {
			a.taken[node.Ed25519] = true
			return node, true
		}
	}
	return Node{}, false
}

// besideSlow is how many members are waited for at a time whose answers to a slow call are late. Each may wait for the
// same node, and a fault on the way to one is found by its request.
const besideSlow = 2

// wants reports whether to ask another member: late members do not count, as long as there are not enough.
func (a *asking) wants() bool {
	occupied, late := a.done+a.settled, 0
	if len(a.refused) >= witnessesEnough {
		occupied += len(a.refused)
	}
	for _, side := range a.active {
		if side.late && !side.kept {
			late++
		} else {
			occupied++
		}
	}
	switch {
	case a.stopped, a.broken != nil, occupied >= a.Sides:
		return false
	case a.Call.Slow && late >= max(besideSlow, a.Sides):
		return false
	}
	return late == 0 || a.done < a.Enough
}

// over reports whether there is nothing to wait for.
func (a *asking) over() bool {
	if a.stopped || len(a.active) == 0 || a.done >= a.Sides {
		return true
	}
	if !a.enough() {
		return false
	}
	for _, side := range a.active {
		switch {
		case side.suspect:
		case side.behind:
			if a.besideLeft() > 0 {
				return false
			}
		case !side.late || time.Since(side.started) < a.patience():
			return false
		}
	}
	return true
}

// besideShare is the share of the time so far that a question may take longer for a member that is [Behind].
const besideShare = 0.1

// besideLeft is how long a member that is [Behind] is still waited for, once enough others are Done.
func (a *asking) besideLeft() time.Duration {
	now := time.Now()
	if a.besideUntil.IsZero() {
		a.besideUntil = now.Add(time.Duration(besideShare * float64(now.Sub(a.began))))
	}
	return max(a.besideUntil.Sub(now), 0)
}

func (a *asking) enough() bool {
	return a.done >= a.Enough || a.settled > 0 && a.done+a.settled >= witnessesEnough
}

// leaveAfter is the minimum time before a late member is left. Another one may be asked beside it sooner, but an answer
// from a busy machine is worth this wait.
const leaveAfter = 2 * time.Second

// patience is how long a late member is waited for: 0 for slow calls, which are late only after a longer wait.
func (a *asking) patience() time.Duration {
	if a.Call.Slow {
		return 0
	}
	return leaveAfter
}

// left is how long to wait for active members once there are enough; 0 means until something happens.
func (a *asking) left() (longest time.Duration) {
	switch {
	case !a.enough():
		return 0
	case a.Call.Slow:
		return a.grace
	}
	for _, side := range a.active {
		switch {
		case side.suspect:
		case side.behind:
			longest = max(longest, a.besideLeft())
		case side.late:
			longest = max(longest, a.patience()-time.Since(side.started))
		}
	}
	return longest
}

// leave reports to the judge the members that are not waited for.
func (a *asking) leave() {
	for key, side := range a.active {
		a.Question.Judge.Judge(Reply{Member: side.node, Err: ErrPending, Took: time.Since(side.started)})
		delete(a.active, key)
	}
}
