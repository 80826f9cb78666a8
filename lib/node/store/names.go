package store

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"go.etcd.io/bbolt"

	"sessiontool/lib/rpc"
)

const (
	// hashEnd is where the hash in a messageName ends.
	hashEnd = rpc.PubKeyTextLength + sha512.Size
	// nameSize is the length of a messageName.
	NameSize = hashEnd + namespaceSize
)

// messageName is by what a message is known among nodes: its owner's key as text, its hash and its namespace. The hash
// alone does not do, since that of 2020 covers its texts without separators.
type Name [NameSize]byte

func NameOf(m Message) Name { return newName(m.PubKey, m.Hash, m.Namespace) }

func newName(owner string, hash MessageHash, namespace rpc.Namespace) (name Name) {
	copy(name[copy(name[:], owner):], hash[:])
	appendNamespace(name[:hashEnd], namespace)
	return name
}

func (n Name) Owner() string { return string(n[:rpc.PubKeyTextLength]) }

func (n Name) Hash() MessageHash { return MessageHash(n[rpc.PubKeyTextLength:hashEnd]) }

func (n Name) Namespace() rpc.Namespace { return decodeNamespace(n[hashEnd:]) }

// slot is the part of the messages that a name belongs to when nodes compare what they have. It takes the end of the
// hash, because proof of work makes the beginning small.
func (n Name) Slot() int { return int(n[hashEnd-2])<<8&(DigestSlots-1) | int(n[hashEnd-1]) }

const (
	// digestSlots is the number of parts; a power of two of at least 256.
	DigestSlots = 1024
	// digestSize is the length in bytes of the digest of a part.
	DigestSize = 16
)

// digests sums up which messages a node has: for each slot, the first bytes of SHA-256 over their names and lives in
// ascending order, or zeros for no message.
type Digests [DigestSlots][DigestSize]byte

// slotSet is a set of slots, a bit for each.
type SlotSet [DigestSlots / 8]byte

func (s *SlotSet) add(slot int)      { s[slot/8] |= 1 << (slot % 8) }
func (s *SlotSet) Has(slot int) bool { return s[slot/8]&(1<<(slot%8)) != 0 }

// differing returns the slots in which a and b differ, and their number.
func (a *Digests) Differing(b *Digests) (set SlotSet, count int) {
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

// scanNames calls visit with the names that follow after in ascending order, of messages that have not expired at now
// (milliseconds), deleted ones included, and whose owner is wanted, until visit returns false. The zero name comes before
// all others.
func (s *Store) Scan(after Name, now int64, wanted func(owner string) bool, visit func(Name, Version) bool) error {
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
				if len(key) != NameSize {
					return errDamage
				}
				after, seen = Name(key), seen+1
				at, err := parsePlace(value)
				if err != nil {
					return err
				}
				if at.Expiration > now && filter.pass(key[:rpc.PubKeyTextLength]) && !visit(after, at.Version) {
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
func (s *Store) Digest(now int64, wanted func(owner string) bool) (*Digests, error) {
	var sums [DigestSlots]hash.Hash
	err := s.Scan(Name{}, now, wanted, func(name Name, life Version) bool {
		slot := name.Slot()
		if sums[slot] == nil {
			sums[slot] = sha256.New()
		}
		sums[slot].Write(life.AppendTo(name[:]))
		return true
	})
	var d Digests
	for slot, sum := range sums {
		if sum != nil {
			copy(d[slot][:], sum.Sum(nil))
		}
	}
	return &d, err
}

// missing reports for each name whether there is no such message and none was deleted.
func (s *Store) Missing(names []Name) (missing []bool, err error) {
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

// encoded returns the records of messages by name, encoded one after the other, until the next one would make them longer
// than maxBytes; but at least one. taken is how many names that is, of which some may be of messages that are gone.
func (s *Store) Encode(names []Name, maxBytes int) (body []byte, taken int, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range names {
			longer, err := appendStored(tx, body, name, 0)
			if err != nil {
				return err
			}
			if len(body) > 0 && len(longer) > maxBytes {
				return nil
			}
			body, taken = longer, taken+1
		}
		return nil
	})
	return body, taken, err
}

// appendStored encodes the record of a message, unless it is gone or has expired at now (milliseconds).
func appendStored(tx *bbolt.Tx, b []byte, name Name, now int64) ([]byte, error) {
	value := tx.Bucket(nameBucket).Get(name[:])
	if value == nil {
		return b, nil
	}
	at, err := parsePlace(value)
	switch {
	case err != nil:
		return nil, err
	case at.Expiration <= now:
		return b, nil
	case at.Deleted:
		return append(at.Version.AppendTo(b), name[:]...), nil
	}
	return append(at.Version.AppendTo(b), tx.Bucket(messageBucket).Get(appendNumber(nil, at.sequence))...), nil
}

// owners returns the owners of stored messages that are wanted. It skips from one to the next.
func (s *Store) Owners(wanted func(owner string) bool) (owners []string, err error) {
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
				if len(key) != NameSize {
					return errDamage
				}
				name := Name(key)
				if owner := name.Owner(); wanted(owner) {
					owners = append(owners, owner)
				}
				for i := rpc.PubKeyTextLength; i < NameSize; i++ {
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
