package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

const (
	// checkAtOnce is how many members are asked at the same time.
	checkAtOnce = 8
	// settleTime is how long Check waits before it asks members that lack messages again: a message that was just
	// stored may still be in flight to them.
	settleTime = time.Second
)

// SwarmCheck is the state of a Session ID's swarm. Agree means that every member answered all requests and, if the ID
// is the account's own, that none lacks a message that another one holds.
type SwarmCheck struct {
	SessionID sessionid.ID
	SwarmID   swarm.SwarmID
	Agree     bool
	Members   []MemberCheck
}

// MemberCheck is the state of one member. Messages is the number of its messages; Missing has the hashes of messages
// that other members hold and this one does not. Both are known only for the account's own ID. Messages is nil for
// other IDs and for a member that did not answer.
type MemberCheck struct {
	Node     network.Node
	Version  string        // of the node's software; empty if the node is not reachable
	Latency  time.Duration // of an HTTPS request, including the connection
	Messages *int
	Missing  []string
	Held     map[string]int64 // its messages by hash, and when they expire (milliseconds); nil if Messages is
	Err      error
}

// Reachable reports whether the node has answered.
func (m MemberCheck) Reachable() bool { return m.Version != "" }

// Checker compares the members of swarms.
type Checker struct {
	network *network.Client
	owner   *account.Account
}

// NewChecker makes a checker. It compares messages only in the swarm of owner, which may be nil.
func NewChecker(owner *account.Account, n *network.Client) *Checker { return &Checker{n, owner} }

// Check asks every registered member of id's swarm for its software version. If id is the owner's, it also reads all
// messages of each member, through onion paths, and reports those that some members lack. It compares at most MaxHeld
// messages of a member; Err then says so. The error is the network's or the context's; failures of members are part of
// the result.
func (c *Checker) Check(ctx context.Context, id sessionid.ID) (SwarmCheck, error) {
	return c.check(ctx, id, settleTime)
}

// Look is Check without a second look at members that lack messages.
func (c *Checker) Look(ctx context.Context, id sessionid.ID) (SwarmCheck, error) {
	return c.check(ctx, id, 0)
}

// check is Check with the time before a second look at members that lack messages; 0 means that there is none.
func (c *Checker) check(ctx context.Context, id sessionid.ID, settle time.Duration) (SwarmCheck, error) {
	known, owner := c.network, c.owner
	out := SwarmCheck{SessionID: id}
	swarmID, nodes, err := known.RegisteredSwarm(ctx, id)
	if err != nil {
		return out, err
	}
	out.SwarmID = swarmID
	generation, err := known.Generation(ctx)
	if err != nil {
		return out, err
	}
	check := &swarmCheck{
		reader: reader{network: known, owner: owner, generation: generation}, own: owner != nil && owner.ID() == id,
		members: make([]memberCheck, len(nodes)), settle: settle,
	}
	for i, node := range nodes {
		check.members[i].node = node
	}
	if err := check.run(ctx); err != nil {
		return out, err
	}
	missing := check.missing(known.Now().UnixMilli())
	out.Agree = true
	for i, member := range check.members {
		one := member.result()
		one.Missing = missing[i]
		out.Agree = out.Agree && one.Err == nil && len(one.Missing) == 0
		out.Members = append(out.Members, one)
	}
	return out, nil
}

// swarmCheck is one Check in progress.
type swarmCheck struct {
	reader
	own     bool
	settle  time.Duration
	members []memberCheck
}

// memberCheck is the answer of one member.
type memberCheck struct {
	node     network.Node
	took     time.Duration
	version  string
	expiries map[string]int64 // expiry by hash (milliseconds); nil without an answer
	err      error
}

