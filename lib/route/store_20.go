package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// store20 makes the proof of work if it is missing, and stores a message at three random nodes of the recipient's swarm
// at once. If more of them want a higher proof than took the message, it makes that and stores the message at the others,
// too: they would not take it from a node that has missed a change of difficulty.
func (s *Storer) store20(ctx context.Context, q StoreRequest) (account.Receipt, error) {
	receipt := newReceipt(q)
	judge := &storeJudge20{storer: s, request: q, receipt: &receipt}
	for range storeRounds {
		if err := judge.prove(ctx); err != nil {
			return receipt, unlessOK(receipt, err)
		}
		judge.round = storeAnswers{}
		kept := judge.kept()
		err := s.network.AskSwarm(ctx, network.Question{
			Owner: q.To, Call: network.Call{Method: storage.MethodStore}, Judge: judge, Except: kept,
			Sides: network.SwarmTargets - len(kept), Enough: s.options.Quorum - len(kept),
			Least: s.options.Quorum - len(kept),
		})
		receipt.Stored = len(judge.kept())
		switch {
		case receipt.Stored >= s.options.Quorum:
			receipt.OK = true
			s.learnDifficulty(slices.Concat(judge.round.difficulties, judge.round.wanted))
			if len(judge.round.wanted) <= receipt.Stored || judge.raiseDifficulty() != nil {
				return receipt, nil
			}
		case ctx.Err() != nil:
			return receipt, ctx.Err()
		case receipt.Stored == 0 && len(judge.round.wanted) > 0:
			if err := judge.raiseDifficulty(); err != nil {
				return receipt, err
			}
		default:
			return receipt, notStored(receipt, judge.round.refusal, err)
		}
	}
	return receipt, unlessOK(receipt, fmt.Errorf("%w in %d rounds", ErrNotStored, storeRounds))
}

// unlessOK returns err, unless enough members have the message.
func unlessOK(receipt account.Receipt, err error) error {
	if receipt.OK {
		return nil
	}
	return err
}

// notStored returns the error of a store that too few members took. refusal is the objection of one of them, and err
// the error of AskSwarm. If another member took the message, the refusal does not count.
func notStored(receipt account.Receipt, refusal string, err error) error {
	switch {
	case receipt.Stored == 0 && (errors.Is(err, ErrClock) || errors.Is(err, errWrongTime)):
		return err
	case receipt.Stored == 0 && refusal != "":
		return fmt.Errorf("%w: %s", ErrRefused, refusal)
	case err != nil && !errors.Is(err, network.ErrUnanswered):
		return err
	}
	return fmt.Errorf("%w: %d of %d that were asked: %w", ErrNotStored, receipt.Stored, len(receipt.Nodes), err)
}

// storeJudge20 is one Storer.store20 in progress: the judge of its answers.
type storeJudge20 struct {
	storer  *Storer
	request StoreRequest
	receipt *account.Receipt
	round   storeAnswers
}

// storeAnswers is the evidence from one round of answers.
type storeAnswers struct {
	difficulties []int64 // difficulties of the nodes that took the message
	wanted       []int64 // difficulties that nodes want
	refusal      string
}

// prove makes the proof of work if it is missing.
func (j *storeJudge20) prove(ctx context.Context) error {
	err := j.storer.prove(ctx, &j.request)
	j.receipt.TimestampMS, j.receipt.Difficulty, j.receipt.MessageHash = j.request.StampMS, j.request.Difficulty,
		j.request.Hash()
	return err
}

// Restamp implements [network.Restamper]: a new time needs a new proof. If the message can be sealed again and every
// member refused only its time, Restamp leaves that to the caller.
func (j *storeJudge20) Restamp(ctx context.Context) error {
	if j.request.reseal && refusedTime(j.receipt.Nodes) {
		return errWrongTime
	}
	j.request.Nonce, j.request.StampMS = "", 0
	return j.prove(ctx)
}

// Request implements [network.Judge].
func (j *storeJudge20) Request(network.Node) ([]byte, error) { return j.request.body() }

