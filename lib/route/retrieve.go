package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// maxRead bounds the messages that are taken from one node at a time, so that an endless list cannot hold up a poll.
// The next poll reads the rest.
const maxRead = 5000

// maxReadBytes bounds their size likewise.
const maxReadBytes = 32 << 20

// RetrieveOptions adjusts [Router.Retrieve].
type RetrieveOptions struct {
	// UseCursors starts at each node where the account's last poll ended. Otherwise everything is read.
	UseCursors bool
}

// Retrieve asks three random members of the account's swarm at once for its messages. It calls handle with their
// answers, page by page, one at a time. Pages are never empty. The same message usually comes from all three. Another
// member replaces one that fails. Once two members were read to the end, Retrieve does not wait for a late third one.
// The error is handle's, wraps [ErrNotRetrieved] if no member was read to the end, is the network's, or the context's.
func (r *Router) Retrieve(ctx context.Context, options RetrieveOptions,
	handle func(network.Node, []storage.Stored) error) error {
	generation, err := r.network.Generation(ctx)
	if err != nil {
		return err
	}
	judge := &retrieveJudge{
		reader: reader{network: r.network, owner: r.account, generation: generation}, log: r.options.Log,
		handle: handle, readings: make(map[network.Key]*reading),
		begin: func(node network.Node) (string, error) {
			if !options.UseCursors {
				return "", nil
			}
			return r.account.LastHash(ctx, cursorName(generation, node))
		},
	}
	err = r.network.AskSwarm(ctx, network.Question{
		Owner: r.account.ID(), Call: network.Call{Method: storage.MethodRetrieve}, Judge: judge,
		Sides: network.SwarmTargets, Enough: min(2, network.SwarmTargets),
	})
	switch {
	case judge.failure != nil:
		return judge.failure
	case errors.Is(err, network.ErrUnanswered), errors.Is(err, ErrClock):
		return fmt.Errorf("%w: %w: %w", ErrNotRetrieved, err, errors.Join(judge.failures...))
	}
	return err
}

// reader makes the requests for an account's messages, and reads the answers.
type reader struct {
	network    *network.Client
	owner      *account.Account
	generation storage.Generation
}

// request returns the signed request for messages after the hash last.
func (r reader) request(last string) ([]byte, error) {
	now := r.network.Now().UnixMilli()
	if r.generation == storage.Generation28 {
		return retrieve28(r.owner, last, now)
	}
	return retrieve20(r.owner, last, now)
}

// parse reads a page. Nodes of 2.0 do not say whether there are more.
func (r reader) parse(answer network.Answer) (stored []storage.Stored, more bool, err error) {
	switch {
	case answer.Status != storage.StatusOK:
		return nil, false, fmt.Errorf("status %d: %.200q", answer.Status, answer.Body)
	case r.generation == storage.Generation28:
		page, err := rpc28.ParsePage(answer.Body)
		return page.Messages, page.More, err
	}
	stored, err = storage.ParseMessages(answer.Body)
	return stored, true, err
}

// reading is the progress in a member's list.
type reading struct {
	last   string
	taken  int
	bytes  int
	passed map[string]bool
}

// The bounds for a member after another one was read to the end. An honest member that has more gives the rest with the
// next poll.
const (
	extraMessages = 500
	extraBytes    = 2 << 20
	extraTime     = 5 * time.Second
)

// extra is what a member has given since then.
type extra struct {
	messages, bytes int
}

// retrieveJudge reads members' lists page by page.
type retrieveJudge struct {
	reader
	log      *slog.Logger
	begin    func(network.Node) (last string, err error)
	handle   func(network.Node, []storage.Stored) error
	readings map[network.Key]*reading
	extra    map[network.Key]*extra // nil until a member was read to the end
	ended    time.Time              // the time of that
	failure  error                  // of handle
	failures []error
}

// Request implements [network.Judge].
func (j *retrieveJudge) Request(node network.Node) ([]byte, error) {
	if j.readings[node.Ed25519] == nil {
		last, err := j.begin(node)
		if err != nil {
			return nil, err
		}
		j.readings[node.Ed25519] = &reading{last: last, passed: make(map[string]bool)}
	}
	return j.request(j.readings[node.Ed25519].last)
}

// Judge implements [network.Judge].
func (j *retrieveJudge) Judge(reply network.Reply) network.Verdict {
	stored, more, err := []storage.Stored(nil), false, reply.Err
	if err == nil {
		stored, more, err = j.parse(reply.Answer)
	}
	if err != nil {
		j.log.Info("node gives no messages", "node", reply.Member.Ed25519, "error", err)
		if reply.Err == nil {
			j.failures = append(j.failures, fmt.Errorf("node %s: %w", reply.Member.Ed25519, err))
		}
		return network.Next
	}
	if len(stored) == 0 {
		j.finish()
		return network.Done
	}
	stored, within := j.afford(reply.Member.Ed25519, stored)
	if len(stored) == 0 {
		return network.Done
	}
	if j.failure = j.handle(reply.Member, stored); j.failure != nil {
		return network.Stop
	}
	at := j.readings[reply.Member.Ed25519]
	at.taken += len(stored)
	at.last = stored[len(stored)-1].Hash
	switch {
	case !more:
		j.finish()
		return network.Done
	// the last case: the node repeats itself
	case !within, at.taken >= maxRead, at.bytes >= maxReadBytes, at.passed[at.last]:
		return network.Done
	}
	at.passed[at.last] = true
	return network.Again
}

// finish records that a member was read to the end.
func (j *retrieveJudge) finish() {
	if j.ended.IsZero() {
		j.ended = time.Now()
		j.extra = make(map[network.Key]*extra)
	}
}

// afford returns the part of a page that a member may give, and whether it may give more. A member with an endless list
// or huge pages must not prolong every poll.
func (j *retrieveJudge) afford(member network.Key, page []storage.Stored) (some []storage.Stored, within bool) {
	at := j.readings[member]
	var more extra
	if !j.ended.IsZero() {
		if j.extra[member] == nil {
			j.extra[member] = &extra{}
		}
		more = *j.extra[member]
		if time.Since(j.ended) > extraTime {
			return nil, false
		}
	}
	for i, stored := range page {
		size := len(stored.Data)
		more.messages, more.bytes = more.messages+1, more.bytes+size
		if !j.ended.IsZero() && (more.messages > extraMessages || more.bytes > extraBytes) || i > 0 &&
			at.bytes+size > maxReadBytes {
			j.log.Warn("member gives more than the others: the rest is left for the next poll", "node", member, "taken",
				at.taken+i)
			return page[:i], false
		}
		at.bytes += size
	}
	if !j.ended.IsZero() {
		*j.extra[member] = more
	}
	return page, true
}

// retrieve20 returns the request for messages after last. The signature is our extension: servers of 2.0 ask for none.
func retrieve20(owner *account.Account, last string, now int64) ([]byte, error) {
	auth := authorize(owner, signtext.Retrieve(rpc28.NamespaceMessages, now))
	return storage.NewRequest(storage.MethodRetrieve, rpc20.RetrieveParams{
		PubKey: owner.ID().String(), LastHash: last, Timestamp: strconv.FormatInt(now, 10),
		PubkeyEd25519: auth.PubkeyEd25519, Signature: auth.Signature,
	})
}
