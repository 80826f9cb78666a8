package devnet

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage/nodelist"
)

const (
	// announceInterval is the time between two registrations of a node. A registry drops a node after silentAfter.
	announceInterval = time.Minute
	// announceRetry is the pause after a failed registration.
	announceRetry = 5 * time.Second
)

// announcer keeps a node in a registry's list. It is the node's [ring.Directory], so it sees the registry's answers.
type announcer struct {
	*ring.Seed
	keys    ring.Keys
	ip      string
	port    uint16
	now     func() time.Time
	log     *slog.Logger
	joined  chan joining              // gets the result of the first call of Nodes
	missing chan struct{}             // holds a token when the list lacks the node
	node    atomic.Pointer[node.Node] // nil until it has joined
	follow  bool                      // take the network's difficulty

	// Used by Nodes, whose calls do not overlap.
	asked      bool   // Nodes was called before
	difficulty uint64 // the latest that was set in the node; 0 if none
}

// joining is the result of a node's first registration.
type joining struct {
	info       NodeInfo
	difficulty uint64 // the network's, 0 if the registry sends none
	err        error
}

// join registers the node and reads its entry in the registry's list.
func (a *announcer) join(ctx context.Context) (*nodelist.Result, joining) {
	if err := a.register(ctx); err != nil {
		return nil, joining{err: fmt.Errorf("registering: %w", err)}
	}
	list, err := a.Seed.Nodes(ctx, "")
	if err != nil {
		return nil, joining{err: err}
	}
	i := slices.IndexFunc(list.States, a.isOwn)
	if i < 0 {
		return nil, joining{err: fmt.Errorf("%w: it does not list the node", ring.ErrDirectory)}
	}
	return list, joining{info: info(a.keys, list.States[i]), difficulty: list.Difficulty}
}

func (a *announcer) register(ctx context.Context) error {
	return a.Seed.Register(ctx, a.keys, a.ip, a.port, a.now())
}

func (a *announcer) isOwn(state nodelist.State) bool { return state.PubkeyEd25519 == a.keys.Name() }

// Nodes implements [ring.Directory]. The first call registers the node. The node makes that call after it has locked
// its folder, so that a second node in the same folder, which cannot start, does not replace the first one in the list.
// Later calls notice a new difficulty, and a list without the node.
func (a *announcer) Nodes(ctx context.Context, lastHash string) (*nodelist.Result, error) {
	if !a.asked {
		a.asked = true
		list, joined := a.join(ctx)
		a.joined <- joined
		return list, joined.err
	}
	list, err := a.Seed.Nodes(ctx, lastHash)
	if err != nil {
		return nil, err
	}
	a.setDifficulty(list.Difficulty)
	if !list.Unchanged && !slices.ContainsFunc(list.States, a.isOwn) {
		select {
		case a.missing <- struct{}{}:
		default:
		}
	}
	return list, nil
}

// setDifficulty makes the node require the network's difficulty. A failure is repeated with the next list.
func (a *announcer) setDifficulty(difficulty uint64) {
	n := a.node.Load()
	if !a.follow || n == nil || difficulty == 0 || difficulty == a.difficulty {
		return
	}
	if err := n.SetDifficulty(difficulty); err != nil {
		a.log.Error("following the network's difficulty", "error", err)
		return
	}
	a.difficulty = difficulty
}

// loop registers every announceInterval until ctx ends. A series of failures is logged once.
func (a *announcer) loop(ctx context.Context) {
	timer := time.NewTimer(announceInterval)
	defer timer.Stop()
	silent := false
	for {
		select {
		case <-timer.C:
		case <-a.missing:
			a.log.Info("the registry does not list this node: registering again")
		case <-ctx.Done():
			return
		}
		err := a.register(ctx)
		if err != nil && !silent && ctx.Err() == nil {
			a.log.Warn("registering again", "error", err)
		}
		if silent = err != nil; silent {
			timer.Reset(announceRetry)
		} else {
			timer.Reset(announceInterval)
		}
	}
}
