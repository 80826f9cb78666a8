package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
)

// storeRounds bounds how often a store starts over: for a new difficulty, for the right time, for the right swarm.
const storeRounds = 5

// maxErrorText bounds in bytes what a receipt repeats of a node's words.
const maxErrorText = 200

// Store stores a message in the recipient's swarm, in the way of the network's generation. The receipt tells what each
// node answered, also on failure. Errors wrap ErrNotStored, ErrRefused, ErrClock, ErrDifficulty, envelope.ErrMalformed or
// the network's, or are the context's or Solved's.
func (r *Router) Store(ctx context.Context, q StoreRequest) (record.Receipt, error) {
	generation, err := r.network.Generation(ctx)
	if err != nil {
		return newReceipt(q), err
	}
	store := r.store2020
	if generation == rpc.GenerationToday {
		store = r.storeToday
	}
	receipt, err := store(ctx, q)
	receipt.ClockOffsetMS = r.network.Offset().Milliseconds()
	return receipt, err
}

func newReceipt(q StoreRequest) record.Receipt {
	return record.Receipt{
		Type: record.TypeReceipt, To: q.To.String(), Route: record.RouteAsync, TTLMillis: q.TTLMillis, Nodes: []record.NodeResult{},
	}
}

// store2020 proves a message if it is not, and stores it at three random nodes of the recipient's swarm at once.
func (r *Router) store2020(ctx context.Context, q StoreRequest) (record.Receipt, error) {
	receipt := newReceipt(q)
	swarm, err := r.network.Swarm(ctx, q.To)
	if err != nil {
		return receipt, err
	}
	s := &storing{router: r, request: q, swarm: swarm}
	for range storeRounds {
		if err := r.prove(ctx, &s.request); err != nil {
			return receipt, err
		}
		round, err := r.storeRound(ctx, s.request, s.swarm, s.kept)
		receipt.TimestampMS, receipt.Difficulty, receipt.MessageHash = s.request.StampMS, s.request.Difficulty, s.request.Hash()
		receipt.Nodes, receipt.Stored = round.results, round.stored()
		if receipt.Stored >= r.options.Quorum {
			receipt.OK = true
			r.learnDifficulty(round)
			return receipt, nil
		}
		if ctx.Err() != nil {
			return receipt, ctx.Err()
		}
		if err := s.mend(ctx, round, err); err != nil {
			return receipt, err
		}
	}
	return receipt, fmt.Errorf("%w in %d rounds", ErrNotStored, storeRounds)
}

// storing is one Store at work: what changes from round to round.
type storing struct {
	router  *Router
	request StoreRequest
	swarm   []network.Node
	kept    []record.NodeResult // the nodes that have the message

	clockSynced, swarmFresh bool
}

// mend changes what a round has shown to be wrong, or returns why another round would be no better. err is the round's. A
// node that took the message proves that there is nothing wrong with it.
func (s *storing) mend(ctx context.Context, round *storeRound, err error) error {
	refused := round.stored() == 0
	switch {
	case refused && len(round.wanted) > 0:
		return s.raiseDifficulty(round.wantedDifficulty())
	case refused && round.badClock:
		return s.setClock(ctx, refusedTime(round.results))
	case refused && round.refusal != "":
		return fmt.Errorf("%w: %s", ErrRefused, round.refusal)
	case err != nil:
		return err
	case s.swarmFresh:
		return fmt.Errorf("%w: %d of %d that were asked", ErrNotStored, round.stored(), len(round.results))
	}
	swarm, err := s.router.network.LookupSwarm(ctx, s.request.To)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	s.swarm, s.swarmFresh, s.kept = swarm, true, round.successes()
	return nil
}

func (s *storing) raiseDifficulty(difficulty int64) error {
	if most := s.router.options.MaxDifficulty; difficulty > most {
		return fmt.Errorf("%w: difficulty %d, at most %d", ErrDifficulty, difficulty, most)
	}
	s.router.network.SetDifficulty(difficulty)
	s.request.Nonce = ""
	return nil
}

// setClock learns the time for the next round. A message that can be sealed anew, and that every member refused for its
// time alone, is left to that.
func (s *storing) setClock(ctx context.Context, onlyClock bool) error {
	if s.clockSynced {
		return s.router.refusesClock()
	}
	if err := s.router.learnClock(ctx); err != nil {
		return err
	}
	if s.request.reseal && onlyClock {
		return errWrongTime
	}
	s.clockSynced, s.request.Nonce, s.request.StampMS = true, "", 0
	return nil
}

// learnDifficulty remembers that the network asks for less than it did, if every node that answered says so. That it
// asks for more is known when it refuses.
func (r *Router) learnDifficulty(round *storeRound) {
	if len(round.told) > 0 {
		if highest := slices.Max(round.told); highest < r.network.Difficulty() {
			r.network.SetDifficulty(highest)
		}
	}
}

