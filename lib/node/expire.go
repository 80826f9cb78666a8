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
