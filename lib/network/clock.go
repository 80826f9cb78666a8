package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/network/clocks"
	"sessiontool/lib/network/lag"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/trace"
)

// ClockSource is the party whose time counts.
type ClockSource string

// The sources of the time. Nodes judge the timestamps of messages, so their time counts if they give it.
const (
	ClockNodes ClockSource = "nodes"
	ClockSeeds ClockSource = "seeds"
)

// Witness is the way in which a party gave its time.
type Witness string

// The ways to give the time: a node in an answer of storage RPC 2.8, a node or a seed in an HTTP header, or a node of
// storage RPC 2.0 by the timestamps that it accepts.
const (
	WitnessAnswer Witness = "answer"
	WitnessHeader Witness = "header"
	WitnessLimit  Witness = "limit"
)

// Voice is the time of one party.
type Voice struct {
	From   ClockSource // the kind of party
	Name   string      // a node's Ed25519 key in hex, or a seed's URL
	How    Witness
	Offset time.Duration // how far its clock is ahead of this machine's
}

// Clock is the known state of this machine's clock. Offset is how far the network's clock is ahead. It follows from the
// voices of Source alone.
type Clock struct {
	Offset time.Duration
	Source ClockSource
	Voices []Voice
}

const (
	// noise is the largest offset that counts as none: headers have whole seconds, answers take time, and all limits of
	// the network are wider.
	noise = 2 * time.Second
	// enoughVoices is how many nodes decide on the time without the seeds.
	enoughVoices = 3
)

// Now returns the network's time as far as it is known: this machine's clock plus the offset.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Add(time.Duration(c.state.OffsetMS) * time.Millisecond)
}

// OwnTime returns this machine's time, by which an account judges the age of what it keeps.
func (c *Client) OwnTime() time.Time { return c.now() }

// Offset returns how far [Client.Now] is ahead of this machine's clock.
func (c *Client) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.state.OffsetMS) * time.Millisecond
}

const (
	// doubtful is the difference between an answer's time and the known time that raises doubt. It is wider than noise,
	// for headers in whole seconds and slow answers.
	doubtful = 5 * time.Second
	// sureFor is how long the offset of an earlier run needs no check: the user may set the clock right.
	sureFor = time.Minute
	// steadyFor is how long it needs none if the clock was not set meanwhile. At 100 millionths, which is much for a
	// quartz, it drifts by 1.8 s, less than noise.
	steadyFor = 5 * time.Hour
	// steady is by how much the clock and the time since the machine was started may disagree.
	steady = time.Second
)

// SureClock asks the nodes for the time if it is in doubt: if only a seed has said that this machine's clock is wrong,
// if the offset is that of an earlier run and the clock may have been set since, or if a node's answer had another time. It first fetches a missing list of
// nodes, which also brings a time. If the network gives no time, the known offset stays. It takes seedTimeout to fetch
// a list, and at most half of the context's remaining time. The error is the context's.
func (c *Client) SureClock(ctx context.Context) error {
	c.clockMu.Lock()
	defer c.clockMu.Unlock()
	c.firstTime(ctx)
	if ctx.Err() != nil || !c.doubted() {
		return ctx.Err()
	}
	if _, err := c.SyncClock(ctx); err != nil {
		c.log.Info("nobody confirms this machine's clock, which is in doubt", "error", err)
		c.setDoubt(ctx.Err() != nil) // asking again would not help
	}
	return ctx.Err()
}

// firstTime fetches the list of nodes if there is no usable one. The next request that needs the list reports a
// failure.
func (c *Client) firstTime(ctx context.Context) {
	wait := seedTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if _, err := c.Nodes(ctx); err != nil {
		c.log.Info("no list of service nodes, and so no time", "error", err)
	}
}

// sureOffset reports whether the offset of an earlier run needs no check.
func (c *Client) sureOffset() bool {
	now := c.now()
	if c.state.OffsetMS == 0 || within(now, c.state.OffsetAt, sureFor) {
		return true
	}
	started := c.startedMS(now)
	change := time.Duration(started-c.state.StartedMS) * time.Millisecond
	return within(now, c.state.OffsetAt, steadyFor) && started != 0 && c.state.StartedMS != 0 && change.Abs() < steady
}

// startedMS returns when this machine was started according to its clock, in milliseconds since 1970. Setting the clock
// changes that. It is 0 if the system does not say it.
func (c *Client) startedMS(now time.Time) int64 {
	if since, ok := c.sinceBoot(); ok {
		return now.Add(-since).UnixMilli()
	}
	return 0
}

func (c *Client) doubted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Doubt
}

func (c *Client) setDoubt(doubt bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Doubt = doubt
}

// overhear compares the time in a node's answer, to a request sent at that time of this machine's clock, with the known
// time. A single node cannot change the clock, but raises doubt, once in a run.
func (c *Client) overhear(node Key, told, sent time.Time) {
	if told.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	told = told.Add(-time.Duration(c.state.OffsetMS) * time.Millisecond)
	if told.Before(sent.Add(-doubtful)) || told.After(c.now().Add(doubtful)) {
		c.state.Doubt = c.state.Doubt || !c.overheard[node]
		c.overheard[node] = true
	}
}

