package route

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/rpc"
)

// maxPages bounds what one poll takes from one node: a node that never ends its list must not hold a poll for ever.
// What is left comes with the next poll.
const maxPages = 500

// Deliver hands events to their reader. They count as delivered when it returns nil: it must have written and flushed
// them.
type Deliver func(events []account.Event) error

// Poll delivers what was received earlier but never printed, then asks three random members of the account's swarm
// for new messages, opens and delivers them, and sends what they call for. It succeeds if one member answered; the
// error wraps ErrNotRetrieved otherwise.
func (r *Router) Poll(ctx context.Context, deliver Deliver) error {
	left, err := r.account.ClaimUndelivered(ctx)
	if err != nil {
		return err
	}
	if err := r.hand(ctx, left, deliver); err != nil {
		return err
	}
	err = r.Retrieve(ctx, RetrieveOptions{UseCursors: true}, func(node network.Node, page []rpc.Stored) error {
		return r.take(ctx, node, page, deliver)
	})
	if err != nil {
		return err
	}
	_, err = r.Flush(ctx)
	return err
}

// take opens one page of one node and delivers what is new in it.
func (r *Router) take(ctx context.Context, node network.Node, page []rpc.Stored, deliver Deliver) error {
	batch := make([]account.Incoming, len(page))
	for i, stored := range page {
		batch[i] = account.Incoming{Data: stored.Data, Hash: stored.Hash, Route: Asynchronous}
	}
	cursor := &account.Cursor{Node: node.Ed25519.String(), Hash: page[len(page)-1].Hash}
	opened, err := r.account.Receive(ctx, batch, cursor)
	if err != nil {
		return err
	}
	var fresh []account.Event
	for _, one := range opened {
		if !one.Duplicate && one.Event.Shown() {
			fresh = append(fresh, one.Event)
		}
	}
	return r.hand(ctx, fresh, deliver)
}

// hand delivers events and marks them delivered afterwards, even if the caller's time has run out in between.
func (r *Router) hand(ctx context.Context, events []account.Event, deliver Deliver) error {
	if len(events) == 0 {
		return nil
	}
	if err := deliver(events); err != nil {
		return err
	}
	return r.account.MarkDelivered(context.WithoutCancel(ctx), events...)
}

// RetrieveOptions adjusts Retrieve.
type RetrieveOptions struct {
	// UseCursors starts at each node where the account's last poll ended. Otherwise everything is read.
	UseCursors bool
}

// page is what a node answered, on its way to the one goroutine that handles pages.
type page struct {
	node    network.Node
	stored  []rpc.Stored
	handled chan error
}

// Retrieve asks three random members of the account's swarm at once for its messages and hands over their answers
// page by page, one at a time. Pages are never empty. The same message usually comes from all three. A member that
// fails is replaced by another one. The error wraps ErrNotRetrieved if no member answered, or is handle's.
func (r *Router) Retrieve(ctx context.Context, options RetrieveOptions, handle func(network.Node, []rpc.Stored) error) error {
	members, err := r.network.Swarm(ctx, r.account.ID())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	round := &retrieveRound{
		router: r, options: options, group: r.network.Group(), pages: make(chan page),
		queue: r.network.Shuffle(members), tried: make(map[network.Key]bool),
	}
	var wait sync.WaitGroup
	for range network.SwarmTargets {
		wait.Go(func() { round.side(ctx) })
	}
	done := make(chan struct{})
	go func() {
		wait.Wait()
		close(done)
	}()
	err = nil
	for {
		select {
		case page := <-round.pages:
			if err == nil {
				if err = handle(page.node, page.stored); err != nil {
					cancel()
				}
			}
			page.handled <- err
		case <-done:
			return round.verdict(ctx, err)
		}
	}
}

// retrieveRound is one Retrieve at work.
type retrieveRound struct {
	router  *Router
	options RetrieveOptions
	group   *network.Group
	pages   chan page

	mu       sync.Mutex
	queue    []network.Node
	tried    map[network.Key]bool
	answered int
	synced   bool
	failures []error
}

