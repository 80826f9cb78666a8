// Package peerkeys remembers in the keystore which account keys other accounts publish (session-v2.md section 6.3).
//
// It promises that keys older than 48 hours are not used, that an account whose swarm says that it publishes none is not
// asked about again for an hour, and that such an answer does not take away keys that are still usable.
package peerkeys

import (
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// Table has the keys by Session ID.
const Table keystore.Table = "peer_keys"

// forgetAfter is the age at which an entry says nothing any more.
const forgetAfter = accountkeys.CacheUsable

// entry is the stored form. Times are zero if there was no such answer.
type entry struct {
	X25519 []byte    `json:"x25519,omitempty"`
	KEM    []byte    `json:"ml_kem,omitempty"`
	At     time.Time `json:"at,omitzero"`
	NoneAt time.Time `json:"none_at,omitzero"`
}

// Known is what is known of an account's published key.
type Known struct {
	Key    accountkeys.Public // the zero Public if none is usable
	Fetch  bool               // the swarm should be asked
	Before bool               // it should be asked before a message is sent; otherwise the key serves for now
}

// Lookup returns what is known at now of the key that id publishes.
func Lookup(tx *keystore.Tx, id sessionid.ID, now time.Time) (Known, error) {
	var e entry
	if _, err := tables.Get(tx, Table, id.String(), &e); err != nil {
		return Known{}, err
	}
	suppressed := within(now, e.NoneAt, accountkeys.CacheMiss)
	if !within(now, e.At, accountkeys.CacheUsable) {
		return Known{Fetch: !suppressed, Before: !suppressed}, nil
	}
	if len(e.X25519) != x25519.Size {
		return Known{}, fmt.Errorf("%w: table %s has a key of a wrong size", keystore.ErrCorrupt, Table)
	}
	key, err := accountkeys.NewPublic(x25519.PublicKey(e.X25519), e.KEM)
	if err != nil {
		return Known{}, fmt.Errorf("%w: table %s: %w", keystore.ErrCorrupt, Table, err)
	}
	return Known{Key: key, Fetch: !suppressed && !within(now, e.At, accountkeys.CacheFresh)}, nil
}

// within reports whether at is at most age before now. A time of the future, after a change of the clock, is not.
func within(now, at time.Time, age time.Duration) bool {
	return !at.IsZero() && !at.After(now) && now.Sub(at) < age
}

// Remember records the answer of id's swarm: the key, or nil if the account publishes none.
func Remember(tx *keystore.Tx, id sessionid.ID, key *accountkeys.Public, now time.Time) error {
	var e entry
	if _, err := tables.Get(tx, Table, id.String(), &e); err != nil {
		return err
	}
	if key == nil {
		e.NoneAt = now.UTC()
		if !within(now, e.At, accountkeys.CacheUsable) {
			e = entry{NoneAt: e.NoneAt}
		}
		return tables.Put(tx, Table, id.String(), e)
	}
	x, m := key.X25519(), key.KEM()
	return tables.Put(tx, Table, id.String(), entry{X25519: x[:], KEM: m[:], At: now.UTC()})
}

// Forget deletes the entries that say nothing any more.
func Forget(tx *keystore.Tx, now time.Time) error {
	return tx.ForEach(Table, func(name string, value []byte) error {
		var e entry
		if err := tables.Decode(Table, value, &e); err != nil {
			return err
		}
		if within(now, e.At, forgetAfter) || within(now, e.NoneAt, forgetAfter) {
			return nil
		}
		return tx.Delete(Table, name)
	})
}
