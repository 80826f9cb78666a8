package route

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/trace"
)

// DefaultPollInterval is how often a listener also polls for stored messages.
const DefaultPollInterval = 10 * time.Second

// waitingEvents is how many events may wait for their reader. A slower reader holds up the acknowledgements, so that
// senders fall back to the asynchronous route.
const waitingEvents = 64

// ListenOptions adjusts [Router.Listen]. Without Count, For and MaxIdle, Listen runs until its context ends.
type ListenOptions struct {
	PollInterval time.Duration // 0 means DefaultPollInterval
	Count        int           // end after so many events
	MaxAttempts  int           // deliveries of an event after which it is set aside; 0 means that none is
	Truncated    func(mailbox.Truncated) error
	Skip         func(inbox.Waiting) bool // of events that count as delivered, and for no limit; may be nil
	// Delivered is as in PollOptions. Polled is called after each poll with its error, at first after the first one. Both
	// may be nil.
	Delivered func(ctx context.Context, events []inbox.Event) error
	Polled    func(err error)
	For       time.Duration // end after this time
	MaxIdle   time.Duration // end after this time without an event
	Heartbeat time.Duration // how often Beat is called
	Beat      func(Pulse) error
	Outage    func(Outage) error // called when an outage begins, while it lasts, and at its end; may be nil

	outageAfter time.Duration // 0 means outageAfter
}

const (
	// outageAfter is how long no poll has succeeded and no node has let us listen when an outage is reported.
	outageAfter = 30 * time.Second
	// outageAgain is the age of an outage at its second report. Each later report waits twice as long, so that a day
	// without a network is seven lines.
	outageAgain = time.Hour
)

// Outage reports that no node has answered since a time, or that one does again.
type Outage struct {
	Since time.Time
	Over  bool
}

// Pulse is the state of a Listen. Node is the Ed25519 key, in hex, of the listening node, empty while there is none.
// PolledAt is the time of the last successful poll.
type Pulse struct {
	Node     string
	PolledAt time.Time
	Received int
}

// Listen delivers messages as they arrive, on both routes, until a limit of options is reached; then it returns nil. It
// listens at one node of the account's swarm and moves to another one when that fails. It polls every PollInterval,
// sends the outbox, and announces its listening node to all friends. At its end it announces that it stopped, which
// takes up to offlineTimeout. It survives failures of the network, except that the network refuses this machine's clock
// from the start. The error is deliver's, Beat's, the account's, [ErrClock] or the context's.
func (r *Router) Listen(ctx context.Context, options ListenOptions, deliver Deliver) error {
	if options.PollInterval == 0 {
		options.PollInterval = DefaultPollInterval
	}
	r.skipProbe()
	s := &listenLoop{
		router: r, options: options, events: make(chan inbox.Waiting, waitingEvents),
		receiveSem: make(chan struct{}, 1), pollNow: make(chan struct{}, 1), flushNow: make(chan struct{}, 1),
		announceNow: make(chan struct{}, 1), reachedAt: time.Now(),
		reported: cmp.Or(options.outageAfter, outageAfter),
		counted:  make(chan inbox.Event, 1),
		reports:  backOff{first: reportFirst, longest: reportLongest},
	}
	s.fetching = r.collect(r.account.Receive, s.keepFetched)
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	for _, work := range []func(context.Context) error{s.poll, s.listenAtMembers, s.flush, s.announce} {
		workers.Go(func() {
			if err := work(working); err != nil && working.Err() == nil {
				stop(err)
			}
		})
	}
	err := s.deliverEvents(working, deliver)
	stop(nil)
	workers.Wait()
	return errors.Join(err, s.goOffline(ctx))
}

// listenLoop is one Listen in progress: several goroutines, whose results meet in events.
type listenLoop struct {
	router  *Router
	options ListenOptions
	events  chan inbox.Waiting

	// Each has room for one signal that work waits.
	pollNow, flushNow, announceNow chan struct{}

	// receiveSem serializes commit and hand-off, so that the reader sees messages in commit order.
	receiveSem chan struct{}
	// fetching has what a running poll has fetched, and fetched the events that it has committed. They are passed on at
	// its end, or before a later message of the synchronous route. Guarded by receiveSem.
	fetching *collector
	fetched  []inbox.Waiting

	counted    chan inbox.Event // events that count what was not kept of strangers
	reports    backOff          // between them
	nextReport time.Time        // the end of its pause

	announced bool // friends have the current status; see announce

	mu        sync.Mutex
	at        *listener // nil while there is none
	cutOff    bool      // the last request to at has failed
	polledAt  time.Time
	reachedAt time.Time     // when a node last answered, at first the start
	reported  time.Duration // age of the outage at its next report
	out       bool          // an outage was reported
}

