package node

import (
	"context"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// One port serves clients of both storage RPCs. A request is of 2.8 if it has a method that 2.0 lacks or, in a request
// without a nonce, one of marks28 or a time that is a JSON number. Otherwise it is of 2.0. Clients of 2.0 never send
// these, and all clients of 2.8 send `pubkey` or `namespace`.

// marks28 are parameters of store, retrieve and get_snodes_for_pubkey that clients of 2.0 do not send.
var marks28 = []string{
	"pubkey", "namespace", "expiry", "sig_timestamp", "last_hash", "max_count", "max_size", "subaccount",
}

// methods28 are those that 2.0 does not have.
var methods28 = []string{
	rpc28.MethodInfo, rpc28.MethodGetSwarm, rpc28.MethodDelete, rpc28.MethodDeleteAll, rpc28.MethodDeleteBefore,
	rpc28.MethodExpire, rpc28.MethodExpireAll, rpc28.MethodGetExpiries, rpc28.MethodRevoke, rpc28.MethodUnrevoke,
	rpc28.MethodOxend, rpc28.MethodBatch,
	rpc28.MethodSequence, rpc28.MethodIfElse,
}

// commonMethods are those that both storage RPCs know.
var commonMethods = []string{storage.MethodStore, storage.MethodRetrieve, storage.MethodSwarm}

// isMethod28 reports whether the node knows a method of storage RPC 2.8.
func (n *Node) isMethod28(method string) bool {
	return slices.Contains(commonMethods, method) || slices.Contains(methods28, method) ||
		method == rpc28.MethodActiveNodes && n.behaviour.ActiveNodes
}

// serves28 reports whether a request is for nodes that serve clients of 2.8.
func (n *Node) serves28(method string, params fields) bool {
	if n.generation != "" {
		return n.generation == storage.Generation28
	}
	return is28(method, params)
}

// is28 reports whether a request is of storage RPC 2.8.
func is28(method string, params fields) bool {
	if !slices.Contains(commonMethods, method) {
		return slices.Contains(methods28, method)
	}
	if _, proven := params["nonce"]; proven {
		return false
	}
	for _, name := range marks28 {
		if _, ok := params[name]; ok {
			return true
		}
	}
	return params["timestamp"].Type == gjson.Number || params["ttl"].Type == gjson.Number
}

// hardFork28 is the hard fork of the network at the time of 2.8.0 (storage-2.8.md section 1).
var hardFork28 = [2]int{19, 4}

// Bounds of the clock offset (storage-2.8.md section 3.1). A forwarded request is older when it arrives.
const (
	window28      = time.Minute
	forwardWindow = window28 + 10*time.Second
)

func (n *Node) clock() rpc28.Clock {
	return rpc28.Clock{T: n.now().UnixMilli(), HardFork: hardFork28}
}

// task serves a request of 2.8 that has been parsed.
type task func(ctx context.Context) (answer, error)

// call28 serves a request outside a batch.
func (n *Node) call28(ctx context.Context, method string, params fields) (answer, error) {
	serve, err := n.read28(method, params, 1)
	if err != nil {
		return answer{}, err
	}
	return serve(ctx)
}

// read28 parses one of count requests that share the bytes of one answer.
func (n *Node) read28(method string, params fields, count int) (task, error) {
	if !n.isMethod28(method) {
		return nil, refuse(storage.StatusBadRequest, "no method %s", method)
	}
	p := &parameters{fields: params}
	var serve task
	switch method {
	case rpc28.MethodActiveNodes:
		serve = n.serveActiveNodes
	case rpc28.MethodInfo:
		serve = n.serveInfo
	case storage.MethodSwarm, rpc28.MethodGetSwarm:
		serve = n.readGetSwarm(p)
	case storage.MethodRetrieve:
		serve = n.readRetrieve(p, rpc28.MaxPageBytes/count)
	case rpc28.MethodGetExpiries:
		serve = n.readGetExpiries(p)
	case rpc28.MethodOxend:
		serve = n.readOxend(p)
	case rpc28.MethodBatch, rpc28.MethodSequence:
		serve = n.readBatch(p, method == rpc28.MethodSequence)
	case rpc28.MethodIfElse:
		serve = n.readIfElse(p)
	case rpc28.MethodRevoke, rpc28.MethodUnrevoke:
		p.fail("this node does not support subaccounts")
	default:
		change := readChange(method, p)
		serve = func(ctx context.Context) (answer, error) { return n.serveChange(ctx, method, params, change) }
	}
	return serve, p.err
}

func (n *Node) serveInfo(context.Context) (answer, error) {
	clock := n.clock()
	info := rpc28.InfoAnswer{Version: n.behaviour.Version, Timestamp: clock.T, Clock: clock}
	return jsonAnswer(storage.StatusOK, info)
}

func (n *Node) readGetSwarm(p *parameters) task {
	account := p.eitherAccount()
	return func(context.Context) (answer, error) {
		return n.swarm28(storage.StatusOK, n.members.View(), account.pubKey)
	}
}

// swarm28 lists the swarm of pubKey.
func (n *Node) swarm28(status int, view *ring.View, pubKey string) (answer, error) {
	members := []rpc28.Member{}
	id, _ := view.SwarmIDOf(pubKey) // an empty network has no members
	for _, p := range view.Swarms[id] {
		members = append(members, memberOf(p))
	}
	if n.behaviour.ActiveNodes {
		members = append(members, withoutAddress(view, id)...)
	}
	return jsonAnswer(status, rpc28.GetSwarmAnswer{Snodes: members, Swarm: id.String(), Clock: n.clock()})
}

// memberOf describes a peer to clients of storage RPC 2.8. All its ports are equal.
func memberOf(p *ring.Peer) rpc28.Member {
	port := p.Listed.StoragePort
	return rpc28.Member{
		Snode: p.Snode, PortHTTPS: port, PortOMQ: port, PortQUIC: port, PubkeyLegacy: p.Listed.PubkeyLegacy,
	}
}

// readRetrieve reads a request for a page of a box. limit bounds its size.
func (n *Node) readRetrieve(p *parameters, limit int) task {
	account, namespace, lastHash := p.eitherAccount(), p.namespace(), p.lastHash()
	maxCount, maxSize := pageLimits(p.number("max_count"), p.number("max_size"), limit)
	signed := p.has("signature") || p.has("timestamp") || p.has("pubkey_ed25519") ||
		namespace != rpc28.NamespaceMessages && !namespace.RetrieveIsPublic()
	var proof proof
	var timestamp int64
	if signed {
		proof = p.proof(account)
	}
	if p.has("timestamp") {
		timestamp = p.time("timestamp")
	}
	return func(context.Context) (answer, error) {
		now, view := n.now(), n.members.View()
		switch {
		case !view.Owns(account.pubKey):
			return n.swarm28(storage.StatusWrongSwarm, view, account.pubKey)
		case !signed && !namespace.RetrieveIsPublic():
			return answer{}, unsigned(storage.MethodRetrieve)
		case signed && now.Sub(time.UnixMilli(timestamp)).Abs() > window28:
			return answer{}, signedNotNow(storage.MethodRetrieve)
		case signed && !proof.covers(signtext.Retrieve(namespace, timestamp)):
			return answer{}, wronglySigned(storage.MethodRetrieve)
		}
		messages, more, err := n.store.Page28(account.pubKey, namespace, lastHash, now.UnixMilli(), maxCount, maxSize)
		if err != nil {
			return answer{}, err
		}
		return jsonAnswer(storage.StatusOK, rpc28.PageAnswer{Messages: messages, More: more, Clock: n.clock()})
	}
}

// defaultPage is the max_size of requests without bounds: a fifth of rpc28.MaxPageBytes.
const defaultPage = -5

// pageLimits returns the most messages and bytes of a page (storage-2.8.md section 5), never more than limit bytes.
func pageLimits(maxCount, maxSize int64, limit int) (count, size int) {
	if maxCount <= 0 {
		maxCount = rpc28.MaxPageBytes // more than fit into a page
		if maxSize == 0 {
			maxSize = defaultPage
		}
	}
	switch {
	case maxSize < 0:
		maxSize = rpc28.MaxPageBytes / max(-maxSize, 1)
	case maxSize == 0:
		maxSize = rpc28.MaxPageBytes
	}
	return int(min(maxCount, rpc28.MaxPageBytes)), int(min(maxSize, int64(limit)))
}

func (n *Node) readGetExpiries(p *parameters) task {
	account, hashes, timestamp := p.account(), p.messages(), p.time("timestamp")
	proof := p.proof(account)
	return func(context.Context) (answer, error) {
		now, view := n.now(), n.members.View()
		switch {
		case !view.Owns(account.pubKey):
			return n.swarm28(storage.StatusWrongSwarm, view, account.pubKey)
		case now.Sub(time.UnixMilli(timestamp)).Abs() > window28:
			return answer{}, signedNotNow(rpc28.MethodGetExpiries)
		case !proof.covers(signtext.GetExpiries(timestamp, hashes)):
			return answer{}, wronglySigned(rpc28.MethodGetExpiries)
		}
		found, err := n.store.ByHash(account.pubKey, hashes, now.UnixMilli())
		if err != nil {
			return answer{}, err
		}
		expiries := make(map[string]int64, len(found))
		for _, message := range found {
			expiries[message.Hash] = message.Expiration
		}
		return jsonAnswer(storage.StatusOK, rpc28.ExpiriesAnswer{Expiries: expiries})
	}
}
