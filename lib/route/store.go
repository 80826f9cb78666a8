package route

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sessiontool/lib/network"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
)

// storeRounds bounds how often a store starts over: for a new difficulty, for the right time, for the right swarm.
const storeRounds = 4

// Store proves a message if it is not, and stores it at three random nodes of the recipient's swarm at once. The
// receipt tells what each node answered, also on failure. Errors wrap ErrNotStored, ErrRefused, ErrClock,
// ErrDifficulty or the network's.
func (r *Router) Store(ctx context.Context, q StoreRequest) (record.Receipt, error) {
	receipt := record.Receipt{Type: record.TypeReceipt, To: q.To.String(), Route: Asynchronous, TTLMillis: q.TTLMillis, Nodes: []record.NodeResult{}}
	clockSynced, swarmFresh := false, false
	var kept []record.NodeResult
	for range storeRounds {
		if err := r.prove(ctx, &q); err != nil {
			return receipt, err
		}
		receipt.TimestampMS, receipt.Difficulty, receipt.MessageHash = q.StampMS, q.Difficulty, q.Hash()
		members, err := r.network.Swarm(ctx, q.To)
		if err != nil {
			return receipt, err
		}
		round, err := r.storeRound(ctx, q, members, kept)
		if err != nil {
			return receipt, err
		}
		receipt.Nodes, receipt.Stored = round.results, round.stored
		switch {
		case round.stored >= r.options.Quorum:
			receipt.OK = true
			return receipt, nil
		case round.difficulty > 0:
			r.network.SetDifficulty(round.difficulty)
			q.Nonce, kept = "", nil
		case round.badClock:
			if clockSynced {
				return receipt, ErrClock
			}
			if _, err := r.network.SyncClock(ctx); err != nil {
				return receipt, fmt.Errorf("%w: %w", ErrClock, err)
			}
			clockSynced, q.Nonce, q.StampMS, kept = true, "", 0, nil
		case round.refusal != "":
			return receipt, fmt.Errorf("%w: %s", ErrRefused, round.refusal)
		case swarmFresh:
			return receipt, fmt.Errorf("%w: %d of %d nodes have it", ErrNotStored, round.stored, len(round.results))
		default:
			swarmFresh, kept = true, round.successes()
			if _, err := r.network.LookupSwarm(ctx, q.To); err != nil {
				return receipt, fmt.Errorf("%w: %w", ErrNotStored, err)
			}
		}
	}
	return receipt, fmt.Errorf("%w in %d rounds", ErrNotStored, storeRounds)
}

// prove stamps and solves a request that is not solved, and lets its owner save that before anything leaves.
func (r *Router) prove(ctx context.Context, q *StoreRequest) error {
	if q.Nonce != "" {
		return nil
	}
	if q.StampMS == 0 {
		q.StampMS = r.network.Now().UnixMilli()
	}
	if err := r.Solve(ctx, q, r.network.Difficulty()); err != nil {
		return err
	}
	if q.Solved == nil {
		return nil
	}
	return q.Solved(*q)
}

// Hash is the name that nodes give the message: 128 hex digits, or empty while it is not proved.
func (q StoreRequest) Hash() string {
	nonce, err := pow.DecodeNonce(q.Nonce)
	if err != nil {
		return ""
	}
	hash := pow.Hash(nonce, q.Message().Inner())
	return hex.EncodeToString(hash[:])
}

