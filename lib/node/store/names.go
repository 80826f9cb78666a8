package store

import (
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"sessiontool/lib/node/store/kv"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

const (
	// hashEnd is the end of the hash in a Name.
	hashEnd = storage.PubkeyTextLength + sha512.Size
	// NameSize is the length of a Name.
	NameSize = hashEnd + namespaceSize
)

// Name identifies a message among nodes: its owner's key as text, its hash and its namespace. The hash alone is not
// unique, because a hash of storage RPC 2.0 covers its texts without separators.
type Name [NameSize]byte

// NameOf returns the name of a message.
func NameOf(m Message) Name { return newName(m.PubKey, m.Hash, m.Namespace) }

func newName(owner string, hash MessageHash, namespace rpc28.Namespace) (name Name) {
	copy(name[copy(name[:], owner):], hash[:])
	appendNamespace(name[:hashEnd], namespace)
	return name
}

// Owner returns the owner's public key as text.
func (n Name) Owner() string { return string(n[:storage.PubkeyTextLength]) }

// Hash returns the message's hash.
func (n Name) Hash() MessageHash { return MessageHash(n[storage.PubkeyTextLength:hashEnd]) }

// Namespace returns the message's namespace.
func (n Name) Namespace() rpc28.Namespace { return decodeNamespace(n[hashEnd:]) }

// Slot returns the digest slot of a name. It is taken from the end of the hash, because proof of work makes the first
// bytes small.
func (n Name) Slot() int { return int(n[hashEnd-2])<<8&(DigestSlots-1) | int(n[hashEnd-1]) }

const (
	// DigestSlots is the number of slots; a power of two of at least 256.
	DigestSlots = 1024
	// DigestSize is the length of the digest of a slot, in bytes.
	DigestSize = 16
)

// Digests summarize which messages a node has. The digest of a slot is the first DigestSize bytes of SHA-256 over the
// names and versions in ascending order. A slot without messages has zeros.
type Digests [DigestSlots][DigestSize]byte

// SlotSet is a set of slots, one bit for each.
type SlotSet [DigestSlots / 8]byte

func (s *SlotSet) add(slot int) { s[slot/8] |= 1 << (slot % 8) }

// Has reports whether the set has a slot.
func (s *SlotSet) Has(slot int) bool { return s[slot/8]&(1<<(slot%8)) != 0 }

// Differing returns the slots in which a and b differ, and their number.
func (a *Digests) Differing(b *Digests) (set SlotSet, count int) {
	for slot := range a {
		if a[slot] != b[slot] {
			set.add(slot)
			count++
		}
	}
	return set, count
}

// scanBatch bounds the names read in one transaction, because a long one delays the writer.
const scanBatch = 4096

// Scan calls visit with the names after the given one in ascending order, until visit returns false. It skips messages
// that have expired at now (milliseconds) and owners for which wanted returns false. Tombstones are included. The zero
// Name comes before all others.
func (s *Store) Scan(
	after Name, now int64, wanted func(owner string) bool, visit func(Name, Version) bool,
) error {
	filter := ownerFilter{wanted: wanted}
	for more := true; more; {
		seen := 0
		err := s.db.View(func(tx *kv.Tx) error {
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
				if at.Expiration > now && filter.pass(key[:storage.PubkeyTextLength]) && !visit(after, at.Version) {
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

// ownerFilter caches the answer for the last owner, since names of one owner follow each other.
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

// Digest computes the digests of the messages of wanted owners that have not expired at now (milliseconds).
func (s *Store) Digest(now int64, wanted func(owner string) bool) (*Digests, error) {
	var sums [DigestSlots]hash.Hash
	err := s.Scan(Name{}, now, wanted, func(name Name, version Version) bool {
		slot := name.Slot()
		if sums[slot] == nil {
			sums[slot] = sha256.New()
		}
		sums[slot].Write(version.AppendTo(name[:]))
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

// Missing reports for each name whether neither a message nor a tombstone is stored.
func (s *Store) Missing(names []Name) (missing []bool, err error) {
	missing = make([]bool, len(names))
	err = s.db.View(func(tx *kv.Tx) error {
		bucket := tx.Bucket(nameBucket)
		for i, name := range names {
			missing[i] = bucket.Get(name[:]) == nil
		}
		return nil
	})
	return missing, err
}

// Encode returns the encoded records of names, as many as fit into maxBytes but at least one. taken is the number of
// names that Encode has processed. A name that is not stored is processed without a record.
func (s *Store) Encode(names []Name, maxBytes int) (body []byte, taken int, err error) {
	err = s.db.View(func(tx *kv.Tx) error {
		var w recordWriter
		for _, name := range names {
			if err := w.addStored(tx, name, 0); err != nil {
				return err
			}
			if len(body) > 0 && len(w.body) > maxBytes {
				return nil
			}
			body, taken = w.body, taken+1
		}
		return nil
	})
	return body, taken, err
}

// addStored encodes the record of a name, unless it is not stored or has expired at now (milliseconds).
func (w *recordWriter) addStored(tx *kv.Tx, name Name, now int64) error {
	value := tx.Bucket(nameBucket).Get(name[:])
	if value == nil {
		return nil
	}
	at, err := parsePlace(value)
	if err != nil || at.Expiration <= now {
		return err
	}
	content := name[:]
	if !at.Deleted {
		content = tx.Bucket(messageBucket).Get(appendNumber(nil, at.sequence))
	}
	requests := tx.Bucket(requestBucket)
	w.add(at.Version, at.refs, func(id RequestID) []byte { return requestIn(requests, id) }, content)
	return nil
}

// Owners returns the wanted owners of stored messages and tombstones.
func (s *Store) Owners(wanted func(owner string) bool) (owners []string, err error) {
	var from []byte
	for more := true; more; {
		err = s.db.View(func(tx *kv.Tx) error {
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
				for i := storage.PubkeyTextLength; i < NameSize; i++ {
					name[i] = 0xff
				}
				from = append(name[:], 0) // behind all names of this owner
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
