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
	// announceInterval is how often a node that joined registers again. A registry forgets a node after silentAfter.
	announceInterval = time.Minute
	// announceRetry is how soon it tries again when the registry did not take it.
	announceRetry = 5 * time.Second
)

// announcer keeps a node in a registry's list. It is the node's directory, so it sees what the registry tells.
type announcer struct {
	*ring.Seed
	keys    ring.Keys
	ip      string
	port    uint16
	now     func() time.Time
	log     *slog.Logger
	joined  chan joining              // gets what became of the first call of Nodes
	missing chan struct{}             // holds a token when the list lacks the node
	node    atomic.Pointer[node.Node] // nil until it has joined
	follow  bool                      // take the network's difficulty

	// Used by whoever calls Nodes.
	asked      bool   // Nodes was called before
	difficulty uint64 // what the node was told to ask for last; 0 if nothing yet
}

// joining is what became of a node's first registration.
type joining struct {
	info       NodeInfo
	difficulty uint64 // the network's, 0 if the registry tells none
	err        error
}

// join registers the node and looks up what the registry made of it.
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

// Nodes implements node.Directory. The first call registers the node: the node makes it when its folder is its own, so
// that a second one in the same folder, which cannot start, does not take the place of the first one in the list. Later
// calls notice a new difficulty, and that the node is not listed.
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

// setDifficulty makes the node ask for the network's difficulty. If that fails the next list is another chance.
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

// loop registers again and again until ctx ends. That the registry is silent is logged once.
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