// Judge implements [network.Judge].
func (j *storeJudge20) Judge(reply network.Reply) network.Verdict {
	result := resultOf(reply)
	verdict := network.Next
	if reply.Err == nil {
		verdict = j.judge(reply.Answer, &result)
	}
	putResult(j.receipt, result)
	return verdict
}

// resultOf returns the receipt entry of a member that has not taken a message.
func resultOf(reply network.Reply) account.NodeResult {
	result := account.NodeResult{
		PubkeyEd25519: reply.Member.Ed25519.String(), Status: reply.Status, Millis: reply.Took.Milliseconds(),
	}
	switch {
	case errors.Is(reply.Err, network.ErrPending):
		result.Pending, result.Error = true, reply.Err.Error()
	case errors.Is(reply.Err, network.ErrNotMember), errors.Is(reply.Err, network.ErrTarget):
		result.Error = reply.Err.Error()
	case errors.Is(reply.Err, network.ErrClock), reply.Err == nil:
		result.Error = strings.TrimSpace(mailbox.BoundedText(reply.Body))
	default:
		result.Error = reply.Err.Error()
	}
	return result
}

// putResult records the result of a member, unless the member is known to have the message.
func putResult(receipt *account.Receipt, result account.NodeResult) {
	i := slices.IndexFunc(receipt.Nodes,
		func(r account.NodeResult) bool { return r.PubkeyEd25519 == result.PubkeyEd25519 })
	switch {
	case i < 0:
		receipt.Nodes = append(receipt.Nodes, result)
	case !receipt.Nodes[i].OK:
		receipt.Nodes[i] = result
	}
}

// judge completes result from an answer.
func (j *storeJudge20) judge(answer network.Answer, result *account.NodeResult) network.Verdict {
	var said rpc20.DifficultyAnswer
	switch answer.Status {
	case storage.StatusOK:
		result.OK, result.Error = true, ""
		if json.Unmarshal([]byte(answer.Body), &said) == nil && said.Difficulty > 0 {
			j.round.difficulties = append(j.round.difficulties, said.Difficulty)
		}
		return network.Done
	case storage.StatusBadProofOfWork:
		if json.Unmarshal([]byte(answer.Body), &said) != nil || said.Difficulty < 1 ||
			j.request.proves(said.Difficulty) {
			return network.Next // it refuses a proof that meets its own difficulty
		}
		j.round.wanted = append(j.round.wanted, said.Difficulty)
		if j.storer.afford(j.request, said.Difficulty) == nil {
			return network.Settled
		}
	case storage.StatusBadTTL, storage.StatusBadRequest, storage.StatusUnauthorized:
		// A refusal would be final, so hear the other members, too.
		j.round.refusal = fmt.Sprintf("status %d: %s", answer.Status, result.Error)
	}
	return network.Next // busy, not ready, or another failure of that node
}

// raiseDifficulty asks for a new proof, at the lower median of the difficulties that nodes want: a single lying node
// does not decide.
func (j *storeJudge20) raiseDifficulty() error {
	slices.Sort(j.round.wanted)
	difficulty := j.round.wanted[(len(j.round.wanted)-1)/2]
	if err := j.storer.afford(j.request, difficulty); err != nil {
		return err
	}
	j.storer.network.SetDifficulty(difficulty)
	j.request.Nonce = ""
	return nil
}

// kept returns the members that have the message.
func (j *storeJudge20) kept() (keys []network.Key) {
	for _, result := range j.receipt.Nodes {
		var key network.Key
		if result.OK && key.UnmarshalText([]byte(result.PubkeyEd25519)) == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// learnDifficulty lowers the known difficulty if every node that answered names a lower one. A refusal raises it.
func (s *Storer) learnDifficulty(difficulties []int64) {
	if len(difficulties) > 0 {
		if highest := slices.Max(difficulties); highest < s.network.Difficulty() {
			s.network.SetDifficulty(highest)
		}
	}
}