func (round *retrieveRound) verdict(ctx context.Context, err error) error {
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case round.answered == 0:
		return fmt.Errorf("%w: %w", ErrNotRetrieved, errors.Join(round.failures...))
	}
	return nil
}

// side reads members of the swarm until one was read to its end.
func (round *retrieveRound) side(ctx context.Context) {
	for ctx.Err() == nil {
		node, ok := round.next()
		if !ok {
			return
		}
		err := round.read(ctx, node)
		round.mu.Lock()
		if err == nil {
			round.answered++
		} else {
			round.failures = append(round.failures, err)
		}
		round.mu.Unlock()
		if err == nil {
			return
		}
		round.router.options.Log.Info("node gives no messages", "node", node.Ed25519, "error", err)
	}
}

// read takes a node's list page by page.
func (round *retrieveRound) read(ctx context.Context, node network.Node) error {
	last := ""
	if round.options.UseCursors {
		var err error
		if last, err = round.router.account.LastHash(ctx, node.Ed25519.String()); err != nil {
			return err
		}
	}
	handled := make(chan error)
	seen := make(map[string]bool)
	for range maxPages {
		stored, err := round.ask(ctx, node, last)
		if err != nil || len(stored) == 0 {
			return err
		}
		select {
		case round.pages <- page{node, stored, handled}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := <-handled; err != nil {
			return err
		}
		if last = stored[len(stored)-1].Hash; seen[last] {
			return nil // the node goes round in circles
		}
		seen[last] = true
	}
	return nil
}

// ask sends one retrieve request, signed by the account.
func (round *retrieveRound) ask(ctx context.Context, node network.Node, last string) ([]rpc.Stored, error) {
	r := round.router
	timestamp := strconv.FormatInt(r.network.Now().UnixMilli(), 10)
	signature := r.account.Sign(rpc.RetrieveSignatureText(timestamp))
	public := r.account.Ed25519Public()
	body, err := rpc.NewRequest(rpc.MethodRetrieve, rpc.RetrieveParams{
		PubKey: r.account.ID().String(), LastHash: last,
		PubkeyEd25519: hex.EncodeToString(public[:]), Timestamp: timestamp,
		Signature: base64.StdEncoding.EncodeToString(signature[:]),
	})
	if err != nil {
		return nil, err
	}
	answer, err := round.group.Request(ctx, node, body)
	if err != nil {
		return nil, err
	}
	switch answer.Status {
	case rpc.StatusOK:
		return parsePage(answer.Body)
	case rpc.StatusWrongSwarm:
		right, err := r.network.AdoptSwarm(ctx, r.account.ID(), answer.Body)
		if err == nil {
			round.mu.Lock()
			round.queue = append(round.queue, right...)
			round.mu.Unlock()
		}
		return nil, errors.Join(errors.New("not a member of the swarm"), err)
	case rpc.StatusBadTimestamp:
		if round.firstClockError() {
			if _, err := r.network.SyncClock(ctx); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrClock, err)
			}
			return round.ask(ctx, node, last)
		}
		return nil, ErrClock
	}
	return nil, fmt.Errorf("status %d: %.200s", answer.Status, answer.Body)
}

// parsePage reads a retrieve answer and bounds it.
func parsePage(body string) ([]rpc.Stored, error) {
	var answer rpc.RetrieveAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("answer is not a list of messages: %w", err)
	}
	return answer.Messages, nil
}

func (round *retrieveRound) firstClockError() bool {
	round.mu.Lock()
	defer round.mu.Unlock()
	first := !round.synced
	round.synced = true
	return first
}

func (round *retrieveRound) next() (network.Node, bool) {
	round.mu.Lock()
	defer round.mu.Unlock()
	for len(round.queue) > 0 {
		node := round.queue[0]
		round.queue = round.queue[1:]
		if !round.tried[node.Ed25519] {
			round.tried[node.Ed25519] = true
			return node, true
		}
	}
	return network.Node{}, false
}
