package node

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"time"

	"sessiontool/lib/node/forward"
	"sessiontool/lib/node/link"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

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

// arrivedStore is a public store of a group.
type arrivedStore struct {
	*storeRequest
	index   int  // in the group
	compact bool // came as a forward.Store, and is answered with a forward.Stored
	deposit *store.Deposit
}

// carryOutGroup executes changes that another member of this swarm has forwarded: stores that any client can make in
// one transaction, the others each on its own.
func (n *Node) carryOutGroup(ctx context.Context, view *ring.View, from *ring.Peer, changes [][]byte) []answer {
	answers := make([]answer, len(changes))
	settle := func(i int, result answer, err error) {
		if answers[i] = result; err != nil {
			answers[i] = n.failure(ctx, "carrying out a forwarded change", err)
		}
	}
	stores := make([]*arrivedStore, 0, len(changes))
	var alone sync.WaitGroup
	for i, body := range changes {
		f, err := readForwarded(body)
		if err == nil {
			err = n.admit(view, f.change, f.at)
		}
		if err != nil {
			result, err := n.refuseForwarded(view, err)
			settle(i, result, err)
			continue
		}
		if s, public := publicStore(f.change); public {
			stores = append(stores, &arrivedStore{s, i, f.compact, store.NewDeposit(s.message, false)})
			continue
		}
		alone.Go(func() {
			result, changed, err := f.change.carryOut(n, view, f.at, f.request)
			if err == nil {
				n.reportReplicated(from, storedBy(f.change), len(changed))
			}
			text, err := memberAnswer(result, err)
			settle(i, text, err)
		})
	}
	if len(stores) > 0 {
		n.storeGroup(view, from, stores, settle)
	}
	alone.Wait()
	return answers
}

// refuseForwarded returns the answer to a change that is refused with err.
func (n *Node) refuseForwarded(view *ring.View, err error) (answer, error) {
	var wrong wrongSwarm
	if errors.As(err, &wrong) {
		return n.swarm28(storage.StatusWrongSwarm, view, wrong.pubKey)
	}
	return answer{}, err
}

// memberAnswer makes the answer to a member from the result of a change.
func memberAnswer(result rpc28.MemberResult, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return jsonAnswer(storage.StatusOK, result)
}

// storeGroup carries out public stores in one transaction, and calls settle with the answer or the error of each.
func (n *Node) storeGroup(
	view *ring.View, from *ring.Peer, stores []*arrivedStore, settle func(i int, result answer, err error),
) {
	shuffle(n.behaviour, stores)
	entries := make([]store.Entry, len(stores))
	for i, s := range stores {
		entries[i] = s.deposit
	}
	written := n.store.Write(entries...)
	stored := stores[:0]
	var messages []store.Message
	var texts [][]byte
	for _, s := range stores {
		if err := s.outcome(s.deposit, written); err != nil {
			settle(s.index, answer{}, err)
			continue
		}
		stored, messages = append(stored, s), append(messages, s.message)
		texts = append(texts, signtext.Stored(s.message.HashText()))
	}
	if len(stored) == 0 {
		return
	}
	n.replication.HandOverIfMoved(view, messages...)
	for i, signature := range n.signer.SignAll(texts) {
		s := stored[i]
		result := s.stored(s.deposit, signature)
		if s.compact {
			settle(s.index, answer{status: storage.StatusOK, body: result.Encode()}, nil)
			continue
		}
		text, err := memberAnswer(result.Result(), nil)
		settle(s.index, text, err)
	}
	n.reportReplicated(from, messages, len(messages))
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

// forwarded is a change that another member has forwarded.
type forwarded struct {
	change  change
	at      int64  // as in [change]
	request []byte // that of requestOf
	compact bool   // came as a forward.Store
}

// readForwarded parses a change that another member has forwarded.
func readForwarded(body []byte) (f forwarded, err error) {
	if s, ok := forward.ParseStore(body); ok {
		change, err := storeOf(s)
		return forwarded{change: change, at: s.At, compact: true}, err
	}
	method, params, at, err := parseForwarded(body)
	if err != nil {
		return forwarded{}, err
	}
	p := &parameters{fields: params}
	f.at = at
	if f.change = readChange(method, p); f.change == nil {
		const text = "invalid request: received invalid forwarded non-forwardable request"
		return forwarded{}, refuse(storage.StatusBadRequest, text)
	}
	if p.err != nil {
		return forwarded{}, p.err
	}
	f.request, err = requestOf(f.change, method, params, at)
	return f, err
}

// storeOf returns the request of a forward.Store. It refuses what no client can have asked for.
func storeOf(s forward.Store) (*storeRequest, error) {
	switch {
	case !s.Namespace.StoreIsPublic() || s.Namespace.IsOutbox():
		return nil, refuse(storage.StatusBadRequest, "invalid request: namespace %d needs a signature", s.Namespace)
	case len(s.Data) > rpc28.MaxMessageBytes:
		return nil, refuse(storage.StatusBadRequest, "invalid request: "+tooLongText, rpc28.MaxMessageBytes)
	case s.TTL < 0 || s.Timestamp < minMilliseconds:
		return nil, errTimestamp
	}
	account := account{pubKey: hex.EncodeToString(s.Owner[:]), prefix: s.Owner[0], key: [32]byte(s.Owner[1:])}
	return &storeRequest{
		account: account, timestamp: s.Timestamp, ttl: s.TTL, data: s.Data,
		message: store.NewMessage28(account.pubKey, s.Namespace, s.Timestamp, s.TTL, s.Data),
	}, nil
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