// storeRound is one attempt at a swarm: what its nodes answered, and what has to change before another attempt.
type storeRound struct {
	mu         sync.Mutex
	queue      []network.Node
	tried      map[network.Key]bool
	results    []record.NodeResult
	stored     int
	difficulty int64 // the lowest above the present one that a node asked for
	badClock   bool
	refusal    string
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

// storeRound sends a request from three sides at once. Each side goes on to the next member when one does not answer;
// a 421 brings the right members. Nodes in kept have the message already. It waits for all sides. An error means that
// no onion path works at all.
func (r *Router) storeRound(ctx context.Context, q StoreRequest, members []network.Node, kept []record.NodeResult) (*storeRound, error) {
	body, err := rpc.NewRequest(rpc.MethodStore, rpc.StoreParams{
		PubKey: q.To.String(), TTL: strconv.FormatInt(q.TTLMillis, 10), Nonce: q.Nonce,
		Timestamp: strconv.FormatInt(q.StampMS, 10), Data: q.Data,
	})
	if err != nil {
		return nil, err
	}
	round := &storeRound{
		queue: r.network.Shuffle(members), tried: make(map[network.Key]bool),
		results: append([]record.NodeResult{}, kept...), stored: len(kept),
	}
	for _, member := range members {
		round.tried[member.Ed25519] = slices.ContainsFunc(kept, func(result record.NodeResult) bool {
			return result.PubkeyEd25519 == member.Ed25519.String()
		})
	}
	group := r.network.Group()
	errs := make([]error, max(network.SwarmTargets-len(kept), 0))
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() { errs[i] = r.storeSide(ctx, round, group, q, body) })
	}
	wait.Wait()
	if round.stored == 0 {
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
	}
	return round, nil
}

// storeSide tries members until one gives an answer that another member would give too.
func (r *Router) storeSide(ctx context.Context, round *storeRound, group *network.Group, q StoreRequest, body []byte) error {
	for {
		node, ok := round.next()
		if !ok {
			return nil
		}
		started := time.Now()
		answer, err := group.Request(ctx, node, body)
		result := record.NodeResult{PubkeyEd25519: node.Ed25519.String(), Millis: time.Since(started).Milliseconds()}
		if err != nil {
			result.Error = err.Error()
			round.add(result)
			if ctx.Err() != nil || !errors.Is(err, network.ErrTarget) {
				return err
			}
			continue
		}
		result.Status, result.OK = answer.Status, answer.Status == rpc.StatusOK
		if !result.OK {
			result.Error = strings.TrimSpace(answer.Body[:min(len(answer.Body), 200)])
		}
		if answer.Status == rpc.StatusWrongSwarm {
			result.Error = "not a member of the swarm"
			round.add(result)
			right, err := r.network.AdoptSwarm(ctx, q.To, answer.Body)
			if err == nil {
				round.enqueue(right)
			}
			continue
		}
		round.add(result)
		if round.judge(answer, q.Difficulty) {
			return nil
		}
	}
}

// judge takes what an answer means for the round and reports whether asking another member is pointless.
func (round *storeRound) judge(answer network.Answer, difficulty int64) bool {
	text := strings.TrimSpace(answer.Body[:min(len(answer.Body), 200)])
	round.mu.Lock()
	defer round.mu.Unlock()
	switch answer.Status {
	case rpc.StatusOK:
		round.stored++
	case rpc.StatusBadProofOfWork:
		var told rpc.DifficultyAnswer
		if json.Unmarshal([]byte(answer.Body), &told) != nil || told.Difficulty <= difficulty {
			return false // it refuses a proof that meets what it asks for
		}
		if round.difficulty == 0 || told.Difficulty < round.difficulty {
			round.difficulty = told.Difficulty
		}
	case rpc.StatusBadTimestamp:
		round.badClock = true
	case rpc.StatusBadTTL, rpc.StatusBadRequest, rpc.StatusUnauthorized:
		round.refusal = fmt.Sprintf("status %d: %s", answer.Status, text)
	default:
		return false // busy, not ready, or a status that is that node's own trouble
	}
	return true
}

func (round *storeRound) next() (network.Node, bool) {
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

func (round *storeRound) enqueue(nodes []network.Node) {
	round.mu.Lock()
	defer round.mu.Unlock()
	round.queue = append(round.queue, nodes...)
}

func (round *storeRound) add(result record.NodeResult) {
	round.mu.Lock()
	defer round.mu.Unlock()
	round.results = append(round.results, result)
}