// run asks the members. If some of them lack messages, it reads all of them once more.
func (c *swarmCheck) run(ctx context.Context) error {
	c.each(func(member *memberCheck) {
		started := time.Now()
		member.version, member.err = c.network.Version(ctx, member.node)
		member.took = time.Since(started)
	})
	if ctx.Err() != nil || !c.own {
		return ctx.Err()
	}
	c.read(ctx)
	if ctx.Err() != nil || c.settle == 0 ||
		!slices.ContainsFunc(c.missing(c.network.Now().UnixMilli()), func(m []string) bool { return len(m) > 0 }) {
		return ctx.Err()
	}
	select {
	case <-time.After(c.settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	c.read(ctx)
	return ctx.Err()
}

// each asks all members, checkAtOnce at a time.
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

// read reads the messages of every reachable member.
func (c *swarmCheck) read(ctx context.Context) {
	paths := c.network.Group()
	c.each(func(member *memberCheck) {
		if member.version != "" {
			member.expiries, member.err = c.holdings(ctx, paths, member.node)
		}
	})
}

// holdings reads a member's whole list. A failure discards what was read before it. A 421 is a failure, too.
func (c *swarmCheck) holdings(ctx context.Context, paths network.Backend, node network.Node) (map[string]int64, error) {
	judge := &holdingsJudge{reader: c.reader, expiries: make(map[string]int64)}
	err := c.network.AskSwarm(ctx, network.Question{
		Owner: c.owner.ID(), Call: network.Call{Method: storage.MethodRetrieve}, Judge: judge,
		Only: []network.Node{node}, Backend: paths,
	})
	switch {
	case judge.failure != nil:
		return nil, judge.failure
	case err != nil:
		return nil, err
	case judge.more:
		return judge.expiries, fmt.Errorf("holds more than %d messages; the others are not compared", MaxHeld)
	}
	return judge.expiries, nil
}

// MaxHeld bounds the messages of a member that are compared with those of others.
const MaxHeld = 20_000

var errMemberClock = errors.New("its clock is not that of the network")

// holdingsJudge reads one member's list: the hashes, and when the messages expire (milliseconds).
type holdingsJudge struct {
	reader
	expiries map[string]int64
	last     string
	more     bool // the list is longer than MaxHeld
	failure  error
}

// Request implements [network.Judge].
func (j *holdingsJudge) Request(network.Node) ([]byte, error) { return j.request(j.last) }

// Judge implements [network.Judge].
func (j *holdingsJudge) Judge(reply network.Reply) network.Verdict {
	j.failure = reply.Err
	switch {
	case errors.Is(reply.Err, network.ErrNotMember):
		j.failure = fmt.Errorf("says that it is %w", network.ErrNotMember)
	case errors.Is(reply.Err, network.ErrClock):
		j.failure = errMemberClock // AskSwarm has corrected our clock by then
	}
	if reply.Err != nil {
		return network.Next
	}
	stored, _, err := j.parse(reply.Answer)
	if err != nil {
		j.failure = err
		return network.Next
	}
	before := len(j.expiries)
	for _, message := range stored {
		j.expiries[message.Hash] = message.Expiration
		j.last = message.Hash
	}
	switch {
	case len(j.expiries) == before: // at the end, or repeating itself
		return network.Done
	case len(j.expiries) >= MaxHeld:
		j.more = true
		return network.Done
	}
	return network.Again
}

// missing returns for each member the hashes of messages that others hold and it does not. Messages that have expired
// at now (milliseconds) do not count: members need not remove them at the same moment.
func (c *swarmCheck) missing(now int64) [][]string {
	all := make(map[string]bool)
	for _, member := range c.members {
		for hash, expiration := range member.expiries {
			if expiration > now {
				all[hash] = true
			}
		}
	}
	hashes := slices.Sorted(maps.Keys(all))
	missing := make([][]string, len(c.members))
	for i, member := range c.members {
		if member.expiries == nil || member.err != nil { // not read completely
			continue
		}
		for _, hash := range hashes {
			if _, ok := member.expiries[hash]; !ok {
				missing[i] = append(missing[i], hash)
			}
		}
	}
	return missing
}

// result returns the member's result without Missing.
func (m memberCheck) result() MemberCheck {
	out := MemberCheck{Node: m.node, Version: m.version, Err: m.err}
	if out.Reachable() {
		out.Latency = m.took
	}
	if m.expiries != nil {
		count := len(m.expiries)
		out.Messages, out.Held = &count, m.expiries
	}
	return out
}
