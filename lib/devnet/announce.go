package devnet

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/rpc"
)

const (
	// announceInterval is how often a node that joined registers again. A registry forgets a node after silentAfter.
	announceInterval = time.Minute
	// announceRetry is how soon it tries again when the registry did not take it.
	announceRetry = 5 * time.Second
)

// announcer keeps a node in a registry's list. It is the node's directory, so it sees what the registry tells.
type announcer struct {
	*node.Seed
	keys    node.Keys
	ip      string
	port    uint16
	now     func() time.Time
	log     *slog.Logger
	missing chan struct{}             // holds a token when the list lacks the node
	node    atomic.Pointer[node.Node] // nil until it runs

	follow     bool   // take the network's difficulty
	difficulty uint64 // what the node asks for; used by whoever calls Nodes
}

// join registers the node and looks up what the registry made of it.
func (a *announcer) join(ctx context.Context) (NodeInfo, error) {
	if err := a.register(ctx); err != nil {
		return NodeInfo{}, fmt.Errorf("registering: %w", err)
	}
	list, err := a.Nodes(ctx, "")
	if err != nil {
		return NodeInfo{}, err
	}
	for _, state := range list.States {
		if state.PubkeyEd25519 == a.keys.Name() {
			return info(a.keys, state), nil
		}
	}
	return NodeInfo{}, fmt.Errorf("%w: it does not list the node", node.ErrDirectory)
}

func (a *announcer) register(ctx context.Context) error {
	return a.Seed.Register(ctx, a.keys, a.ip, a.port, a.now())
}

// Nodes implements node.Directory. It also notices a new difficulty, and that the node is not listed.
func (a *announcer) Nodes(ctx context.Context, lastHash string) (*rpc.ServiceNodesResult, error) {
	list, err := a.Seed.Nodes(ctx, lastHash)
	if err != nil {
		return nil, err
	}
	if a.follow && list.Difficulty > 0 && list.Difficulty != a.difficulty {
		a.difficulty = list.Difficulty
		if n := a.node.Load(); n != nil {
			n.SetDifficulty(a.difficulty)
		}
	}
	listed := func(state rpc.NodeState) bool { return state.PubkeyEd25519 == a.keys.Name() }
	if !list.Unchanged && !slices.ContainsFunc(list.States, listed) {
		select {
		case a.missing <- struct{}{}:
		default:
		}
	}
	return list, nil
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
