package route

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sessiontool/lib/envelope"
	"sessiontool/lib/network"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
)

// storeToday stores a message at one member of the recipient's swarm, which passes it on and tells what each member did
// (storage-2.8.md section 4.3). Only what a member has signed counts, so the one that was asked cannot speak for the
// others; and one alone is not believed to have passed the message on. If too few have it, other members are asked to
// store the same bytes, which those who have them recognise. Errors are those of Store.
func (r *Router) storeToday(ctx context.Context, q StoreRequest) (record.Receipt, error) {
	receipt := newReceipt(q)
	data, err := base64.StdEncoding.Strict().DecodeString(q.Data)
	if err != nil {
		return receipt, fmt.Errorf("%w: %w", envelope.ErrMalformed, err)
	}
	swarm, err := r.network.Swarm(ctx, q.To)
	if err != nil {
		return receipt, err
	}
	s := &todayStore{
		router: r, request: q, hash: rpc.MessageHash(q.To, inbox, data), group: r.network.Group(), results: []record.NodeResult{},
	}
	s.start(swarm)
	for range storeRounds {
		err := s.round(ctx)
		receipt.TimestampMS, receipt.MessageHash = s.request.StampMS, s.hash
		receipt.Nodes, receipt.Stored = s.results, s.stored()
		if receipt.Stored >= r.options.Quorum {
			receipt.OK = true
			return receipt, nil
		}
		if ctx.Err() != nil {
			return receipt, ctx.Err()
		}
		if err := s.mend(ctx, err); err != nil {
			return receipt, err
		}
	}
	return receipt, fmt.Errorf("%w in %d rounds", ErrNotStored, storeRounds)
}

// todayStore is one storeToday at work.
type todayStore struct {
	router  *Router
	request StoreRequest
	hash    string // of the message, as we know it
	group   *network.Group
	results []record.NodeResult // one for each member that anything is known of

	members *members // of this round
	size    int      // of the swarm
	asked   int      // members that took the message in this round

	badClock bool
	refusal  string

	clockSynced, swarmFresh bool
}

// start begins a round with these members, but for those that have the message.
func (s *todayStore) start(swarm []network.Node) {
	var have []network.Key
	for _, node := range swarm {
		if i := s.find(node.Ed25519.String()); i >= 0 && s.results[i].OK {
			have = append(have, node.Ed25519)
		}
	}
	s.members, s.size, s.asked = newMembers(s.router.network.Shuffle(swarm), have...), len(swarm), 0
	s.badClock, s.refusal = false, ""
}

// round asks members one after the other until enough have the message. An error means that no onion path works any
// more.
func (s *todayStore) round(ctx context.Context) error {
	if s.request.StampMS == 0 {
		s.request.StampMS = s.router.network.Now().UnixMilli()
	}
	body, err := rpc.NewRequest(rpc.MethodStore, rpc.TodayStoreParams{
		Pubkey: s.request.To.String(), Namespace: inbox, Timestamp: s.request.StampMS, TTL: s.request.TTLMillis, Data: s.request.Data,
	})
	if err != nil {
		return err
	}
	for !s.enough() {
		node, ok := s.members.next()
		if !ok {
			return nil
		}
		started := time.Now()
		answer, err := s.group.Request(ctx, node, body)
		elapsed := time.Since(started).Milliseconds()
		switch {
		case err != nil && !errors.Is(err, network.ErrTarget):
			return err
		case err != nil:
			s.put(record.NodeResult{PubkeyEd25519: node.Ed25519.String(), Error: err.Error(), Millis: elapsed})
		default:
			s.judge(ctx, node, answer, elapsed)
		}
	}
	return nil
}

// enough reports whether there is no point in asking another member: as many have the message as are wanted, two of them
// at least, or three have taken it and could do no better.
func (s *todayStore) enough() bool {
	return s.stored() >= max(s.router.options.Quorum, min(2, s.size)) || s.asked >= network.SwarmTargets
}

