package store

import (
	"errors"

	"sessiontool/lib/node/store/kv"
)

// Messages of storage RPC 2.8 cost their sender no work, so without quotas one client could fill an owner's box and the
// disk. They are bounded for each owner and in total, in a share that leaves room for messages with a proof of work.
// Messages that an owner signed are counted apart from unsigned ones, so that neither kind takes the room of the other.

// ErrQuota reports that an owner's quota for messages of this kind, or the share of messages without a proof of work,
// is used up.
var ErrQuota = errors.New("too many messages")

// Kinds of messages that are counted apart.
const (
	proved   byte = iota // storage RPC 2.0: with a proof of work
	unproved             // storage RPC 2.8, in namespaces where a store needs no signature
	signed               // storage RPC 2.8, in namespaces where the owner must sign
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
	// The bounds as shares of maxBytes. The proved messages of one owner take at most 1/provedParts. All messages
	// without a proof, unproved and signed together, take at most 1/unprovedParts, and one owner's at most 1/ownerParts
	// of each kind.
	provedParts   = 4
	unprovedParts = 2
	ownerParts    = 16
	// replicaSlack multiplies an owner's quota for messages from other members, because each member has its own count.
	replicaSlack = 2
)

// quotas bound the messages in one database of maxBytes bytes.
type quotas struct{ maxBytes uint64 }

// allows reports whether a message of size bytes fits. owner is the present usage of the owner for this kind, and all
// that of all messages without a proof of work. slack multiplies the bounds of one owner.
func (q quotas) allows(kind byte, owner, all usage, size, slack uint64) bool {
	if kind == proved {
		return owner.bytes+size <= q.maxBytes/provedParts
	}
	most := min(maxUnprovedBytes, q.maxBytes/ownerParts)
	return owner.count < slack*maxUnproved && owner.bytes+size <= slack*most &&
		all.bytes+size <= q.maxBytes/unprovedParts
}

// usage is a number of messages and their size.
type usage struct{ count, bytes uint64 }

func (u usage) encode() []byte { return appendNumber(appendNumber(nil, u.count), u.bytes) }

func usageOf(bucket *kv.Bucket, key []byte) (u usage, err error) {
	value := bucket.Get(key)
	if value == nil {
		return usage{}, nil
	}
	if u.count, value, err = cutNumber(value); err == nil {
		u.bytes, _, err = cutNumber(value)
	}
	return u, err
}

// usageKeys returns the keys of usageBucket for a message: the key of its owner and kind, and the key of all messages
// without a proof of work, nil for a message with one.
func usageKeys(name Name) (owner, all []byte) {
	kind := kindOf(name)
	if kind != proved {
		all = []byte("unproved")
	}
	return append([]byte(name.Owner()), kind), all
}

// hasRoom reports whether a message of size bytes may be stored.
func (t tables) hasRoom(name Name, size int, slack uint64) (bool, error) {
	if t.quotas == nil {
		return true, nil
	}
	ownerKey, allKey := usageKeys(name)
	owner, err := t.usageAt(ownerKey)
	if err != nil {
		return false, err
	}
	var all usage
	if allKey != nil {
		if all, err = t.usageAt(allKey); err != nil {
			return false, err
		}
	}
	return t.quotas.allows(kindOf(name), owner, all, uint64(size), slack), nil
}

// use adds a stored message of size bytes to the usage, and release subtracts a removed one.
func (t tables) use(name Name, size int) error {
	return t.count(name, func(u usage) usage { return usage{u.count + 1, u.bytes + uint64(size)} })
}

func (t tables) release(name Name, size int) error {
	return t.count(name, func(u usage) usage {
		// A database of an earlier version has uncounted messages.
		return usage{u.count - min(u.count, 1), u.bytes - min(u.bytes, uint64(size))}
	})
}

func (t tables) count(name Name, change func(usage) usage) error {
	ownerKey, allKey := usageKeys(name)
	for _, key := range [][]byte{ownerKey, allKey} {
		if key == nil {
			continue
		}
		before, err := t.usageAt(key)
		if err == nil {
			err = t.setUsage(key, change(before))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// usageCounts is the usage that a transaction has read and changed. It is written once for all messages of the
// transaction.
type usageCounts struct {
	index map[string]int // of counts, by key
	list  []usageCount
}

type usageCount struct {
	key     string
	value   usage
	changed bool
}

// usageAt returns the present usage of a key.
func (t tables) usageAt(key []byte) (usage, error) {
	if t.counts == nil {
		return usageOf(t.usage, key)
	}
	if i, ok := t.counts.index[string(key)]; ok {
		return t.counts.list[i].value, nil
	}
	value, err := usageOf(t.usage, key)
	if err != nil {
		return usage{}, err
	}
	t.counts.index[string(key)] = len(t.counts.list)
	t.counts.list = append(t.counts.list, usageCount{key: string(key), value: value})
	return value, nil
}

// setUsage changes the usage of a key that usageAt has read.
func (t tables) setUsage(key []byte, after usage) error {
	if t.counts == nil {
		return writeUsage(t.usage, key, after)
	}
	c := &t.counts.list[t.counts.index[string(key)]]
	c.value, c.changed = after, true
	return nil
}

// writeCounts writes what setUsage has changed.
func (t tables) writeCounts() error {
	for _, c := range t.counts.list {
		if !c.changed {
			continue
		}
		if err := writeUsage(t.usage, []byte(c.key), c.value); err != nil {
			return err
		}
	}
	return nil
}

func writeUsage(bucket *kv.Bucket, key []byte, after usage) error {
	if after.count == 0 {
		return bucket.Delete(key)
	}
	return bucket.Put(key, after.encode())
}
