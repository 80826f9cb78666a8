package node

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"sessiontool/lib/node/forward"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/xeddsa"
)

// change is a request of clients of 2.8 that every member of a swarm carries out: to store, delete or expire.
type change interface {
	// subject returns the owner of the messages.
	subject() account
	// check does what only the client's request can be checked for: times, and the signature. window is how far clocks
	// may be apart.
	check(now time.Time, window time.Duration) error
	// carryOut makes the change here, on disk, and says to which messages. at is when the member that was asked does
	// it, by its clock in milliseconds, which all members go by. request is what encodeRequest makes of the change, for
	// other members.
	carryOut(n *Node, view *ring.View, at int64, request []byte) (rpc28.MemberResult, []store.Name, error)
}

// readChange reads the parameters of a change, nil for a method that makes none.
func readChange(method string, p *parameters) change {
	switch method {
	case storage.MethodStore:
		return readStore(p)
	case rpc28.MethodDelete:
		return readDelete(p)
	case rpc28.MethodDeleteAll:
		return readDeleteAll(p)
	case rpc28.MethodDeleteBefore:
		return readDeleteBefore(p)
	case rpc28.MethodExpire:
		return readExpire(p)
	case rpc28.MethodExpireAll:
		return readExpireAll(p)
	}
	return nil
}

// sign signs a result of this node.
func (n *Node) sign(text []byte) string {
	signature := n.signer.Sign(text)
	return base64.StdEncoding.EncodeToString(signature[:])
}

// tooLongText refuses data of more than rpc28.MaxMessageBytes.
const tooLongText = "Message body exceeds maximum allowed length of %d bytes"

// storeRequest is a store request of storage RPC 2.8.
type storeRequest struct {
	account   account
	message   store.Message
	data      []byte
	signed    bool
	sigTime   int64
	proof     proof
	timestamp int64
	ttl       int64
}

func readStore(p *parameters) change {
	account, namespace := p.eitherAccount(), p.namespace()
	p.require("timestamp")
	timestamp := p.milliseconds("timestamp", p.decimal("timestamp", anyInteger, "integer"))
	s := &storeRequest{account: account, timestamp: timestamp}
	p.exclude("expiry", "ttl")
	switch {
	case p.has("expiry"):
		s.ttl = p.time("expiry") - s.timestamp
	case p.has("ttl"):
		s.ttl = p.decimal("ttl", 0, "positive integer")
	default:
		p.fail("Required field 'expiry' or 'ttl' missing")
	}
	if s.signed = !namespace.StoreIsPublic() && p.has("signature"); s.signed {
		s.proof, s.sigTime = p.proof(account), s.timestamp
		if p.has("sig_timestamp") {
			s.sigTime = p.time("sig_timestamp")
		}
	}
	p.require("data")
	text := p.text("data")
	data, err := store.DecodeBase64(text)
	switch {
	case err != nil || strings.ContainsAny(text, store.LineBreaks):
		p.fail("Invalid 'data' value: not base64 encoded")
	case len(data) > rpc28.MaxMessageBytes:
		p.fail(tooLongText, rpc28.MaxMessageBytes)
	case p.err == nil:
		s.data = data
		s.message = store.NewMessage28(account.pubKey, namespace, s.timestamp, s.ttl, data)
	}
	return s
}

func (s *storeRequest) subject() account { return s.account }

// check goes in the order of storage-2.8.md section 4.1.
func (s *storeRequest) check(now time.Time, window time.Duration) error {
	slack := storage.MaxFutureMillis + (window - window28).Milliseconds()
	_, allowed := s.message.TTLMillis()
	switch {
	case !allowed:
		return refusal{storage.StatusBadTTL, "Provided expiry/TTL is not valid."}
	case s.timestamp > now.UnixMilli()+slack || s.timestamp+s.ttl < now.UnixMilli()-slack:
		return refusal{storage.StatusBadTimestamp, "Timestamp error: check your clock"}
	case s.message.Namespace.StoreIsPublic():
		return nil
	case !s.signed:
		const text = "store: signature required to store to namespace %d"
		return refuse(storage.StatusUnauthorized, text, s.message.Namespace)
	case now.Sub(time.UnixMilli(s.sigTime)).Abs() > window:
		return refusal{storage.StatusBadTimestamp, "store signature timestamp too far from current time"}
	case !s.proof.covers(signtext.Store(s.message.Namespace, s.sigTime)):
		return refusal{storage.StatusUnauthorized, "store signature verification failed"}
	}
	return nil
}

// carryOut stores the message. In an outbox it replaces the stored ones.
func (s *storeRequest) carryOut(
	n *Node, view *ring.View, at int64, request []byte,
) (rpc28.MemberResult, []store.Name, error) {
	d := store.NewDeposit(s.message, false)
	if !s.message.Namespace.StoreIsPublic() {
		d.Request = request
	}
	if err := s.outcome(d, n.store.Write(d)); err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	n.replication.HandOverIfMoved(view, s.message)
	result := s.stored(d, n.signer.Sign(signtext.Stored(s.message.HashText()))).Result()
	changed := []store.Name{d.Name}
	if s.message.Namespace.IsOutbox() {
		others, err := n.store.InScope(s.account.pubKey, rpc28.Scope{Namespace: s.message.Namespace}, at)
		if err != nil {
			return rpc28.MemberResult{}, nil, err
		}
		others = slices.DeleteFunc(others, func(h store.Summary) bool { return h.Name == d.Name })
		gone, err := n.store.Edit(others, at, request, markDeleted)
		if err != nil {
			return rpc28.MemberResult{}, nil, err
		}
		changed = append(changed, namesOf(gone)...)
	}
	return result, changed, nil
}

// outcome returns the error of a deposit of the message, which was written with err.
func (s *storeRequest) outcome(d *store.Deposit, err error) error {
	if err == nil && d.Refused {
		return store.ErrQuota
	}
	return err
}

// stored returns the result of a deposit of the message, with this node's signature of the hash.
func (s *storeRequest) stored(d *store.Deposit, signature [xeddsa.SignatureSize]byte) forward.Stored {
	return forward.Stored{
		Already: d.Existed, Expiry: d.Until, Hash: s.message.Hash.Raw28(), Signature: signature,
	}
}

// markDeleted decides that a message is deleted.
func markDeleted(_ store.Summary, v store.Version) (store.Version, bool) {
	v.Deleted = true
	return v, true
}

func namesOf(messages []store.Summary) []store.Name {
	names := make([]store.Name, len(messages))
	for i, h := range messages {
		names[i] = h.Name
	}
	return names
}

// hashesOf returns the hashes of messages in ascending order, each once: several messages of 2.0 can have the same
// data.
func hashesOf(messages []store.Summary) []string {
	hashes := make([]string, len(messages))
	for i, h := range messages {
		hashes[i] = h.Hash
	}
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// hashesWithin returns the hashes of messages in the form that answers about a scope have.
func hashesWithin(scope rpc28.Scope, messages []store.Summary) rpc28.Hashes {
	if !scope.All {
		return rpc28.Hashes{List: hashesOf(messages)}
	}
	parts := make(map[rpc28.Namespace][]store.Summary)
	for _, h := range messages {
		parts[h.Name.Namespace()] = append(parts[h.Name.Namespace()], h)
	}
	result := rpc28.Hashes{ByNamespace: make(map[rpc28.Namespace][]string)}
	for namespace := range maps.Keys(parts) {
		result.ByNamespace[namespace] = hashesOf(parts[namespace])
	}
	return result
}
