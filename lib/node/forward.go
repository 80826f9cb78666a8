package node

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/forward"
	"sessiontool/lib/node/link"
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
	body := encodeForwarded(method, params, now.UnixMilli())
	others := n.forwarder.Ask(ctx, view.Others(), body, isPublicStore(change))
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
	status, text, err := n.caller.Post(ctx, to, ForwardPath, change, maxForwardAnswer)
	return forward.Result{Status: status, Body: text}, err
}

// serveForwarded executes a change that another member of this swarm has forwarded in a request of its own.
func (n *Node) serveForwarded(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	if !view.SharesSwarm(from) {
		return answer{}, errForeign
	}
	n.pause(r.Context(), n.behaviour.ArrivalDelay())
	return n.carryOutGroup(r.Context(), view, from, [][]byte{body})[0], nil
}

var errForeign = refusal{http.StatusForbidden, "Not a member of this swarm\n"}

// serveGroup executes a group of changes that came over a link.
func (n *Node) serveGroup(w http.ResponseWriter, r *http.Request) {
	key, linked := link.Sender(r.Context())
	if !linked {
		n.write(w, n.texts.elsewhere(r))
		return
	}
	n.storesInFlight.Add(1)
	defer n.storesInFlight.Add(-1)
	view := n.members.View()
	body, done, err := n.largeBodies.readBody(w, r)
	defer done()
	var changes [][]byte
	from := view.Addresses[storage.SnodeAddress(key)]
	if err == nil && !view.SharesSwarm(from) {
		err = errForeign
	}
	if err == nil {
		if changes, err = forward.Parse(body); err != nil {
			err = refuse(storage.StatusBadRequest, "%v\n", err)
		}
	}
	result := answer{status: storage.StatusOK}
	if err != nil {
		result = n.failure(r.Context(), "serving another node", err)
	} else {
		n.pause(r.Context(), n.behaviour.ArrivalDelay())
		answers := n.carryOutGroup(r.Context(), view, from, changes)
		results := make([]forward.Result, len(answers))
		for i, a := range answers {
			results[i] = forward.Result{Status: a.status, Body: a.body}
		}
		result.body = forward.Append(nil, results)
	}
	n.counters.pushes.Add(r.URL.Path, result.status)
	n.write(w, result)
}

// carryOutGroup executes changes that another member of this swarm has forwarded: stores that any client can make in
// one transaction, the others each on its own.
func (n *Node) carryOutGroup(ctx context.Context, view *ring.View, from *ring.Peer, changes [][]byte) []answer {
	answers := make([]answer, len(changes))
	settle := func(i int, result rpc28.MemberResult, err error) {
		if err == nil {
			answers[i], err = jsonAnswer(storage.StatusOK, result)
		}
		if err != nil {
			answers[i] = n.failure(ctx, "carrying out a forwarded change", err)
		}
	}
	var public []int
	stores, deposits := make([]*storeRequest, len(changes)), make([]*store.Deposit, len(changes))
	var alone sync.WaitGroup
	for i, body := range changes {
		change, at, request, err := readForwarded(body)
		if err == nil {
			err = n.admit(view, change, at)
		}
		var wrong wrongSwarm
		switch {
		case errors.As(err, &wrong):
			answers[i], err = n.swarm28(storage.StatusWrongSwarm, view, wrong.pubKey)
			if err != nil {
				settle(i, rpc28.MemberResult{}, err)
			}
		case err != nil:
			settle(i, rpc28.MemberResult{}, err)
		case isPublicStore(change):
			stores[i] = change.(*storeRequest)
			deposits[i] = store.NewDeposit(stores[i].message, false)
			public = append(public, i)
		default:
			alone.Go(func() {
				result, changed, err := change.carryOut(n, view, at, request)
				if err == nil {
					n.reportReplicated(from, storedBy(change), len(changed))
				}
				settle(i, result, err)
			})
		}
	}
	shuffle(n.behaviour, public)
	var entries []store.Entry
	for _, i := range public {
		entries = append(entries, deposits[i])
	}
	if len(entries) > 0 {
		var stored []store.Message
		written := n.store.Write(entries...)
		for _, i := range public {
			result, err := stores[i].stored(n, view, deposits[i], written)
			if err == nil {
				stored = append(stored, stores[i].message)
			}
			settle(i, result, err)
		}
		if len(stored) > 0 {
			n.reportReplicated(from, stored, len(stored))
		}
	}
	alone.Wait()
	return answers
}

// storedBy returns the message that a change stores, if it does.
func storedBy(change change) []store.Message {
	if s, ok := change.(*storeRequest); ok {
		return []store.Message{s.message}
	}
	return nil
}

// wrongSwarm is the error for a change of an owner whose messages this node does not keep.
type wrongSwarm struct{ pubKey string }

func (wrongSwarm) Error() string { return "not the owner's swarm" }

// readForwarded parses a forwarded. request is that of requestOf.
func readForwarded(body []byte) (change change, at int64, request []byte, err error) {
	method, params, at, err := parseForwarded(body)
	if err != nil {
		return nil, 0, nil, err
	}
	p := &parameters{fields: params}
	if change = readChange(method, p); change == nil {
		const text = "invalid request: received invalid forwarded non-forwardable request"
		return nil, 0, nil, refuse(storage.StatusBadRequest, text)
	}
	if p.err != nil {
		return nil, 0, nil, p.err
	}
	request, err = requestOf(change, method, params, at)
	return change, at, request, err
}

// admit checks a change that another member has forwarded.
func (n *Node) admit(view *ring.View, change change, at int64) error {
	now := n.now()
	switch {
	case !view.Owns(change.subject().pubKey):
		return wrongSwarm{change.subject().pubKey}
	case time.UnixMilli(at).Sub(now).Abs() > forwardWindow:
		return errTimestamp
	}
	if err := reserved(n.behaviour, change); err != nil {
		return err
	}
	return change.check(now, forwardWindow)
}

// isPublicStore reports whether a change is a store that any client can make. It needs no proof for later, and changes
// no other message.
func isPublicStore(change change) bool {
	s, ok := change.(*storeRequest)
	return ok && s.message.Namespace.StoreIsPublic() && !s.message.Namespace.IsOutbox()
}

// requestOf returns what encodeRequest makes of a change, nil for one that needs no proof.
func requestOf(change change, method string, params fields, at int64) ([]byte, error) {
	if isPublicStore(change) {
		return nil, nil
	}
	return encodeRequest(method, params, at)
}
