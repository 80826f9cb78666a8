package node

import (
	"errors"
	"slices"
	"time"

	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// A change that an owner signed is stored with every version that it made, and replicas exchange it with that version
// (package replication). Each member verifies it like the member that received it from the owner, except that the
// request may be old by then. The owner's signature bounds what it covers:
//
//   - delete_msgs: the messages with these hashes, whenever it comes;
//   - delete_all and delete_before: messages with a sender's timestamp up to the time that the owner signed;
//   - expire and expire_all: the expiration that the owner signed;
//   - store in an outbox: older messages of that outbox; in other namespaces that need a signature: messages of that
//     namespace with times that this signature allowed.
//
// So a member can repeat an owner's request only for the messages that the request was about.

// signedParameters are the parameters that the owner's signature of a change covers or that verify it.
var signedParameters = []string{
	"pubkey", "pubKey", "namespace", "timestamp", "sig_timestamp", "before", "expiry", "messages", "shorten", "extend",
	"signature", "pubkey_ed25519",
}

// errRequest refuses a signed change that is too large for replicas.
var errRequest = refusal{storage.StatusBadRequest, "invalid request: too many message hashes"}

// encodeRequest encodes the parts of a change with which other members verify it later. at is as in [change].
func encodeRequest(method string, params fields, at int64) ([]byte, error) {
	signed := make(fields, len(signedParameters))
	for _, name := range signedParameters {
		if value, ok := params[name]; ok {
			signed[name] = value
		}
	}
	request := encodeForwarded(method, signed, at)
	if len(request) > store.MaxRequest {
		return nil, errRequest
	}
	return request, nil
}

// signedChange is a decoded change of encodeRequest, with the owner's signature verified. It implements [store.Request]
// and [replication.Request].
type signedChange struct {
	at     int64
	change signedRequest
}

// signedRequest is a change of an owner.
type signedRequest interface {
	subject() account
	// authentic reports whether the owner signed the request.
	authentic() bool
	// notBefore returns the time in the request that must not be in the future, 0 if there is none.
	notBefore() int64
	// deletes reports whether the request deletes a message, or may delete one of which only the name is known.
	deletes(name store.Name, m *store.Message) bool
	// expires returns the expiration that the request gives a message when a member carries it out at the given time,
	// 0 if it is not about the message.
	expires(m store.Message, at int64) int64
	// stores reports whether the request can have stored a message.
	stores(m store.Message) bool
}

var (
	errUnsigned  = errors.New("request is not signed by the owner")
	errNotYet    = errors.New("request is from the future")
	errNoRequest = errors.New("not a request of an owner")
)

// readSigned decodes and verifies a request of encodeRequest. now is this node's clock.
func readSigned(owner string, request []byte, now time.Time) (*signedChange, error) {
	method, params, at, err := parseForwarded(request)
	if err != nil {
		return nil, err
	}
	p := &parameters{fields: params}
	var change any
	if method == storage.MethodStore {
		change = readSignedStore(p)
	} else {
		change = readChange(method, p)
	}
	signed, ok := change.(signedRequest)
	latest := now.Add(forwardWindow).UnixMilli()
	switch {
	case p.err != nil:
		return nil, p.err
	case !ok:
		return nil, errNoRequest
	case signed.subject().pubKey != owner || !signed.authentic():
		return nil, errUnsigned
	case signed.notBefore() > latest || at > latest:
		return nil, errNotYet
	}
	return &signedChange{at, signed}, nil
}

// MayDelete reports whether the request may delete a message of which only the name is known.
func (s *signedChange) MayDelete(name store.Name) bool { return s.change.deletes(name, nil) }

// Deletes implements store.Request.
func (s *signedChange) Deletes(m store.Message) bool { return s.change.deletes(store.NameOf(m), &m) }

// Expires reports whether the request makes a message expire at the given time (milliseconds). A member cannot have
// carried it out before the message was sent.
func (s *signedChange) Expires(m store.Message, expiration int64) bool {
	timestamp, ok := m.TimestampMillis()
	return ok && s.at >= timestamp-storage.MaxFutureMillis-forwardWindow.Milliseconds() && expiration > 0 &&
		s.change.expires(m, s.at) == expiration
}

// Stores reports whether the request can have stored a message.
func (s *signedChange) Stores(m store.Message) bool { return s.change.stores(m) }

// futureSlack bounds how far an accepted message's timestamp was ahead of the clock of any member.
const futureSlack = storage.MaxFutureMillis + int64(2*forwardWindow/time.Millisecond)

// changesNothing is the part of a request that neither deletes, expires nor stores.
type changesNothing struct{}

func (changesNothing) deletes(store.Name, *store.Message) bool { return false }
func (changesNothing) expires(store.Message, int64) int64      { return 0 }
func (changesNothing) stores(store.Message) bool               { return false }

func (d *deleteRequest) authentic() bool  { return d.proof.covers(signtext.Delete(d.hashes)) }
func (d *deleteRequest) notBefore() int64 { return 0 }

// deletes knows the hash of a message of storage RPC 2.0 only from the message.
func (d *deleteRequest) deletes(name store.Name, m *store.Message) bool {
	switch {
	case m != nil:
		return slices.Contains(d.hashes, m.Hash28())
	case name.Hash().Is28():
		return slices.Contains(d.hashes, name.Hash().String())
	}
	return true
}

func (s *scopeRequest) authentic() bool { return s.proof.covers(s.signedText()) }

func (s *scopeRequest) notBefore() int64 {
	if s.method == rpc28.MethodExpireAll {
		return 0
	}
	return s.when
}

func (s *scopeRequest) deletes(name store.Name, m *store.Message) bool {
	if s.method == rpc28.MethodExpireAll || !s.scope.Has(name.Namespace()) {
		return false
	}
	if m == nil {
		return true
	}
	timestamp, ok := m.TimestampMillis()
	latest := s.when
	if s.method == rpc28.MethodDeleteAll {
		latest += futureSlack
	}
	return ok && timestamp <= latest
}

func (s *scopeRequest) expires(m store.Message, _ int64) int64 {
	if s.method != rpc28.MethodExpireAll || !s.scope.Has(m.Namespace) {
		return 0
	}
	return s.when
}

func (e *expireRequest) authentic() bool {
	return e.proof.covers(signtext.Expire(e.shorten, e.extend, e.expiry, e.hashes))
}
func (e *expireRequest) notBefore() int64 { return 0 }

func (e *expireRequest) expires(m store.Message, at int64) int64 {
	hash := m.Hash28()
	if !slices.Contains(e.hashes, hash) {
		return 0
	}
	return e.wanted(hash, at)
}

// signedStore is the signed part of a store request: the signature does not cover the data.
type signedStore struct {
	changesNothing
	account   account
	namespace rpc28.Namespace
	sigTime   int64
	proof     proof
}

func readSignedStore(p *parameters) *signedStore {
	s := &signedStore{account: p.eitherAccount(), namespace: p.namespace()}
	name := "timestamp"
	if p.has("sig_timestamp") {
		name = "sig_timestamp"
	}
	p.require(name)
	s.sigTime = p.milliseconds(name, p.decimal(name, anyInteger, "integer"))
	s.proof = p.proof(s.account)
	return s
}

func (s *signedStore) subject() account { return s.account }
func (s *signedStore) notBefore() int64 { return s.sigTime }

func (s *signedStore) authentic() bool {
	return !s.namespace.StoreIsPublic() && s.proof.covers(signtext.Store(s.namespace, s.sigTime))
}

// deletes reports whether a message is of the outbox and older than what was stored.
func (s *signedStore) deletes(name store.Name, m *store.Message) bool {
	if !s.namespace.IsOutbox() || name.Namespace() != s.namespace {
		return false
	}
	if m == nil {
		return true
	}
	timestamp, ok := m.TimestampMillis()
	return ok && timestamp < s.sigTime
}

// stores reports whether a message has times with which a member accepted it at about the time of the signature.
func (s *signedStore) stores(m store.Message) bool {
	timestamp, ok := m.TimestampMillis()
	return ok && m.Namespace == s.namespace && timestamp <= s.sigTime+futureSlack &&
		m.ExpirationMillis() >= s.sigTime-futureSlack
}
