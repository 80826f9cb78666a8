package node

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"go.etcd.io/bbolt"

	"sessiontool/lib/rpc"
)

// nameSize is the length of a messageName.
const nameSize = rpc.PubKeyTextLength + sha512.Size

// messageName is by what a message is known among nodes: its owner's key as text and its hash. The hash alone does not
// do, since it covers its texts without separators.
type messageName [nameSize]byte

func nameOf(m message) (name messageName) {
	copy(name[copy(name[:], m.PubKey):], m.hash[:])
	return name
}

func (n messageName) owner() string { return string(n[:rpc.PubKeyTextLength]) }

// slot is the part of the messages that a name belongs to when nodes compare what they have. It takes the end of the
// hash, because proof of work makes the beginning small.
func (n messageName) slot() int { return int(n[nameSize-2])<<8&(digestSlots-1) | int(n[nameSize-1]) }

const (
	// digestSlots is the number of parts; a power of two of at least 256.
	digestSlots = 1024
	// digestSize is the length in bytes of the digest of a part.
	digestSize = 16
)

// digests sums up which messages a node has: for each slot, the first bytes of SHA-256 over their names in ascending
// order, or zeros for no message.
type digests [digestSlots][digestSize]byte

// slotSet is a set of slots, a bit for each.
type slotSet [digestSlots / 8]byte

func (s *slotSet) add(slot int)      { s[slot/8] |= 1 << (slot % 8) }
func (s *slotSet) has(slot int) bool { return s[slot/8]&(1<<(slot%8)) != 0 }

// differing returns the slots in which a and b differ, and their number.
func (a *digests) differing(b *digests) (set slotSet, count int) {
	for slot := range a {
		if a[slot] != b[slot] {
			set.add(slot)
			count++
		}
	}
	return set, count
}

// scanBatch bounds how many names are looked at in one transaction, which holds up the writer now and then.
const scanBatch = 4096

// scanNames calls visit with the names that follow after in ascending order, of messages that are alive at now
// (milliseconds) and whose owner is wanted, until visit returns false. The zero name comes before all others.
func (s *store) scanNames(after messageName, now int64, wanted func(owner string) bool, visit func(messageName) bool) error {
	filter := ownerFilter{wanted: wanted}
	for more := true; more; {
		seen := 0
		err := s.db.View(func(tx *bbolt.Tx) error {
			cursor := tx.Bucket(nameBucket).Cursor()
			key, value := cursor.Seek(after[:])
			if key != nil && string(key) == string(after[:]) {
				key, value = cursor.Next()
			}
			for ; key != nil && seen < scanBatch; key, value = cursor.Next() {
				if len(key) != nameSize || len(value) != 2*numberSize {
					return errStoreDamage
				}
				after, seen = messageName(key), seen+1
				expiration, _, err := cutNumber(value[numberSize:])
				if err != nil {
					return err
				}
				if int64(expiration) > now && filter.pass(key[:rpc.PubKeyTextLength]) && !visit(after) {
					more = false
					return nil
				}
			}
			more = key != nil
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ownerFilter remembers the answer for the last owner, since names of one owner come one after the other.
type ownerFilter struct {
	wanted func(owner string) bool
	owner  string
	passes bool
}

func (f *ownerFilter) pass(owner []byte) bool {
	if f.owner != string(owner) {
		f.owner = string(owner)
		f.passes = f.wanted(f.owner)
	}
	return f.passes
}

// digest computes the digests of what is here and wanted.
func (s *store) digest(now int64, wanted func(owner string) bool) (*digests, error) {
	var sums [digestSlots]hash.Hash
	err := s.scanNames(messageName{}, now, wanted, func(name messageName) bool {
		slot := name.slot()
		if sums[slot] == nil {
			sums[slot] = sha256.New()
		}
		sums[slot].Write(name[:])
		return true
	})
	var d digests
	for slot, sum := range sums {
		if sum != nil {
			copy(d[slot][:], sum.Sum(nil))
		}
	}
	return &d, err
}

// missing reports for each name whether there is no such message.
func (s *store) missing(names []messageName) (missing []bool, err error) {
	missing = make([]bool, len(names))
	err = s.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(nameBucket)
		for i, name := range names {
			missing[i] = bucket.Get(name[:]) == nil
		}
		return nil
	})
	return missing, err
}

// encoded returns messages by name, encoded one after the other, until the next one would make them longer than
// maxBytes; but at least one. taken is how many names that is, of which some may be of messages that are gone.
func (s *store) encoded(names []messageName, maxBytes int) (body []byte, taken int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		bucket, messages := tx.Bucket(nameBucket), tx.Bucket(messageBucket)
		for _, name := range names {
			place := bucket.Get(name[:])
			if place == nil {
				taken++
				continue
			}
			if len(place) != 2*numberSize {
				return errStoreDamage
			}
			_, encoded, err := cutNumber(messages.Get(place[:numberSize]))
			if err != nil {
				return err
			}
			if len(body) > 0 && len(body)+len(encoded) > maxBytes {
				return nil
			}
			body, taken = append(body, encoded...), taken+1
		}
		return nil
	})
	return body, taken, err
}

// owners returns the owners of stored messages that are wanted. It skips from one to the next.
func (s *store) owners(wanted func(owner string) bool) (owners []string, err error) {
	var from []byte
	for more := true; more; {
		err = s.db.View(func(tx *bbolt.Tx) error {
			cursor := tx.Bucket(nameBucket).Cursor()
			key, _ := cursor.Seek(from)
			for range scanBatch {
				if key == nil {
					more = false
					return nil
				}
				if len(key) != nameSize {
					return errStoreDamage
				}
				name := messageName(key)
				if owner := name.owner(); wanted(owner) {
					owners = append(owners, owner)
				}
				for i := rpc.PubKeyTextLength; i < nameSize; i++ {
					name[i] = 0xff
				}
				from = append(name[:], 0) // behind every name of this owner
				key, _ = cursor.Seek(from)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return owners, nil
}
