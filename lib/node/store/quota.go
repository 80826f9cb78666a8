package store

import (
	"errors"

	"go.etcd.io/bbolt"
)

// Messages of storage RPC 2.8 cost their sender nothing, so anybody could fill an owner's box, and the disk. They are
// bounded for each owner and in all, in a share that leaves room for messages with a proof of work. What an owner signed
// is counted apart from what strangers stored, so that neither takes the other's place.

// ErrQuota reports that an owner has as many messages of this kind here as there may be, or that the share of messages
// without a proof of work is used up.
var ErrQuota = errors.New("too many messages")

// Kinds of messages that are counted apart.
const (
	proved   byte = iota // storage RPC 2.0: with a proof of work
	unproved             // storage RPC 2.8, where anybody may store
	signed               // storage RPC 2.8, where the owner has to sign
)

// kindOf returns the kind of a message.
func kindOf(name Name) byte {
	switch {
	case !name.Hash().Is28():
		return proved
	case name.Namespace().StoreIsPublic():
		return unproved
	}
	return signed
}

const (
	// maxUnproved bounds an owner's messages without a proof of work, and maxUnprovedBytes their size, of each kind.
	maxUnproved      = 6000
	maxUnprovedBytes = 32 << 20
	// The bounds as shares of maxBytes. The proved messages of one owner take at most 1/provedParts. All messages without
	// a proof, unproved and signed together, take at most 1/unprovedParts, and one owner's at most 1/ownerParts of each
	// kind.
	provedParts   = 4
	unprovedParts = 2
	ownerParts    = 16
	// replicaSlack is the factor by which copies from other members may exceed an owner's quota, because each member
	// counts for itself.
	replicaSlack = 2
)

// quotas bound what is stored in one database.
type quotas struct{ maxBytes uint64 }

// allows reports whether a message of size bytes has room, given the usage of its owner and that of all messages
// without a proof. For these, slack multiplies the bounds of the owner.
func (q quotas) allows(kind byte, owner, all usage, size, slack uint64) bool {
	if kind == proved {
		return owner.bytes+size <= q.maxBytes/provedParts
	}
	most := min(maxUnprovedBytes, q.maxBytes/ownerParts)
	return owner.count < slack*maxUnproved && owner.bytes+size <= slack*most && all.bytes+size <= q.maxBytes/unprovedParts
}

// usage is how many messages there are and how many bytes they have.
type usage struct{ count, bytes uint64 }

func (u usage) encode() []byte { return appendNumber(appendNumber(nil, u.count), u.bytes) }

func usageOf(bucket *bbolt.Bucket, key []byte) (u usage, err error) {
	value := bucket.Get(key)
	if value == nil {
		return usage{}, nil
	}
	if u.count, value, err = cutNumber(value); err == nil {
		u.bytes, _, err = cutNumber(value)
	}
	return u, err
}

// usageKeys returns the keys of usageBucket for a message: owner is the key of its owner and kind, all the key of all
// messages without a proof of work. For a message with a proof all is nil.
func usageKeys(name Name) (owner, all []byte) {
	kind := kindOf(name)
	if kind != proved {
		all = []byte("unproved")
	}
	return append([]byte(name.Owner()), kind), all
}

// hasRoom reports whether a message of size bytes may be stored.
func (t tables) hasRoom(name Name, size int, slack uint64) (bool, error) {
	if t.quotas == nil || t.usage == nil {
		return true, nil
	}
	ownerKey, allKey := usageKeys(name)
	owner, err := usageOf(t.usage, ownerKey)
	if err != nil {
		return false, err
	}
	var all usage
	if allKey != nil {
		if all, err = usageOf(t.usage, allKey); err != nil {
			return false, err
		}
	}
	return t.quotas.allows(kindOf(name), owner, all, uint64(size), slack), nil
}

// use counts a message of size bytes that is stored, and release one that is removed.
func (t tables) use(name Name, size int) error {
	return t.count(name, func(u usage) usage { return usage{u.count + 1, u.bytes + uint64(size)} })
}

func (t tables) release(name Name, size int) error {
	return t.count(name, func(u usage) usage {
		return usage{u.count - min(u.count, 1), u.bytes - min(u.bytes, uint64(size))} // an earlier version counted nothing
	})
}

func (t tables) count(name Name, change func(usage) usage) error {
	if t.usage == nil {
		return nil // while a database of format 2 is converted
	}
	ownerKey, allKey := usageKeys(name)
	for _, key := range [][]byte{ownerKey, allKey} {
		if key == nil {
			continue
		}
		before, err := usageOf(t.usage, key)
		if err != nil {
			return err
		}
		if after := change(before); after.count == 0 {
			err = t.usage.Delete(key)
		} else {
			err = t.usage.Put(key, after.encode())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