// SyncClock determines the error of this machine's clock: the median of several nodes, or of the seeds if no node gives
// its time. With fewer than three nodes, the seeds together are one more voice. If there is no time at all, the error
// wraps [ErrNoTime], and [ErrNoSeed] too if no seed answers; the known offset stays. Otherwise the error is the
// context's.
func (c *Client) SyncClock(ctx context.Context) (clock Clock, err error) {
	ctx, span := trace.Start(ctx, trace.SpanClock)
	defer func() { span.End(err) }()
	voices, failures := c.voices(ctx)
	if ctx.Err() != nil {
		return Clock{}, ctx.Err()
	}
	offset, source, ok := decide(voices)
	if !ok {
		return Clock{}, errors.Join(append([]error{ErrNoTime}, failures...)...)
	}
	offset = c.setOffset(offset, false)
	c.log.Info("the network gives its time", "offset", offset, "source", source, "voices", len(voices))
	return Clock{Offset: offset, Source: source, Voices: voices}, nil
}

// voices asks nodes, and seeds unless enough nodes give their time. Voices are relative to this machine's clock: if it is
// set meanwhile, voices asks once more.
func (c *Client) voices(ctx context.Context) (voices []Voice, failures []error) {
	for range 2 {
		begun, shown := time.Now(), c.now().Round(0) // without the monotonic time, which no user sets
		voices, failures = c.nodeVoices(ctx)
		if ctx.Err() == nil && len(voices) < enoughVoices {
			seeds, err := c.seedVoices(ctx)
			voices, failures = append(voices, seeds...), append(failures, err)
		}
		if set := c.now().Round(0).Sub(shown) - time.Since(begun); ctx.Err() != nil || set.Abs() < steady {
			break
		}
	}
	return voices, failures
}

// decide returns the median of the nodes' voices, or of the seeds' if there is no node. With two nodes, of which
// neither outvotes the other, the seeds count as one more.
func decide(voices []Voice) (time.Duration, ClockSource, bool) {
	of := make(map[ClockSource][]time.Duration)
	for _, voice := range voices {
		of[voice.From] = append(of[voice.From], voice.Offset)
	}
	nodes, seeds := of[ClockNodes], of[ClockSeeds]
	switch {
	case len(nodes) == 0 && len(seeds) == 0:
		return 0, "", false
	case len(nodes) == 0:
		return middle(seeds), ClockSeeds, true
	case len(nodes) == 2 && len(seeds) > 0:
		nodes = append(nodes, middle(seeds))
	}
	return middle(nodes), ClockNodes, true
}

// middle is the median, and of two values the one nearer to this machine's clock.
func middle(offsets []time.Duration) time.Duration {
	if len(offsets) == 2 {
		return slices.MinFunc(offsets, func(x, y time.Duration) int { return int(x.Abs() - y.Abs()) })
	}
	sorted := slices.Sorted(slices.Values(offsets))
	return sorted[len(sorted)/2]
}

// suggestOffset takes the time of a seed that answered with its list, and records that no other party confirms it.
func (c *Client) suggestOffset(date time.Time) {
	if !date.IsZero() {
		c.setOffset(date.Sub(c.now()), true)
	}
}

