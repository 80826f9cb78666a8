package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// MaxChange is how many messages one [Box.Delete] or [Box.Expire] may name.
const MaxChange = 100

// Change is the result of deleting or expiring stored messages of the account. Action is [rpc28.MethodDelete] or
// [rpc28.MethodExpire]; Requested and Changed are hashes. Changed has those that some member of the swarm had. OK means
// that at least one member has carried the request out.
type Change struct {
	OK           bool
	Action       string
	Requested    []string
	Changed      []string
	ExpirationMS int64 // of Expire, milliseconds since 1970
	Nodes        []MemberChange
}

// MemberChange is what one member has signed to have done.
type MemberChange struct {
	PubkeyEd25519 string // hex
	OK            bool
	Error         string
	Changed       []string // hashes
}

// Delete removes messages of the account, by their hashes, from its swarm (storage-2.8.md section 6). It succeeds if
// one member has signed that it did so, whether or not the member had the messages. The error wraps [ErrGeneration],
// [ErrNotStored], [ErrRefused], [network.ErrClock] or an error of the network, or is the error of the context.
func (b *Box) Delete(ctx context.Context, hashes []string) (Change, error) {
	owner := b.account.ID().String()
	return b.change(ctx, changing{
		method: rpc28.MethodDelete, hashes: hashes,
		params: func() any {
			return rpc28.DeleteParams{Pubkey: owner, Messages: hashes,
				Auth: Authorize(b.account, signtext.Delete(hashes))}
		},
		done: func(member rpc28.MemberResult) (done []string, signed []byte) {
			if member.Deleted != nil {
				done = member.Deleted.List
			}
			return done, signtext.Deleted(owner, hashes, done)
		},
	})
}

// Expire makes messages of the account expire at some time from now, earlier or later than before. Otherwise it is like
// [Box.Delete].
func (b *Box) Expire(ctx context.Context, hashes []string, after time.Duration) (Change, error) {
	owner, expiry := b.account.ID().String(), int64(0)
	out, err := b.change(ctx, changing{
		method: rpc28.MethodExpire, hashes: hashes,
		params: func() any {
			expiry = b.network.Now().Add(after).UnixMilli()
			times := []int64{expiry}
			return rpc28.ExpireParams{
				Pubkey: owner, Messages: hashes, Expiry: times, Auth: Authorize(b.account,
					signtext.Expire(false, false, times, hashes)),
			}
		},
		done: func(member rpc28.MemberResult) (done []string, signed []byte) {
			if member.Updated != nil {
				done = member.Updated.List
			}
			return done, signtext.Expired(owner, member.Expiry, hashes, done, member.Unchanged)
		},
	})
	out.ExpirationMS = expiry
	return out, err
}

// changing is the request of a Delete or Expire. params uses the network's time. done reads a
// member's result: the hashes that it changed, and the text that it must have signed.
type changing struct {
	method string
	hashes []string
	params func() any
	done   func(rpc28.MemberResult) (done []string, signed []byte)
}

// change asks members of the account's swarm in turn until one has passed the request on to all.
func (b *Box) change(ctx context.Context, q changing) (Change, error) {
	out := Change{Action: q.method, Requested: q.hashes}
	if len(q.hashes) == 0 || len(q.hashes) > MaxChange {
		return out, fmt.Errorf("%d messages at once, where 1 to %d may be named", len(q.hashes), MaxChange)
	}
	switch generation, err := b.network.Generation(ctx); {
	case err != nil:
		return out, err
	case generation != storage.Generation28:
		return out, ErrGeneration
	}
	judge := &changeJudge{box: b, changing: q, out: &out}
	err := b.network.AskSwarm(ctx, network.Question{
		Owner: b.account.ID(), Call: network.Call{Method: q.method, Slow: true}, Judge: judge,
	})
	if errors.Is(err, network.ErrUnanswered) {
		return out, fmt.Errorf("%w: %w: %w", ErrNotStored, errors.Join(judge.failures...), err)
	}
	return out, err
}

// changeJudge judges the answers to a change: one member that has passed it on is enough.
type changeJudge struct {
	changing
	box      *Box
	out      *Change
	failures []error
}

// Request implements [network.Judge].
func (j *changeJudge) Request(network.Node) ([]byte, error) {
	return storage.NewRequest(j.method, j.params())
}

// Judge implements [network.Judge].
func (j *changeJudge) Judge(reply network.Reply) network.Verdict {
	if reply.Err != nil {
		return network.Next
	}
	err := checkChange(reply.Answer)
	if err == nil {
		err = j.box.takeChange(j.out, j.changing, reply.Body)
	}
	if err != nil {
		j.failures = append(j.failures, fmt.Errorf("node %s: %w", reply.Member.Ed25519, err))
		return network.Next
	}
	return network.Done
}

// checkChange returns an error unless the node accepted.
func checkChange(answer network.Answer) error {
	switch answer.Status {
	case storage.StatusOK:
		return nil
	case storage.StatusBadRequest, storage.StatusUnauthorized:
		return fmt.Errorf("%w: status %d: %.200q", ErrRefused, answer.Status, answer.Body)
	}
	return fmt.Errorf("status %d: %.200q", answer.Status, answer.Body)
}

// takeChange records what the members did. It returns an error if none of them has signed anything.
func (b *Box) takeChange(out *Change, q changing, body string) error {
	change, err := rpc28.ParseChange(body)
	if err != nil {
		return err
	}
	out.Nodes = out.Nodes[:0]
	changed := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(change.Swarm)) {
		result := b.readChange(q, name, change.Swarm[name])
		out.Nodes = append(out.Nodes, result)
		out.OK = out.OK || result.OK
		for _, hash := range result.Changed {
			changed[hash] = true
		}
	}
	if !out.OK {
		return errors.New("no member has signed that it did anything")
	}
	out.Changed = append(out.Changed, slices.Sorted(maps.Keys(changed))...)
	return nil
}

// readChange reads one member's result.
func (b *Box) readChange(q changing, name string, member rpc28.MemberResult) MemberChange {
	result := MemberChange{PubkeyEd25519: BoundedText(name)}
	if bool(member.Failed) {
		result.Error = Failure(member)
		return result
	}
	done, text := q.done(member)
	switch {
	case !SignedBy(b.network, b.account.ID(), name, text, member.Signature):
		result.Error = "it has not signed what it did"
	case slices.ContainsFunc(done, func(hash string) bool { return !slices.Contains(q.hashes, hash) }):
		result.Error = "it did something else"
	default:
		result.OK, result.Changed = true, done
	}
	return result
}
