package node

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// ForwardPath is where the member of a swarm that a client has asked for a change hands it to the others: a signed POST
// of a forwarded; the answer is an rpc28.MemberResult, or the refusal that the client would have got. Each member
// checks the client's request and carries it out for itself. What a member does not get in this way is queued for it
// before the client has its answer.
const ForwardPath = "/swarms/forward/v1"

const (
	// forwardTimeout is the Behaviour.MemberTimeout of all servers (storage-2.8.md section 4.3).
	forwardTimeout = 5 * time.Second
	// maxForwardAnswer bounds the answer of a member. It holds the hashes of all messages that a change was made to.
	maxForwardAnswer = 8 << 20
	// maxReason bounds the refusal of a member that the client gets to see.
	maxReason = 200
)

// forwarded is a client's change on its way to another member.
type forwarded struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	At     int64           `json:"at"` // see change.carryOut
}

// serveChange carries out a change, here and at all other members, and answers when all have answered or forwardTimeout
// has passed. It fails if the change fails here, whatever others say.
func (n *Node) serveChange(ctx context.Context, method string, params fields, change change) (answer, error) {
	n.storesInFlight.Add(1)
	defer n.storesInFlight.Add(-1)
	account, now, view := change.subject(), n.now(), n.members.View()
	if !view.Owns(account.pubKey) {
		return n.swarm28(storage.StatusWrongSwarm, view, account.pubKey)
	}
	if err := n.behaviour.reserved(change); err != nil {
		return answer{}, err
	}
	if err := change.check(now, window28); err != nil {
		return answer{}, err
	}
	raw, err := params.json()
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(forwarded{method, raw, now.UnixMilli()})
	if err != nil {
		return answer{}, err
	}
	request, err := encodeRequest(method, params, now.UnixMilli())
	if err != nil {
		return answer{}, err
	}
	others := n.askMembers(ctx, view, body)
	own, changed, err := change.carryOut(n, view, now.UnixMilli(), request)
	results := others()
	if err != nil && n.behaviour.OwnFailures {
		n.log.Error("carrying out a change", "error", err)
		results[n.keys.Name()] = rpc28.MemberResult{Failed: true, QueryFailure: true}
		return jsonAnswer(n.behaviour.failedStatus(results), rpc28.ChangeAnswer{Swarm: results, Clock: n.clock()})
	}
	if err == nil && anyFailed(results) {
		err = n.replicateLater(changed)
	}
	if err != nil {
		return answer{}, err
	}
	if own.Hash != "" {
		own.T = n.clock().T // of old, clients look for it here
	}
	results[n.keys.Name()] = own
	return jsonAnswer(changeStatus(change, results), rpc28.ChangeAnswer{Hash: own.Hash, Swarm: results, Clock: n.clock()})
}

func anyFailed(results map[string]rpc28.MemberResult) bool {
	for _, result := range results {
		if result.Failed {
			return true
		}
	}
	return false
}

// replicateLater puts what has changed into the line for all peers. Those that have it already are not harmed.
func (n *Node) replicateLater(changed []store.Name) error {
	if err := n.store.Enqueue(changed); err != nil {
		return err
	}
	n.replication.Notify()
	return nil
}

// changeStatus is that of a change which was made wherever it could be.
func changeStatus(change change, results map[string]rpc28.MemberResult) int {
	d, ok := change.(*deleteRequest)
	if !ok || !d.required {
		return storage.StatusOK
	}
	for _, result := range results {
		if result.Deleted != nil && len(result.Deleted.List) > 0 {
			return storage.StatusOK
		}
	}
	return storage.StatusNotFound
}

// askMembers hands a change to the other members. It returns a function that waits for their results.
func (n *Node) askMembers(ctx context.Context, view *ring.View, body []byte) func() map[string]rpc28.MemberResult {
	ctx, cancel := context.WithTimeout(ctx, n.patience)
	var mu sync.Mutex
	var asked sync.WaitGroup
	results := make(map[string]rpc28.MemberResult)
	for _, p := range view.Others() {
		asked.Go(func() {
			result := n.askMember(ctx, p, body)
			mu.Lock()
			defer mu.Unlock()
			results[p.Name()] = result
		})
	}
	return func() map[string]rpc28.MemberResult {
		defer cancel()
		asked.Wait()
		return results
	}
}

func (n *Node) askMember(ctx context.Context, p *ring.Peer, body []byte) (result rpc28.MemberResult) {
	status, text, err := n.caller.Post(ctx, p, ForwardPath, body, maxForwardAnswer)
	switch {
	case err != nil:
		n.log.Debug("member does not answer", "peer", p.Name(), "error", err)
		n.behaviour.giveUp(ctx)
		return rpc28.MemberResult{Failed: true, Timeout: true}
	case status != storage.StatusOK:
		return rpc28.MemberResult{Failed: true, Code: rpc28.Status(status), Reason: string(text[:min(len(text), maxReason)])}
	case json.Unmarshal(text, &result) != nil || result.Signature == "":
		return rpc28.MemberResult{Failed: true, BadPeerResponse: true}
	}
	return result
}

// serveForwarded carries out a change that a client has asked another member of this swarm for.
func (n *Node) serveForwarded(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	if !view.SharesSwarm(from) {
		return answer{}, refusal{http.StatusForbidden, "Not a member of this swarm\n"}
	}
	n.pause(r.Context(), n.behaviour.arrivalDelay())
	change, at, request, err := readForwarded(body)
	if err != nil {
		return answer{}, err
	}
	account, now := change.subject(), n.now()
	if !view.Owns(account.pubKey) {
		return n.swarm28(storage.StatusWrongSwarm, view, account.pubKey)
	}
	if time.UnixMilli(at).Sub(now).Abs() > forwardWindow {
		return answer{}, errTimestamp
	}
	if err := n.behaviour.reserved(change); err != nil {
		return answer{}, err
	}
	if err := change.check(now, forwardWindow); err != nil {
		return answer{}, err
	}
	result, _, err := change.carryOut(n, view, at, request)
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(storage.StatusOK, result)
}

// readForwarded reads a forwarded. request is what encodeRequest makes of it.
func readForwarded(body []byte) (change change, at int64, request []byte, err error) {
	method, params, err := parseCall(body)
	if err != nil {
		return nil, 0, nil, err
	}
	var rest struct {
		At int64 `json:"at"`
	}
	if err := json.Unmarshal(body, &rest); err != nil {
		return nil, 0, nil, refuse(storage.StatusBadRequest, "invalid json")
	}
	p := &parameters{fields: params}
	if change = readChange(method, p); change == nil {
		return nil, 0, nil, refuse(storage.StatusBadRequest, "invalid request: received invalid forwarded non-forwardable request")
	}
	if p.err != nil {
		return nil, 0, nil, p.err
	}
	request, err = encodeRequest(method, params, rest.At)
	return change, rest.At, request, err
}
