package route

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"sessiontool/lib/account"
	"sessiontool/lib/envelope"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// store28 stores a message at one member of the recipient's swarm, which passes it on and reports the result of each
// member (storage-2.8.md section 4.3). Only results that a member has signed count, so the asked member cannot speak
// for others. One member alone is not trusted to have passed the message on. If too few have it, other members are
// asked to store the same bytes, which those that have them recognise. A member with an incomplete swarm waits some
// seconds for the others before it answers, so store28 does not wait for a second such answer. Errors are those of
// [Storer.Store].
func (s *Storer) store28(ctx context.Context, q StoreRequest) (account.Receipt, error) {
	receipt := newReceipt(q)
	data, err := base64.StdEncoding.Strict().DecodeString(q.Data)
	if err != nil {
		return receipt, fmt.Errorf("%w: %w", envelope.ErrMalformed, err)
	}
	members, err := s.network.Swarm(ctx, q.To)
	if err != nil {
		return receipt, err
	}
	if q.StampMS == 0 {
		q.StampMS = s.network.Now().UnixMilli()
	}
	judge := &storeJudge28{storer: s, request: q, receipt: &receipt, size: len(members)}
	judge.hash = rpc28.MessageHash(q.To, judge.namespace(), data)
	receipt.MessageHash = judge.hash
	err = s.network.AskSwarm(ctx, network.Question{
		Owner: q.To, Call: network.Call{Method: judge.method(), Slow: true, Hedged: true}, Judge: judge, Members: members,
	})
	receipt.TimestampMS, receipt.Stored = judge.request.StampMS, judge.stored()
	switch {
	case receipt.Stored >= s.options.Quorum:
		receipt.OK = true
		return receipt, nil
	case ctx.Err() != nil:
		return receipt, ctx.Err()
	}
	return receipt, notStored(receipt, judge.refusal, err)
}

// storeJudge28 is one Storer.store28 in progress: the judge of its answers.
type storeJudge28 struct {
	storer  *Storer
	request StoreRequest
	hash    string // of the message, computed by us
	size    int    // of the swarm
	receipt *account.Receipt
	asked   int // members that took the message
	refusal string
}

// Restamp implements [network.Restamper]. The hash stays the same. If the message can be sealed again and every member
// refused only its time, Restamp leaves that to the caller.
func (j *storeJudge28) Restamp(context.Context) error {
	if j.request.reseal && refusedTime(j.receipt.Nodes) {
		return errWrongTime
	}
	j.request.StampMS = j.storer.network.Now().UnixMilli()
	return nil
}

// Request implements [network.Judge].
func (j *storeJudge28) Request(network.Node) ([]byte, error) {
	params := rpc28.StoreParams{
		Pubkey: j.request.To.String(), Namespace: j.namespace(), Timestamp: j.request.StampMS,
		TTL: j.request.TTLMillis, Data: j.request.Data,
	}
	own := j.request.own
	if own == nil {
		return storage.NewRequest(storage.MethodStore, params)
	}
	params.SigTimestamp = params.Timestamp
	params.Auth = mailbox.Authorize(own.account, signtext.Store(own.namespace, params.SigTimestamp))
	if len(own.replaces) == 0 {
		return storage.NewRequest(storage.MethodStore, params)
	}
	return storage.NewRequest(rpc28.MethodSequence, rpc28.BatchParams{Requests: []rpc28.Call{
		{Method: storage.MethodStore, Params: params},
		{Method: rpc28.MethodDelete, Params: rpc28.DeleteParams{
			Pubkey: params.Pubkey, Messages: own.replaces, Auth: mailbox.Authorize(own.account, signtext.Delete(own.replaces)),
		}},
	}})
}

// namespace is where the message is stored.
func (j *storeJudge28) namespace() rpc28.Namespace {
	if j.request.own == nil {
		return rpc28.NamespaceMessages
	}
	return j.request.own.namespace
}

// method is that of the request.
func (j *storeJudge28) method() string {
	if j.request.own != nil && len(j.request.own.replaces) > 0 {
		return rpc28.MethodSequence
	}
	return storage.MethodStore
}

// unwrap replaces the answer to a sequence by that to its store. What became of the delete does not matter: the next
// push deletes what is left.
func (j *storeJudge28) unwrap(reply *network.Reply) {
	if reply.Err != nil || reply.Status != storage.StatusOK || j.method() == storage.MethodStore {
		return
	}
	results, err := rpc28.ParseBatch(reply.Body, 2)
	if err != nil || len(results) == 0 {
		return // the caller finds no results of members in it
	}
	reply.Status, reply.Body = results[0].Code, string(results[0].Body)
}

// Judge implements [network.Judge].
func (j *storeJudge28) Judge(reply network.Reply) network.Verdict {
	j.unwrap(&reply)
	result := resultOf(reply)
	// see rpc28.HasResults
	if reply.Err == nil && (reply.Status == storage.StatusOK || reply.Status == storage.StatusFailed) {
		j.asked++
		change, err := rpc28.ParseChange(reply.Body)
		if err == nil && change.Hash != "" && change.Hash != j.hash {
			err = errors.New("it gives the message another hash")
		}
		if err == nil {
			j.take(change, result.Millis)
			return j.verdict()
		}
		if reply.Status == storage.StatusOK {
			result.Error = err.Error()
		}
	}
	switch reply.Status {
	case storage.StatusBadTTL, storage.StatusBadRequest, storage.StatusUnauthorized:
		j.refusal = fmt.Sprintf("status %d: %s", reply.Status, result.Error)
	}
	putResult(j.receipt, result)
	return j.verdict()
}

// verdict asks another member, unless as many as wanted and at least two have the message, or three members have taken
// the request and could do no better.
func (j *storeJudge28) verdict() network.Verdict {
	stored := j.stored()
	switch {
	case stored >= max(j.storer.options.Quorum, min(2, j.size)):
		return network.Done
	case j.asked >= network.SwarmTargets:
		return network.Settled
	case stored >= j.storer.options.Quorum:
		return network.Doubt
	}
	return network.Next
}

// take records the results of the members.
func (j *storeJudge28) take(change rpc28.ChangeAnswer, elapsed int64) {
	for _, name := range slices.Sorted(maps.Keys(change.Swarm)) {
		member := change.Swarm[name]
		result := account.NodeResult{
			PubkeyEd25519: mailbox.BoundedText(name),
			Status:        storage.StatusOK, Millis: elapsed, Already: bool(member.Already),
		}
		switch {
		case bool(member.Failed):
			result.Status, result.Error = int(member.Code), mailbox.Failure(member)
		case !mailbox.SignedBy(j.storer.network, j.request.To, name, signtext.Stored(j.hash), member.Signature):
			result.Error = "it has not signed that it has the message"
		default:
			result.OK = true
		}
		putResult(j.receipt, result)
	}
}

// stored counts the members that have the message.
func (j *storeJudge28) stored() (count int) {
	for _, result := range j.receipt.Nodes {
		if result.OK {
			count++
		}
	}
	return count
}
