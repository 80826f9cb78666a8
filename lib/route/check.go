package route

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
)

const (
	// checkAtOnce is how many members are asked at the same time.
	checkAtOnce = 8
	// settleTime is what members that lack messages get before they are asked again: what was stored just now may
	// still be on its way to them.
	settleTime = time.Second
)

// Check asks every registered member of id's swarm whether it is there and which software it runs and, if id is the
// account's own, what it holds: all of it, through onion paths. It tells which messages some members lack. Of a member
// that holds more than maxRead messages only so many are compared, which its Error says. The error is the network's or
// the context's; that members fail is part of the result.
func (r *Router) Check(ctx context.Context, id sessionid.ID) (record.SwarmCheck, error) {
	out := record.SwarmCheck{Type: record.TypeSwarmCheck, SessionID: id.String(), Members: []record.MemberCheck{}}
	swarmID, nodes, err := r.network.RegisteredSwarm(ctx, id)
	if err != nil {
		return out, err
	}
	out.SwarmID = swarmID.String()
	generation, err := r.network.Generation(ctx)
	if err != nil {
		return out, err
	}
	check := &swarmCheck{router: r, generation: generation, own: r.account != nil && r.account.ID() == id, members: make([]memberCheck, len(nodes))}
	for i, node := range nodes {
		check.members[i].node = node
	}
	if err := check.run(ctx); err != nil {
		return out, err
	}
	missing := check.missing(r.network.Now().UnixMilli())
	out.Agree = true
	for i, member := range check.members {
		one := member.record()
		one.Missing = append(one.Missing, missing[i]...)
		out.Agree = out.Agree && one.Error == "" && len(one.Missing) == 0
		out.Members = append(out.Members, one)
	}
	return out, nil
}

// swarmCheck is one Check at work.
type swarmCheck struct {
	router     *Router
	generation rpc.Generation
	own        bool
	members    []memberCheck
}

// memberCheck is what one member has answered.
type memberCheck struct {
	node    network.Node
	took    time.Duration
	version string
	held    map[string]int64 // hashes of messages and when they expire (milliseconds); nil if it did not tell
	err     error
}

// run asks the members. If some of them lack messages they all are asked for messages once more.
func (c *swarmCheck) run(ctx context.Context) error {
	c.each(func(member *memberCheck) {
		started := time.Now()
		member.version, member.err = c.router.network.Version(ctx, member.node)
		member.took = time.Since(started)
	})
	if ctx.Err() != nil || !c.own {
		return ctx.Err()
	}
	c.read(ctx)
	if ctx.Err() != nil || !slices.ContainsFunc(c.missing(c.router.network.Now().UnixMilli()), func(m []string) bool { return len(m) > 0 }) {
		return ctx.Err()
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	c.read(ctx)
	return ctx.Err()
}

// each asks all members, some at the same time.
func (c *swarmCheck) each(ask func(member *memberCheck)) {
	places := make(chan struct{}, checkAtOnce)
	var wait sync.WaitGroup
	for i := range c.members {
		wait.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ask(&c.members[i])
		})
	}
	wait.Wait()
}

// read asks every member that is there for all it holds.
func (c *swarmCheck) read(ctx context.Context) {
	round := &retrieveRound{router: c.router, generation: c.generation, group: c.router.network.Group()}
	round.syncClock = sync.OnceValue(func() error { return c.router.learnClock(ctx) })
	c.each(func(member *memberCheck) {
		if member.version != "" {
			member.held, member.err = round.holdings(ctx, member.node)
		}
	})
}

// holdings reads a member's whole list. What was read before a failure counts for nothing.
func (round *retrieveRound) holdings(ctx context.Context, node network.Node) (map[string]int64, error) {
	held := make(map[string]int64)
	for last := ""; len(held) < maxRead; {
		stored, err := round.askMember(ctx, node, last)
		if err != nil {
			return nil, err
		}
		before := len(held)
		for _, message := range stored {
			held[message.Hash] = message.Expiration
			last = message.Hash
		}
		if len(held) == before {
			return held, nil // at the end, or going round in circles
		}
	}
	return held, fmt.Errorf("holds more than %d messages; the others are not compared", maxRead)
}

var errMemberClock = errors.New("its clock is not that of the network")

// askMember is ask, but does not believe the member if it says that others are the swarm.
func (round *retrieveRound) askMember(ctx context.Context, node network.Node, last string) ([]rpc.Stored, error) {
	answer, err := round.sendInTime(ctx, node, last)
	switch {
	case err != nil:
		return nil, err
	case answer.Status == rpc.StatusOK:
		stored, _, err := round.parse(answer.Body)
		return stored, err
	case answer.Status == rpc.StatusWrongSwarm:
		return nil, fmt.Errorf("says that it is %w", errNotMember)
	case answer.Status == rpc.StatusBadTimestamp, answer.Status == rpc.StatusTooEarly:
		return nil, errMemberClock // by now ours is right
	}
	return nil, fmt.Errorf("status %d: %.200q", answer.Status, answer.Body)
}

// missing returns for each member the hashes of messages that others hold and it does not. Messages that have expired at
// now (milliseconds) do not count: members need not remove them at the same moment.
func (c *swarmCheck) missing(now int64) [][]string {
	all := make(map[string]bool)
	for _, member := range c.members {
		for hash, expiration := range member.held {
			if expiration > now {
				all[hash] = true
			}
		}
	}
	hashes := slices.Sorted(maps.Keys(all))
	missing := make([][]string, len(c.members))
	for i, member := range c.members {
		if member.held == nil || member.err != nil { // not, or not wholly read
			continue
		}
		for _, hash := range hashes {
			if _, ok := member.held[hash]; !ok {
				missing[i] = append(missing[i], hash)
			}
		}
	}
	return missing
}

// record describes the member, but for what it lacks.
func (m memberCheck) record() record.MemberCheck {
	out := record.MemberCheck{
		PubkeyEd25519: m.node.Ed25519.String(), Address: m.node.Address, Reachable: m.version != "", Version: m.version,
		Missing: []string{},
	}
	if out.Reachable {
		out.LatencyMS = float64(m.took.Microseconds()) / 1000
	}
	if m.held != nil {
		count := len(m.held)
		out.Messages = &count
	}
	if m.err != nil {
		out.Error = m.err.Error()
	}
	return out
}