// deliverEvents delivers events to the reader until a limit of the options is reached.
func (s *listenLoop) deliverEvents(ctx context.Context, deliver Deliver) error {
	var beat <-chan time.Time
	if s.options.Heartbeat > 0 {
		ticker := time.NewTicker(s.options.Heartbeat)
		defer ticker.Stop()
		beat = ticker.C
	}
	over, idle := after(s.options.For), after(s.options.MaxIdle)
	for received := 0; ; {
		select {
		case waiting := <-s.events:
			some, err := s.router.passOver(ctx, s.more(waiting, received), s.options.Skip)
			if err != nil {
				return err
			}
			if len(some) == 0 {
				continue
			}
			delivered, err := s.router.deliverAll(ctx, some, handing{s.options.MaxAttempts, deliver, s.delivered})
			if err != nil {
				return err
			}
			if received += delivered; received == s.options.Count {
				return nil
			}
			idle = after(s.options.MaxIdle)
		case event := <-s.counted: // it counts for no limit: strangers must not prolong or end a Listen
			if err := s.router.deliverClaimed(ctx, event, deliver); err != nil {
				return err
			}
		case <-beat:
			if err := s.options.Beat(s.pulse(received)); err != nil {
				return err
			}
		case <-over:
			return nil
		case <-idle:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// delivered calls the option of that name, and sends what it has put into the outbox.
func (s *listenLoop) delivered(ctx context.Context, events []inbox.Event) error {
	if s.options.Delivered == nil {
		return nil
	}
	if err := s.options.Delivered(ctx, events); err != nil {
		return err
	}
	if s.router.account.Answered() {
		signal(s.flushNow)
	}
	return nil
}

// more returns a waiting event and those that wait behind it, as far as Count allows.
func (s *listenLoop) more(first inbox.Waiting, received int) []inbox.Waiting {
	some := []inbox.Waiting{first}
	for len(some) < deliveredAtOnce && (s.options.Count == 0 || received+len(some) < s.options.Count) {
		select {
		case next := <-s.events:
			some = append(some, next)
		default:
			return some
		}
	}
	return some
}

// after is [time.After], but never for 0.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

func (s *listenLoop) pulse(received int) Pulse {
	s.mu.Lock()
	defer s.mu.Unlock()
	pulse := Pulse{PolledAt: s.polledAt, Received: received}
	if s.at != nil && !s.cutOff {
		pulse.Node = s.at.node.Ed25519.String()
	}
	return pulse
}

// push queues events for the reader. Events that are not taken any more wait for the next poll.
func (s *listenLoop) push(ctx context.Context, events []inbox.Waiting) error {
	for _, event := range events {
		select {
		case s.events <- event:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// signal signals that work waits.
func signal(now chan struct{}) {
	select {
	case now <- struct{}{}:
	default: // a signal waits already
	}
}

// secondPoll is the pause after the first poll. A sender who found no listener just before this one was registered stores
// a message just after the first poll.
const secondPoll = time.Second

// poll polls for stored messages at the interval and at each signal.
func (s *listenLoop) poll(ctx context.Context) error {
	var synced time.Time
	pause := min(secondPoll, s.options.PollInterval)
	left, err := s.router.account.Waiting(ctx)
	for {
		if err == nil {
			err = s.push(ctx, left)
		}
		if err == nil {
			ctx, span := trace.Begin(ctx, trace.SpanPoll)
			err = s.router.Retrieve(ctx, mailbox.RetrieveOptions{UseCursors: true, Truncated: s.options.Truncated},
				func(page mailbox.Page) (fresh int, err error) {
					err = s.serialize(ctx, func() error {
						fresh, err = s.fetching.take(ctx, page)
						return err
					})
					return fresh, err
				})
			err = errors.Join(err, s.serialize(ctx, func() error { return s.pushFetched(ctx) }))
			span.End(err)
			if syncErr := s.syncKeys(ctx, &synced); syncErr != nil {
				return syncErr
			}
		}
		if err == nil {
			err = errors.Join(s.pushGap(ctx), s.pushReport(ctx))
		}
		if err == nil {
			signal(s.flushNow) // without a network it would try, and log, in vain
			err = s.reached()
		} else {
			err = errors.Join(err, s.unreached())
		}
		if s.options.Polled != nil {
			s.options.Polled(err)
		}
		if err := s.polled(err); err != nil {
			return err
		}
		if !wait(ctx, pause, s.pollNow) {
			return nil
		}
		pause = s.options.PollInterval
		left, err = s.router.account.Abandoned(ctx) // of processes that died while printing
	}
}

// reached records that a node has answered, and reports the end of an outage.
func (s *listenLoop) reached() error {
	s.mu.Lock()
	was, since := s.out, s.reachedAt
	s.reachedAt, s.out, s.reported = time.Now(), false, cmp.Or(s.options.outageAfter, outageAfter)
	s.mu.Unlock()
	if !was {
		return nil
	}
	return s.options.Outage(Outage{Since: since, Over: true})
}

// unreached reports an outage if that is due.
func (s *listenLoop) unreached() error {
	s.mu.Lock()
	since, age := s.reachedAt, time.Since(s.reachedAt)
	due := age >= s.reported && s.options.Outage != nil
	if due {
		s.out, s.reported = true, max(outageAgain, 2*age)
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	return s.options.Outage(Outage{Since: since})
}

// syncKeys keeps the account's keys, and reports messages whose keys are missing for long.
func (s *listenLoop) syncKeys(ctx context.Context, last *time.Time) error {
	fresh, err := s.router.syncListening(ctx, last)
	if err = s.pass("cannot keep the account's keys", err); err != nil {
		return err
	}
	reported, err := s.router.account.ReportUndecided(ctx)
	if err = s.pass("cannot report messages without a key", err); err != nil {
		return err
	}
	return s.serialize(ctx, func() error {
		s.fetched = append(append(s.fetched, fresh...), newEvents(reported)...)
		return s.pushFetched(ctx)
	})
}

// polled records the result of a poll. A refused clock is temporary once a poll has succeeded; before that it is an
// error, because then the clock is set wrong.
func (s *listenLoop) polled(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.polledAt = time.Now()
		return nil
	}
	if errors.Is(err, ErrClock) && s.polledAt.IsZero() {
		return err
	}
	return s.pass("cannot ask for stored messages", err)
}

// serialize runs work while no other goroutine commits received messages.
func (s *listenLoop) serialize(ctx context.Context, work func() error) error {
	select {
	case s.receiveSem <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.receiveSem }()
	return work()
}

// keepFetched remembers the new events of a poll.
func (s *listenLoop) keepFetched(opened []account.Opened) {
	s.fetched = append(s.fetched, newEvents(opened)...)
}

// pushFetched opens what was fetched and passes the events on in the order of their senders. The caller holds
// receiveSem.
func (s *listenLoop) pushFetched(ctx context.Context) error {
	err := s.fetching.flush(ctx)
	fetched := s.fetched
	s.fetched = nil
	inbox.InOrder(fetched)
	return errors.Join(err, s.push(ctx, fetched))
}

// pushGap records the poll, and passes on a gap that it ends.
func (s *listenLoop) pushGap(ctx context.Context) error {
	gap, err := s.router.account.Polled(ctx)
	for _, event := range gap {
		err = errors.Join(err, s.push(ctx, []inbox.Waiting{inbox.WaitingOf(event)}))
	}
	return err
}

// reportFirst and reportLongest bound the pause after an event that counts what was not kept of strangers. It doubles
// with each of these events.
const (
	reportFirst   = time.Minute
	reportLongest = time.Hour
)

// pushReport passes on the event that counts what was not kept of strangers, if its pause is over.
func (s *listenLoop) pushReport(ctx context.Context) error {
	now := time.Now()
	if now.Before(s.nextReport) {
		return nil
	}
	event, found, err := s.router.account.ClaimReport(ctx)
	if err != nil {
		return s.pass("cannot report what was not kept", err)
	}
	s.nextReport = now.Add(s.reports.after(!found))
	if !found {
		return nil
	}
	select {
	case s.counted <- event:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush sends the outbox at each signal.
func (s *listenLoop) flush(ctx context.Context) error {
	for wait(ctx, 0, s.flushNow) {
		_, err := s.router.Flush(ctx)
		if err := s.pass("cannot send what waits in the outbox", err); err != nil {
			return err
		}
	}
	return nil
}

// wait waits for a signal or, unless it is 0, for d. It returns false if the context has ended.
func wait(ctx context.Context, d time.Duration, now <-chan struct{}) bool {
	select {
	case <-now:
	case <-after(d):
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// temporary has the errors that may not come again.
var temporary = []error{
	network.ErrNoSeed, network.ErrTooFewNodes, network.ErrNoPath, network.ErrTarget, network.ErrNoSwarm,
	storagehttp.ErrUnreachable, storagehttp.ErrProxy, storagehttp.ErrNoIPv4, storagehttp.ErrCertificate,
	ErrNotRetrieved, ErrNotStored, account.ErrLocked, account.ErrGone,
}

// pass logs a temporary error and returns any other.
func (r *Router) pass(what string, err error) error {
	for _, passing := range temporary {
		if errors.Is(err, passing) {
			if errors.Is(err, storagehttp.ErrNoIPv4) {
				r.lacksIPv4.Do(func() { r.options.Log.Warn(what, "error", err) })
			}
			r.options.Log.Info(what, "error", err)
			return nil
		}
	}
	return err
}

func (s *listenLoop) pass(what string, err error) error { return s.router.pass(what, err) }