// storeRound is one attempt at a swarm: what its nodes answered.
type storeRound struct {
	router  *Router
	group   *network.Group
	request StoreRequest
	body    []byte
	members *members

	mu       sync.Mutex
	results  []record.NodeResult
	told     []int64 // difficulties of the nodes that took the message
	wanted   []int64 // difficulties of the nodes that want a better proof
	badClock bool
	refusal  string
}

// storeRound sends a request from three sides at once, less what is kept from the round before. Each side goes on to
// the next member when one does not take the message for reasons of its own; a 421 brings the right members. It waits
// for all sides. An error means that no onion path works any more.
func (r *Router) storeRound(ctx context.Context, q StoreRequest, swarm []network.Node, kept []record.NodeResult) (*storeRound, error) {
	round := &storeRound{router: r, group: r.network.Group(), request: q, results: append([]record.NodeResult{}, kept...)}
	var err error
	if round.body, err = q.body(); err != nil {
		return round, err
	}
	var have []network.Key
	for _, node := range swarm {
		if slices.ContainsFunc(kept, func(result record.NodeResult) bool { return result.PubkeyEd25519 == node.Ed25519.String() }) {
			have = append(have, node.Ed25519)
		}
	}
	round.members = newMembers(r.network.Shuffle(swarm), have...)
	errs := make([]error, max(network.SwarmTargets-len(kept), 0))
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() { errs[i] = round.side(ctx) })
	}
	wait.Wait()
	return round, errors.Join(errs...)
}

// side tries members until one gives an answer that another member would give too.
func (round *storeRound) side(ctx context.Context) error {
	for {
		node, ok := round.members.next()
		if !ok {
			return nil
		}
		started := time.Now()
		answer, err := round.group.Request(ctx, node, round.body)
		result := record.NodeResult{
			PubkeyEd25519: node.Ed25519.String(), Status: answer.Status, Millis: time.Since(started).Milliseconds(),
		}
		done := false
		switch {
		case err != nil:
			result.Error = err.Error()
		case answer.Status == rpc.StatusWrongSwarm:
			result.Error = round.adopt(ctx, answer.Body)
		default:
			done = round.judge(answer, &result)
		}
		round.mu.Lock()
		round.results = append(round.results, result)
		round.mu.Unlock()
		if err != nil && !errors.Is(err, network.ErrTarget) {
			return err
		}
		if done {
			return nil
		}
	}
}

// adopt goes on with the swarm that a 421 tells, and says so.
func (round *storeRound) adopt(ctx context.Context, body string) string {
	right, err := round.router.network.AdoptSwarm(ctx, round.request.To, body)
	if err != nil {
		return errNotMember.Error() + ": " + err.Error()
	}
	round.members.prefer(round.router.network.Shuffle(right))
	return errNotMember.Error()
}

// judge completes result with what an answer means, and reports whether asking another member is pointless.
func (round *storeRound) judge(answer network.Answer, result *record.NodeResult) bool {
	text := answer.Body[:min(len(answer.Body), maxErrorText)]
	round.mu.Lock()
	defer round.mu.Unlock()
	result.OK = answer.Status == rpc.StatusOK
	if !result.OK {
		result.Error = strings.ToValidUTF8(strings.TrimSpace(text), "")
	}
	var said rpc.DifficultyAnswer
	switch answer.Status {
	case rpc.StatusOK:
		if json.Unmarshal([]byte(answer.Body), &said) == nil && said.Difficulty > 0 {
			round.told = append(round.told, said.Difficulty)
		}
		return true
	case rpc.StatusBadProofOfWork:
		if json.Unmarshal([]byte(answer.Body), &said) != nil || said.Difficulty < 1 || round.request.proves(said.Difficulty) {
			return false // it refuses a proof that meets what it asks for
		}
		round.wanted = append(round.wanted, said.Difficulty)
		return said.Difficulty <= round.router.options.MaxDifficulty
	case rpc.StatusBadTimestamp:
		round.badClock = true
		return true
	case rpc.StatusBadTTL, rpc.StatusBadRequest, rpc.StatusUnauthorized:
		// This would be final, so the others are heard too.
		round.refusal = fmt.Sprintf("status %d: %s", answer.Status, result.Error)
	}
	return false // busy, not ready, or a status that is that node's own trouble
}

// wantedDifficulty is the lower middle of what nodes want: one that lies does not decide.
func (round *storeRound) wantedDifficulty() int64 {
	slices.Sort(round.wanted)
	return round.wanted[(len(round.wanted)-1)/2]
}

// successes returns what nodes have the message.
func (round *storeRound) successes() (kept []record.NodeResult) {
	for _, result := range round.results {
		if result.OK {
			kept = append(kept, result)
		}
	}
	return kept
}

// refusedTime reports whether every member that was asked has refused the time, so that none can have the message.
func refusedTime(results []record.NodeResult) bool {
	return !slices.ContainsFunc(results, func(result record.NodeResult) bool {
		return result.Status != rpc.StatusBadTimestamp && result.Status != rpc.StatusTooEarly
	})
}

func (round *storeRound) stored() int { return len(round.successes()) }
