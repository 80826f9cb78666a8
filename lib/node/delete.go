package node

import (
	"slices"
	"strings"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// deleteRequest is a request to delete messages by their hashes. It has no time, so it can be replayed. A replay only
// deletes them again.
type deleteRequest struct {
	changesNothing
	account  account
	hashes   []string
	required bool
	proof    proof
}

func readDelete(p *parameters) change {
	account := p.account()
	return &deleteRequest{account: account, hashes: p.hashes(), required: p.flag("required"), proof: p.proof(account)}
}

func (d *deleteRequest) subject() account { return d.account }

func (d *deleteRequest) check(time.Time, time.Duration) error {
	if !d.authentic() {
		return refusal{storage.StatusUnauthorized, "delete_msgs signature verification failed"}
	}
	return nil
}

func (d *deleteRequest) carryOut(
	n *Node, _ *ring.View, at int64, request []byte,
) (rpc28.MemberResult, []store.Name, error) {
	messages, err := n.store.ByHash(d.account.pubKey, d.hashes, at)
	if err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	gone, err := n.store.Edit(messages, at, request, markDeleted)
	if err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	deleted := hashesOf(gone)
	return rpc28.MemberResult{
		Deleted: &rpc28.Hashes{List: deleted}, Signature: n.sign(signtext.Deleted(d.account.pubKey, d.hashes, deleted)),
	}, namesOf(gone), nil
}

// scopeRequest is a request about the messages of a scope: to delete all, to delete those with a timestamp up to some
// time, or to make all expire.
type scopeRequest struct {
	changesNothing
	account account
	method  string
	scope   rpc28.Scope
	when    int64 // the time in the request, in milliseconds
	proof   proof
}

func readDeleteAll(p *parameters) change {
	return readSweeping(p, rpc28.MethodDeleteAll, "timestamp")
}

func readDeleteBefore(p *parameters) change {
	return readSweeping(p, rpc28.MethodDeleteBefore, "before")
}

func readExpireAll(p *parameters) change {
	return readSweeping(p, rpc28.MethodExpireAll, "expiry")
}

func readSweeping(p *parameters, method, when string) change {
	account := p.account()
	return &scopeRequest{
		account: account, method: method, scope: p.scope(), when: p.time(when), proof: p.proof(account),
	}
}

func (s *scopeRequest) subject() account { return s.account }

// check checks the time as each method requires (storage-2.8.md section 3.1), and the signature.
func (s *scopeRequest) check(now time.Time, window time.Duration) error {
	ahead := time.UnixMilli(s.when).Sub(now)
	switch s.method {
	case rpc28.MethodDeleteAll:
		if ahead.Abs() > window {
			return refusal{storage.StatusBadTimestamp, "delete_all timestamp too far from current time"}
		}
	case rpc28.MethodDeleteBefore:
		if ahead > window {
			return refusal{storage.StatusUnauthorized, "delete_before timestamp too far in the future"}
		}
	default:
		if ahead < -window {
			return refusal{storage.StatusBadTimestamp, "expire_all timestamp should be >= current time"}
		}
	}
	if !s.authentic() {
		return refuse(storage.StatusUnauthorized, "%s signature verification failed", s.method)
	}
	return nil
}

// signedText is the text under the signature.
func (s *scopeRequest) signedText() []byte {
	switch s.method {
	case rpc28.MethodDeleteAll:
		return signtext.DeleteAll(s.scope, s.when)
	case rpc28.MethodDeleteBefore:
		return signtext.DeleteBefore(s.scope, s.when)
	}
	return signtext.ExpireAll(s.scope, s.when)
}

func (s *scopeRequest) carryOut(
	n *Node, _ *ring.View, at int64, request []byte,
) (rpc28.MemberResult, []store.Name, error) {
	messages, err := n.store.InScope(s.account.pubKey, s.scope, at)
	if err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	decide := markDeleted
	switch s.method {
	case rpc28.MethodDeleteBefore:
		messages = slices.DeleteFunc(messages, func(h store.Summary) bool { return h.Timestamp > s.when })
	case rpc28.MethodExpireAll:
		decide = func(_ store.Summary, l store.Version) (store.Version, bool) {
			shorter := s.when < l.Expiration
			l.Expiration = min(l.Expiration, s.when)
			return l, shorter
		}
	}
	changed, err := n.store.Edit(messages, at, request, decide)
	if err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	hashes := hashesWithin(s.scope, changed)
	result := rpc28.MemberResult{Signature: n.sign(signtext.ChangedAll(s.account.pubKey, s.when, hashes))}
	if s.method == rpc28.MethodExpireAll {
		result.Updated = &hashes
	} else {
		result.Deleted = &hashes
	}
	return result, namesOf(changed), nil
}

// expireRequest is a request that changes when messages expire.
type expireRequest struct {
	changesNothing
	account account
	hashes  []string
	expiry  []int64          // one for all, or one for each of hashes; milliseconds
	each    map[string]int64 // by hash, if there are several
	shorten bool
	extend  bool
	proof   proof
}

func readExpire(p *parameters) change {
	e := &expireRequest{account: p.account(), hashes: p.hashes(), shorten: p.flag("shorten"), extend: p.flag("extend")}
	if e.expiry = p.times("expiry", len(e.hashes)); e.shorten && e.extend {
		p.fail("cannot specify both 'shorten' and 'extend'")
	}
	e.proof = p.proof(e.account)
	if len(e.expiry) > 1 && p.err == nil {
		e.each = make(map[string]int64, len(e.hashes))
		for i, hash := range e.hashes {
			e.each[hash] = e.expiry[i]
		}
	}
	return e
}

func (e *expireRequest) subject() account { return e.account }

func (e *expireRequest) check(now time.Time, window time.Duration) error {
	for _, expiry := range e.expiry {
		if time.UnixMilli(expiry).Sub(now) < -window {
			return refusal{storage.StatusUnauthorized, "expire: timestamp should be >= current time"}
		}
	}
	if !e.authentic() {
		return refusal{storage.StatusUnauthorized, "expire: signature verification failed"}
	}
	return nil
}

// wanted returns the requested expiration of a hash, bounded by the longest time to live of any message.
func (e *expireRequest) wanted(hash string, now int64) int64 {
	expiry := e.expiry[0]
	if e.each != nil {
		expiry = e.each[hash]
	}
	return min(expiry, now+rpc28.MaxPrivateTTL.Milliseconds())
}

func (e *expireRequest) carryOut(
	n *Node, _ *ring.View, at int64, request []byte,
) (rpc28.MemberResult, []store.Name, error) {
	messages, err := n.store.ByHash(e.account.pubKey, e.hashes, at)
	if err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	changed, err := n.store.Edit(messages, at, request, func(h store.Summary, l store.Version) (store.Version, bool) {
		expiry := e.wanted(h.Hash, at)
		if e.shorten && expiry >= l.Expiration || e.extend && expiry <= l.Expiration {
			return l, false
		}
		l.Expiration = expiry
		return l, true
	})
	if err != nil {
		return rpc28.MemberResult{}, nil, err
	}
	return e.result(n, at, messages, hashesOf(changed)), namesOf(changed), nil
}

// result makes the member's result. Expiry is the one requested time or, of several, those of the updated hashes in
// their order. Unchanged is set if the request had a condition.
func (e *expireRequest) result(n *Node, now int64, messages []store.Summary, updated []string) rpc28.MemberResult {
	result := rpc28.MemberResult{Updated: &rpc28.Hashes{List: updated}, Expiry: rpc28.Times{e.wanted(e.hashes[0], now)}}
	if len(e.expiry) > 1 {
		result.Expiry = rpc28.Times{}
		for _, hash := range updated {
			result.Expiry = append(result.Expiry, e.wanted(hash, now))
		}
	}
	if e.shorten || e.extend {
		result.Unchanged = make(map[string]int64)
		for _, h := range messages {
			if _, is := slices.BinarySearchFunc(updated, h.Hash, strings.Compare); !is {
				result.Unchanged[h.Hash] = h.Expiration
			}
		}
	}
	result.Signature = n.sign(signtext.Expired(e.account.pubKey, result.Expiry, e.hashes, updated, result.Unchanged))
	return result
}
