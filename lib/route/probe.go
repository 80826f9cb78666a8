package route

import (
	"context"
	"sync"
	"time"

	"sessiontool/lib/account"
)

const (
	// probeTimeout bounds the presence probe.
	probeTimeout = 3 * time.Second
	// probeShare is the share of its time so far by which the probe may prolong a process that waits for nothing else,
	// and probeLeast the least such time.
	probeShare = 0.1
	probeLeast = 100 * time.Millisecond
)

// probe is the presence probe (sync-route.md section 7): it asks one member for the account's stored messages, once in
// a process, since a status of a contact may be among them. It leaves other messages to any poller. Messages are stored
// beside it, so it costs a process almost no time. To a recipient that turns out to listen, they are also delivered.
type probe struct {
	mu      sync.Mutex
	skipped bool
	started time.Time
	stop    context.CancelFunc // nil before the probe begins
	over    chan struct{}      // closed at its end
	failure error              // the account's, at the end
}

// beginProbe begins the presence probe unless this process has had it or does without.
func (r *Router) beginProbe(ctx context.Context) {
	p := &r.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.skipped || p.stop != nil {
		return
	}
	probing, stop := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	p.started, p.stop, p.over = time.Now(), stop, make(chan struct{})
	go func() {
		defer close(p.over)
		defer stop()
		p.failure = r.probePresence(probing)
	}()
}

// probePresence is the probe. The error is the account's. A failure of the network is only logged.
func (r *Router) probePresence(ctx context.Context) error {
	if listening, err := r.account.Listening(ctx); err != nil || listening {
		return err
	}
	err, failure := r.fetchAside(ctx, 1)
	if failure == nil && err != nil {
		r.options.Log.Info("presence probe failed", "error", err)
	}
	return failure
}

// awaitProbe waits for the end of the presence probe. The error is the account's or the context's.
func (r *Router) awaitProbe(ctx context.Context) error {
	r.probe.mu.Lock()
	over := r.probe.over
	r.probe.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return r.probe.failure
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// skipProbe skips the presence probe, because the caller fetches stored messages anyway.
func (r *Router) skipProbe() {
	r.probe.mu.Lock()
	defer r.probe.mu.Unlock()
	r.probe.skipped = true
}

// probing returns a channel that is closed at the end of the running presence probe, and nil if none runs.
func (r *Router) probing() <-chan struct{} {
	r.probe.mu.Lock()
	defer r.probe.mu.Unlock()
	select {
	case <-r.probe.over:
		return nil
	default:
		return r.probe.over
	}
}

// probeLeft waits for the end of a probe as long as it may prolong the process, and reports whether it has ended.
func (r *Router) probeLeft(over <-chan struct{}) bool {
	share := time.Duration(probeShare * float64(time.Since(r.probe.started)))
	left := time.NewTimer(max(share, probeLeast, r.options.probeLeast))
	defer left.Stop()
	select {
	case <-over:
		return true
	case <-left.C:
		return false
	}
}

// deliverStored delivers a message that was stored while the presence probe ran, if that has found its recipient
// listening. The recipient recognises the stored copy. The receipt stays that of the store if no acknowledgement comes.
func (r *Router) deliverStored(ctx context.Context, out account.Outgoing, stored account.Receipt,
	probing <-chan struct{}) (account.Receipt, error) {
	if !r.probeLeft(probing) {
		return stored, nil
	}
	status, known, err := r.account.StatusOf(ctx, out.To)
	if err != nil || !known || status.Node == "" || !status.Fresh(r.network.OwnTime()) {
		return stored, err
	}
	delivered, reason, err := r.deliver(ctx, out, nil)
	if err != nil || reason != "" {
		return stored, nil // the message is stored, whatever became of the delivery
	}
	delivered.Nodes = append(delivered.Nodes, stored.Nodes...)
	delivered.Stored, delivered.MessageHash = stored.Stored, stored.MessageHash
	delivered.TTLMillis, delivered.Difficulty = stored.TTLMillis, stored.Difficulty
	return delivered, nil
}

// Close ends what runs beside. No send may be in progress. The error is the account's.
func (r *Router) Close() error {
	r.skipProbe()
	over := r.probing()
	if over != nil && !r.probeLeft(over) {
		r.probe.stop()
		<-over
	}
	return r.probe.failure
}
