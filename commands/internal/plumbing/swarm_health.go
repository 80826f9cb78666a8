package plumbing

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/picture"
	"sessiontool/lib/devnet"
	"sessiontool/lib/network"
)

const (
	// checksAtOnce bounds the nodes that are asked at the same time.
	checksAtOnce = 32
	// checkTime bounds the time of one question.
	checkTime = 5 * time.Second
)

// checkNodes asks all nodes for their version, and notes in drawn which ones answer. If they belong to a devnet of this
// user, it also notes their faults and messages.
func checkNodes(
	ctx context.Context, app *cli.App, client *network.Client, nodes []network.Node, drawn []picture.RingNode,
) error {
	places := make(chan struct{}, checksAtOnce)
	var asking sync.WaitGroup
	for i, node := range nodes {
		asking.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, checkTime)
			defer cancel()
			began := time.Now()
			version, err := client.Version(ctx, node)
			if err != nil {
				drawn[i].Health, drawn[i].Note = picture.HealthSilent, "does not answer"
				return
			}
			drawn[i].Health = picture.HealthAnswers
			drawn[i].Note = fmt.Sprintf("version %s, %d ms", version, time.Since(began).Milliseconds())
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	states, err := devnetStates(ctx, app)
	if err != nil {
		return err
	}
	most := 1
	for _, state := range states {
		most = max(most, state.Messages)
	}
	for i, node := range nodes {
		if state, ok := states[node.Ed25519.String()]; ok {
			addState(&drawn[i], state, most)
		}
	}
	return nil
}

// devnetStates returns the states of the network's nodes by their keys, if it is a running devnet of this user.
func devnetStates(ctx context.Context, app *cli.App) (map[string]devnet.NodeState, error) {
	found, err := app.ResolveNetwork()
	if err != nil || found.File == "" {
		return nil, err
	}
	remote, err := devnet.Connect(filepath.Dir(found.File))
	if err != nil {
		return nil, nil // a network of others, or one that takes no orders
	}
	list, err := remote.States(ctx)
	if errors.Is(err, devnet.ErrControl) {
		return nil, nil // the devnet that left the note is gone
	}
	states := make(map[string]devnet.NodeState, len(list))
	for _, state := range list {
		states[state.PubkeyEd25519] = state
	}
	return states, err
}

// addState adds what a devnet knows of a node. most is the number of messages of the fullest one.
func addState(drawn *picture.RingNode, state devnet.NodeState, most int) {
	drawn.Fill = float64(state.Messages) / float64(most)
	drawn.Note += fmt.Sprintf(", %d messages", state.Messages)
	if len(state.Faults) == 0 {
		return
	}
	kinds := make([]string, len(state.Faults))
	for i, kind := range state.Faults {
		kinds[i] = string(kind)
	}
	drawn.Note += ", " + strings.Join(kinds, ", ")
	if drawn.Health == picture.HealthAnswers {
		drawn.Health = picture.HealthTrouble
	}
}
