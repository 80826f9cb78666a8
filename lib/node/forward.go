package node

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// ForwardPath is the path at which a member of a swarm forwards a client's change to the others: a signed POST of a
// forwarded. The answer is an [rpc28.MemberResult], or the refusal that a client would get. Each member itself checks
// and executes the client's request. A change that a member did not answer is queued for it before the client gets its
// answer.
const ForwardPath = "/swarms/forward/v1"

const (
	// maxForwardAnswer bounds the answer of a member, which has the hashes of all changed messages.
	maxForwardAnswer = 8 << 20
	// maxReason bounds the text of a member's refusal in the answer to the client.
	maxReason = 200
)

// forwarded is a client's change as members forward it.
type forwarded struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	At     int64           `json:"at"` // see change.carryOut
}

// serveChange executes a change at this node and at all other members. It answers when all have answered or
// the MemberTimeout of the node's rules has passed. It fails if the change fails at this node, whatever the results of the others.
func (n *Node) serveChange(ctx context.Context, method string, params fields, change change) (answer, error) {
	n.storesInFlight.Add(1)
	defer n.storesInFlight.Add(-1)
	account, now, view := change.subject(), n.now(), n.members.View()
	if !view.Owns(account.pubKey) {
		return n.swarm28(storage.StatusWrongSwarm, view, account.pubKey)
	}
	if err := reserved(n.behaviour, change); err != nil {
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
	if s, ok := change.(*storeRequest); ok && err == nil {
		n.reportStored(s.message)
	}
	results := others()
	if err != nil && n.behaviour.OwnFailures {
		n.log.Error("carrying out a change", "error", err)
		results[n.keys.Name()] = rpc28.MemberResult{Failed: true, QueryFailure: true}
		return jsonAnswer(n.behaviour.FailedStatus(results), rpc28.ChangeAnswer{Swarm: results, Clock: n.clock()})
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
	result := rpc28.ChangeAnswer{Hash: own.Hash, Swarm: results, Clock: n.clock()}
	return jsonAnswer(changeStatus(change, results), result)
}

// reserved refuses a store to the reserved namespace.
func reserved(rules *behaviour.Rules, change change) error {
	if s, ok := change.(*storeRequest); ok && rules.TestBox && s.message.Namespace == rpc28.NamespaceTest {
		return refuse(storage.StatusUnauthorized, "store: namespace %d is reserved", rpc28.NamespaceTest)
	}
	return nil
}

func anyFailed(results map[string]rpc28.MemberResult) bool {
	for _, result := range results {
		if result.Failed {
			return true
		}
	}
	return false
}

// replicateLater queues changed messages for all peers. Peers that have the change already ignore it.
func (n *Node) replicateLater(changed []store.Name) error {
	if err := n.store.Enqueue(changed); err != nil {
		return err
	}
	n.replication.Notify()
	return nil
}

// changeStatus returns the HTTP status of a change with these results.
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

// askMembers forwards a change to the other members. It returns a function that waits for their results.
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
		n.behaviour.GiveUp(ctx)
		return rpc28.MemberResult{Failed: true, Timeout: true}
	case status != storage.StatusOK:
		reason := string(text[:min(len(text), maxReason)])
		return rpc28.MemberResult{Failed: true, Code: rpc28.Status(status), Reason: reason}
	case json.Unmarshal(text, &result) != nil || result.Signature == "":
		return rpc28.MemberResult{Failed: true, BadPeerResponse: true}
	}
	return result
}

// serveForwarded executes a change that another member of this swarm has forwarded.
func (n *Node) serveForwarded(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	if !view.SharesSwarm(from) {
		return answer{}, refusal{http.StatusForbidden, "Not a member of this swarm\n"}
	}
	n.pause(r.Context(), n.behaviour.ArrivalDelay())
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
	if err := reserved(n.behaviour, change); err != nil {
		return answer{}, err
	}
	if err := change.check(now, forwardWindow); err != nil {
		return answer{}, err
	}
	result, changed, err := change.carryOut(n, view, at, request)
	if err != nil {
		return answer{}, err
	}
	var stored []store.Message
	if s, ok := change.(*storeRequest); ok {
		stored = []store.Message{s.message}
	}
	n.reportReplicated(from, stored, len(changed))
	return jsonAnswer(storage.StatusOK, result)
}

// readForwarded parses a forwarded. request is its encodeRequest form.
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
		const text = "invalid request: received invalid forwarded non-forwardable request"
		return nil, 0, nil, refuse(storage.StatusBadRequest, text)
	}
	if p.err != nil {
		return nil, 0, nil, p.err
	}
	request, err = encodeRequest(method, params, rest.At)
	return change, rest.At, request, err
}
