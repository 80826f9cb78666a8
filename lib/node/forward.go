package node

import (
	"context"
	"strconv"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/forward"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// ForwardPath is the path at which a member of a swarm forwards a client's change to another one that takes no groups
// of them over a link: a signed POST of a forwarded. The answer is an [rpc28.MemberResult], or the refusal that a client
// would get. Each member itself checks and executes the client's request. A change that a member did not answer is
// queued for it before the client gets its answer.
const ForwardPath = "/swarms/forward/v1"

// maxForwardAnswer bounds the answer of a member, which has the hashes of all changed messages.
const maxForwardAnswer = 8 << 20

// A forwarded is a client's change as members forward it: an object with method, params and the time at of
// [change.carryOut].

// encodeForwarded encodes a forwarded with these parameters.
func encodeForwarded(method string, params fields, at int64) []byte {
	text := gjson.AppendJSONString([]byte(`{"method":`), method)
	text = params.appendJSON(append(text, `,"params":`...))
	text = append(text, `,"at":`...)
	return append(strconv.AppendInt(text, at, 10), '}')
}

// parseForwarded reads a forwarded. An absent time is 0.
func parseForwarded(body []byte) (method string, params fields, at int64, err error) {
	object, err := parseObject(body)
	if err != nil {
		return "", nil, 0, err
	}
	if method, params, err = object.call(); err != nil {
		return "", nil, 0, err
	}
	if value, ok := object["at"]; ok {
		if at, err = strconv.ParseInt(value.Raw, 10, 64); err != nil {
			return "", nil, 0, refuse(storage.StatusBadRequest, "invalid json")
		}
	}
	return method, params, at, nil
}

// serveChange executes a change at this node and at all other members. It answers when all have answered or the
// MemberTimeout of the node's rules has passed. It fails if the change fails at this node, whatever the results of the
// others.
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
	request, err := requestOf(change, method, params, now.UnixMilli())
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, n.patience)
	defer cancel()
	public, isPublic := publicStore(change)
	var body []byte
	if isPublic {
		body = public.forwarded(now.UnixMilli())
	} else {
		body = encodeForwarded(method, params, now.UnixMilli())
	}
	others := n.forwarder.Ask(ctx, view.Others(), body, isPublic)
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

// forwardSingly sends a change to a member that takes no groups.
func (n *Node) forwardSingly(ctx context.Context, to *ring.Peer, change []byte) (forward.Result, error) {
	if s, ok := forward.ParseStore(change); ok {
		change = s.JSON()
	}
	status, text, err := n.caller.Post(ctx, to, ForwardPath, change, maxForwardAnswer)
	return forward.Result{Status: status, Body: text}, err
}

// publicStore returns a change that is a store that any client can make. It needs no proof for later, and changes no
// other message.
func publicStore(change change) (s *storeRequest, ok bool) {
	s, ok = change.(*storeRequest)
	return s, ok && s.message.Namespace.StoreIsPublic() && !s.message.Namespace.IsOutbox()
}

// forwarded returns the change for other members. The store must be public.
func (s *storeRequest) forwarded(at int64) []byte {
	f := forward.Store{
		At: at, Namespace: s.message.Namespace, Timestamp: s.timestamp, TTL: s.ttl, Data: s.data,
	}
	f.Owner[0] = s.account.prefix
	copy(f.Owner[1:], s.account.key[:])
	return f.Encode()
}

// requestOf returns what encodeRequest makes of a change, nil for one that needs no proof.
func requestOf(change change, method string, params fields, at int64) ([]byte, error) {
	if _, public := publicStore(change); public {
		return nil, nil
	}
	return encodeRequest(method, params, at)
}