// judge learns what a member's answer tells. elapsed is in milliseconds.
func (s *todayStore) judge(ctx context.Context, node network.Node, answer network.Answer, elapsed int64) {
	result := record.NodeResult{PubkeyEd25519: node.Ed25519.String(), Status: answer.Status, Millis: elapsed}
	switch answer.Status {
	case rpc.StatusOK, rpc.StatusFailed: // see rpc.HasResults
		s.asked++
		change, err := rpc.ParseChange(answer.Body)
		if err == nil && change.Hash != "" && change.Hash != s.hash {
			err = errors.New("it gives the message another hash")
		}
		if err == nil {
			s.take(change, elapsed)
			return
		}
		if result.Error = err.Error(); answer.Status != rpc.StatusOK {
			result.Error = answerText(answer.Body)
		}
	case rpc.StatusWrongSwarm:
		result.Error = errNotMember.Error()
		right, err := s.router.network.AdoptSwarm(ctx, s.request.To, answer.Body)
		if err != nil {
			result.Error += ": " + err.Error()
		} else {
			s.members.prefer(s.router.network.Shuffle(right))
			s.size = len(right)
		}
	default:
		result.Error = answerText(answer.Body)
		switch answer.Status {
		case rpc.StatusBadTimestamp, rpc.StatusTooEarly:
			s.badClock = true
		case rpc.StatusBadTTL, rpc.StatusBadRequest, rpc.StatusUnauthorized:
			s.refusal = fmt.Sprintf("status %d: %s", answer.Status, result.Error)
		}
	}
	s.put(result)
}

// answerText is what a node says about a failure.
func answerText(body string) string {
	return strings.ToValidUTF8(strings.TrimSpace(body[:min(len(body), maxErrorText)]), "")
}

// take learns what the members of the swarm did.
func (s *todayStore) take(change rpc.ChangeAnswer, elapsed int64) {
	for _, name := range slices.Sorted(maps.Keys(change.Swarm)) {
		member := change.Swarm[name]
		result := record.NodeResult{
			PubkeyEd25519: strings.ToValidUTF8(name[:min(len(name), maxErrorText)], ""),
			Status:        rpc.StatusOK, Millis: elapsed, Already: bool(member.Already),
		}
		switch {
		case bool(member.Failed):
			result.Status, result.Error = int(member.Code), memberFailure(member)
		case !s.router.signedBy(name, rpc.StoredText(s.hash), member.Signature):
			result.Error = "it has not signed that it has the message"
		default:
			result.OK = true
		}
		s.put(result)
	}
}

// memberFailure says why a member has not done what it was asked for.
func memberFailure(member rpc.MemberResult) string {
	switch {
	case bool(member.Timeout):
		return "it did not answer the member that was asked"
	case member.Reason != "":
		return strings.ToValidUTF8(strings.TrimSpace(member.Reason[:min(len(member.Reason), maxErrorText)]), "")
	case bool(member.BadPeerResponse):
		return "it gave the member that was asked an answer without sense"
	case bool(member.QueryFailure):
		return "its database failed"
	}
	return "it failed"
}

// put keeps what is known of a member, unless it is known to have the message.
func (s *todayStore) put(result record.NodeResult) {
	switch i := s.find(result.PubkeyEd25519); {
	case i < 0:
		s.results = append(s.results, result)
	case !s.results[i].OK:
		s.results[i] = result
	}
}

func (s *todayStore) find(name string) int {
	return slices.IndexFunc(s.results, func(r record.NodeResult) bool { return r.PubkeyEd25519 == name })
}

// stored counts the members that have the message.
func (s *todayStore) stored() (count int) {
	for _, result := range s.results {
		if result.OK {
			count++
		}
	}
	return count
}

// mend changes what a round has shown to be wrong, or returns why another round would be no better. err is the round's. A
// member that took the message proves that there is nothing wrong with it.
func (s *todayStore) mend(ctx context.Context, err error) error {
	refused := s.stored() == 0
	switch {
	case refused && s.badClock && s.clockSynced:
		return s.router.refusesClock()
	case refused && s.badClock:
		if err := s.router.learnClock(ctx); err != nil {
			return err
		}
		if s.request.reseal && refusedTime(s.results) {
			return errWrongTime
		}
		s.clockSynced, s.request.StampMS = true, 0
	case refused && s.refusal != "":
		return fmt.Errorf("%w: %s", ErrRefused, s.refusal)
	case err != nil:
		return err
	case s.swarmFresh:
		return fmt.Errorf("%w: %d of %d", ErrNotStored, s.stored(), len(s.results))
	}
	swarm, err := s.router.network.LookupSwarm(ctx, s.request.To)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	s.swarmFresh = true
	s.start(swarm)
	return nil
}
