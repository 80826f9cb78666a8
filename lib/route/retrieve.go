package route

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/rpc"
)

// maxRead bounds the messages that are taken from one node at a time: one that never ends its list must not hold a poll
// for ever. What is left comes with the next poll.
const maxRead = 5000

// RetrieveOptions adjusts Retrieve.
type RetrieveOptions struct {
	// UseCursors starts at each node where the account's last poll ended. Otherwise everything is read.
	UseCursors bool
}

// Retrieve asks three random members of the account's swarm at once for its messages and hands over their answers
// page by page, one at a time. Pages are never empty. The same message usually comes from all three. A member that
// fails is replaced by another one. The error is handle's, wraps ErrNotRetrieved if no member was read to its end, is
// the network's, or the context's.
func (r *Router) Retrieve(ctx context.Context, options RetrieveOptions, handle func(network.Node, []rpc.Stored) error) error {
	generation, err := r.network.Generation(ctx)
	if err != nil {
		return err
	}
	id := r.account.ID()
	swarm, err := r.network.Swarm(ctx, id)
	if err != nil {
		return err
	}
	round := &retrieveRound{
		router: r, generation: generation, options: options, group: r.network.Group(), members: newMembers(r.network.Shuffle(swarm)),
		pages: make(chan page),
	}
	round.syncClock = sync.OnceValue(func() error { return r.learnClock(ctx) })
	if err := round.run(ctx, handle); err != nil || round.answered {
		return err
	}
	// What is known of the swarm may be old. Members that have failed are not asked again.
	if swarm, err = r.network.LookupSwarm(ctx, id); err != nil {
		round.failures = append(round.failures, err)
	}
	round.members.prefer(r.network.Shuffle(swarm))
	if err := round.run(ctx, handle); err != nil || round.answered {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotRetrieved, errors.Join(round.failures...))
}

// retrieveRound is one Retrieve at work.
type retrieveRound struct {
	router     *Router
	generation rpc.Generation
	options    RetrieveOptions
	group      *network.Group
	members    *members
	pages      chan page
	syncClock  func() error // does so once, however often it is called

	mu       sync.Mutex
	answered bool
	failures []error
}

// page is what a node answered, on its way to the one goroutine that handles pages.
type page struct {
	node    network.Node
	stored  []rpc.Stored
	handled chan error
}

// run reads members from three sides at once until each side has read one to its end or none is left. The error is
// handle's or the context's.
func (round *retrieveRound) run(ctx context.Context, handle func(network.Node, []rpc.Stored) error) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var sides sync.WaitGroup
	for range network.SwarmTargets {
		sides.Go(func() { round.side(reading) })
	}
	done := make(chan struct{})
	go func() {
		sides.Wait()
		close(done)
	}()
	var failure error
	for {
		select {
		case page := <-round.pages:
			if failure == nil {
				if failure = handle(page.node, page.stored); failure != nil {
					stop()
				}
			}
			page.handled <- failure
		case <-done:
			if failure == nil {
				failure = ctx.Err()
			}
			return failure
		}
	}
}

// side reads members of the swarm until one was read to its end.
func (round *retrieveRound) side(ctx context.Context) {
	for ctx.Err() == nil {
		node, ok := round.members.next()
		if !ok {
			return
		}
		err := round.read(ctx, node)
		if ctx.Err() != nil {
			return
		}
		round.mu.Lock()
		if err == nil {
			round.answered = true
		} else {
			round.failures = append(round.failures, fmt.Errorf("node %s: %w", node.Ed25519, err))
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
		if last, err = round.router.account.LastHash(ctx, cursorName(round.generation, node)); err != nil {
			return err
		}
	}
	handled := make(chan error)
	passed := make(map[string]bool)
	for taken := 0; taken < maxRead; {
		stored, more, err := round.ask(ctx, node, last)
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
		taken += len(stored)
		if last = stored[len(stored)-1].Hash; passed[last] {
			return nil // the node goes round in circles: there is nothing new behind this
		}
		if !more {
			return nil
		}
		passed[last] = true
	}
	return nil
}

// sendInTime is send, but sets the clock right first if the node refuses the time of the request.
func (round *retrieveRound) sendInTime(ctx context.Context, node network.Node, last string) (network.Answer, error) {
	answer, err := round.send(ctx, node, last)
	if err == nil && (answer.Status == rpc.StatusBadTimestamp || answer.Status == rpc.StatusTooEarly) {
		if err := round.syncClock(); err != nil {
			return network.Answer{}, err
		}
		answer, err = round.send(ctx, node, last)
	}
	return answer, err
}

// ask asks for the messages behind last, and whether there may be more behind those.
func (round *retrieveRound) ask(ctx context.Context, node network.Node, last string) (stored []rpc.Stored, more bool, err error) {
	answer, err := round.sendInTime(ctx, node, last)
	if err != nil {
		return nil, false, err
	}
	switch answer.Status {
	case rpc.StatusOK:
		return round.parse(answer.Body)
	case rpc.StatusWrongSwarm:
		right, err := round.router.network.AdoptSwarm(ctx, round.router.account.ID(), answer.Body)
		if err != nil {
			return nil, false, fmt.Errorf("%w: %w", errNotMember, err)
		}
		round.members.prefer(round.router.network.Shuffle(right))
		return nil, false, errNotMember
	case rpc.StatusBadTimestamp, rpc.StatusTooEarly:
		return nil, false, round.router.refusesClock()
	}
	return nil, false, fmt.Errorf("status %d: %.200q", answer.Status, answer.Body)
}

// parse reads a page. Nodes of 2020 do not tell whether there are more.
func (round *retrieveRound) parse(body string) (stored []rpc.Stored, more bool, err error) {
	if round.generation == rpc.GenerationToday {
		page, err := rpc.ParsePage(body)
		return page.Messages, page.More, err
	}
	stored, err = rpc.ParseMessages(body)
	return stored, true, err
}

// send sends one retrieve request, signed by the account.
func (round *retrieveRound) send(ctx context.Context, node network.Node, last string) (network.Answer, error) {
	owner, now := round.router.account, round.router.network.Now().UnixMilli()
	request := retrieve2020
	if round.generation == rpc.GenerationToday {
		request = retrieveToday
	}
	body, err := request(owner, last, now)
	if err != nil {
		return network.Answer{}, err
	}
	return round.group.Request(ctx, node, body)
}

// retrieve2020 is the request for what came after last. The signature is ours: servers of 2020 ask for none.
func retrieve2020(owner *account.Account, last string, now int64) ([]byte, error) {
	auth := authorize(owner, rpc.RetrieveSignatureText(rpc.NamespaceMessages, now))
	return rpc.NewRequest(rpc.MethodRetrieve, rpc.RetrieveParams{
		PubKey: owner.ID().String(), LastHash: last, Timestamp: strconv.FormatInt(now, 10),
		PubkeyEd25519: auth.PubkeyEd25519, Signature: auth.Signature,
	})
}