// setOffset stores the offset of the network's clock, and returns it without noise. Alone reports that only one seed
// gives it.
func (c *Client) setOffset(offset time.Duration, alone bool) time.Duration {
	if offset = offset.Round(time.Millisecond); offset.Abs() < noise {
		offset = 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := (offset - time.Duration(c.state.OffsetMS)*time.Millisecond).Abs() >= noise
	c.state.Doubt = alone && (c.state.Doubt || changed)
	if changed {
		clear(c.overheard) // nodes in doubt may have been right
	}
	c.state.OffsetMS, c.state.OffsetAt, c.state.StartedMS = offset.Milliseconds(), time.Time{}, 0
	if offset != 0 {
		now := c.now()
		c.state.OffsetAt, c.state.StartedMS = now.UTC(), c.startedMS(now)
	}
	return offset
}

// seedVoices asks every seed at once. The error wraps [ErrNoSeed] if none answers.
func (c *Client) seedVoices(ctx context.Context) (voices []Voice, err error) {
	found, failures := make([]Voice, len(c.seeds)), make([]error, len(c.seeds))
	var wait sync.WaitGroup
	for i, seed := range c.seeds {
		wait.Go(func() {
			sent := c.now()
			_, date, _, err := c.askSeed(ctx, seed)
			switch {
			case err != nil:
				failures[i] = fmt.Errorf("seed %s: %w", seed, err)
			case !date.IsZero():
				found[i] = Voice{ClockSeeds, seed, WitnessHeader, date.Sub(halfway(sent, c.now()))}
			}
		})
	}
	wait.Wait()
	answered := false
	for i := range c.seeds {
		if found[i].From != "" {
			voices = append(voices, found[i])
		}
		answered = answered || failures[i] == nil
	}
	if !answered {
		err = fmt.Errorf("%w: %w", ErrNoSeed, errors.Join(failures...))
	}
	return voices, err
}

// nodeVoices asks nodes for the time in each way of their generation until one succeeds.
func (c *Client) nodeVoices(ctx context.Context) (voices []Voice, failures []error) {
	generation, err := c.Generation(ctx)
	if err != nil {
		failures = append(failures, err)
	}
	ways := []func(context.Context) ([]Voice, error){c.headerVoices, c.limitVoices}
	if generation == storage.Generation28 {
		ways = []func(context.Context) ([]Voice, error){c.answerVoices, c.headerVoices}
	}
	for _, ask := range ways {
		if len(voices) > 1 || ctx.Err() != nil {
			break
		}
		more, err := ask(ctx)
		voices = append(voices, more...)
		if err != nil {
			failures = append(failures, err)
		}
	}
	return voices, failures
}

// answerVoices asks three random nodes of storage RPC 2.8.
func (c *Client) answerVoices(ctx context.Context) (voices []Voice, err error) {
	answers, err := c.askWitnesses(ctx)
	for _, answer := range answers {
		if at := answer.time(); at != 0 {
			voices = append(voices,
				Voice{ClockNodes, answer.node.Ed25519.String(), WitnessAnswer, time.UnixMilli(at).Sub(answer.at)})
		}
	}
	return voices, err
}

// headerVoices asks the guards for their version, directly: they know this machine's address anyway. Our own nodes give
// their time with every answer.
func (c *Client) headerVoices(ctx context.Context) (voices []Voice, err error) {
	if _, err := c.Nodes(ctx); err != nil {
		return nil, err
	}
	guards, err := c.guards(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Voice, len(guards))
	var wait sync.WaitGroup
	for i, node := range guards {
		wait.Go(func() {
			round, cancel := context.WithTimeoutCause(ctx, seedTimeout, errSeedTimeout)
			defer cancel()
			sent := c.now()
			answer, err := c.http.GetNode(round, node.IP, node.Port, storage.StatsPath)
			if err == nil && !answer.Time().IsZero() {
				found[i] = Voice{ClockNodes, node.Ed25519.String(), WitnessHeader,
					answer.Time().Sub(halfway(sent, c.now()))}
			}
		})
	}
	wait.Wait()
	for _, voice := range found {
		if voice.From != "" {
			voices = append(voices, voice)
		}
	}
	return voices, nil
}

func halfway(from, to time.Time) time.Time { return from.Add(to.Sub(from) / 2) }

// limitVoices asks members of the swarm of an address without an owner, by the timestamps that they accept: see package
// clocks.
func (c *Client) limitVoices(ctx context.Context) (voices []Voice, err error) {
	var key [32]byte
	if _, err := c.random.Read(key[:]); err != nil {
		return nil, err
	}
	id := sessionid.FromPublicKey(key)
	members, err := c.LookupSwarm(ctx, id)
	if err != nil {
		return nil, err
	}
	members = c.Shuffle(members)
	members = members[:min(len(members), witnesses)]
	found, failures := make([]Voice, len(members)), make([]error, len(members))
	var wait sync.WaitGroup
	for i, node := range members {
		wait.Go(func() {
			group := c.Group()
			search := clocks.Search{Now: c.now, Known: c.Offset(), To: id,
				Ask: func(ctx context.Context, body []byte) (int, error) {
					answer, err := group.Request(ctx, node, body)
					return answer.Status, err
				},
			}
			offset, err := search.Run(ctx)
			if err != nil {
				failures[i] = fmt.Errorf("node %s: %w", node.Ed25519, err)
				return
			}
			if offset.Abs() <= noise+clocks.Exact {
				offset = 0 // the search itself is not more exact
			}
			found[i] = Voice{ClockNodes, node.Ed25519.String(), WitnessLimit, offset}
		})
	}
	wait.Wait()
	for _, voice := range found {
		if voice.From != "" {
			voices = append(voices, voice)
		}
	}
	return voices, errors.Join(failures...)
}

// ClockError is an [ErrClock] with the error of this machine's clock, or with the cause why it is not known.
type ClockError struct {
	Offset time.Duration // how far the network's clock is ahead; meaningless with a Cause
	Cause  error
}

// Error implements error.
func (e *ClockError) Error() string {
	switch {
	case e.Cause != nil:
		return ErrClock.Error() + ": " + e.Cause.Error()
	case e.Offset == 0:
		return ErrClock.Error() + ", which is " + lag.Words(0) + " by what the network itself says"
	}
	return ErrClock.Error() + ": it is " + lag.Words(e.Offset)
}

// Unwrap returns [ErrClock] and the cause.
func (e *ClockError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrClock}
	}
	return []error{ErrClock, e.Cause}
}
