package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"sessiontool/lib/node/store/kv"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// walk calls visit with the messages of a box that have not expired at now (milliseconds), in order of arrival, until
// visit returns false. It starts after the message with lastHash, or at the first message if the box has no such hash
// (storage-2.0.md section 5.1; the 2020 server, however, accepts any owner's hash).
func (s *Store) walk(
	owner string, namespace rpc28.Namespace, lastHash string, now int64, visit func(m Message, expiration int64) bool,
) error {
	return s.db.View(func(tx *kv.Tx) error {
		last, err := sequenceOf(tx, owner, namespace, lastHash)
		if err != nil {
			return err
		}
		messages, cursor, box := tx.Bucket(messageBucket), tx.Bucket(orderBucket).Cursor(), boxKey(owner, namespace)
		first := appendNumber(bytes.Clone(box), last+1)
		for key, value := cursor.Seek(first); isIn(key, box); key, value = cursor.Next() {
			expiration, _, err := parseOrderValue(value)
			if err != nil {
				return err
			}
			if expiration <= now {
				continue
			}
			m, rest, err := cutMessage(messages.Get(key[len(box):]))
			if err != nil || len(rest) > 0 {
				return errors.Join(errDamage, err)
			}
			if !visit(m, expiration) {
				return nil
			}
		}
		return nil
	})
}

// isIn reports whether a key of orderBucket belongs to a box. The key may be nil.
func isIn(key, box []byte) bool {
	return len(key) == len(box)+numberSize && bytes.HasPrefix(key, box)
}

// Page20 returns at most limit messages of owner as clients of storage RPC 2.0 see them, in order of arrival after
// lastHash (storage-2.0.md section 5.1). now is in milliseconds.
func (s *Store) Page20(owner, lastHash string, now int64, limit int) ([]storage.Stored, error) {
	found := []storage.Stored{}
	if limit < 1 {
		return found, nil
	}
	err := s.walk(owner, rpc28.NamespaceMessages, lastHash, now, func(m Message, expiration int64) bool {
		found = append(found, storage.Stored{Data: m.Data, Expiration: expiration, Hash: m.HashText()})
		return len(found) < limit
	})
	return found, err
}

// LongPage20 is [Store.Page20] with as many messages as [rpc28.PageCost] allows in maxSize bytes of their text, but at
// least one. more reports whether others follow.
func (s *Store) LongPage20(owner, lastHash string, now int64, maxSize int) (found []storage.Stored, more bool,
	err error) {
	found = []storage.Stored{}
	err = s.walk(owner, rpc28.NamespaceMessages, lastHash, now, func(m Message, expiration int64) bool {
		maxSize -= rpc28.PageCost(len(m.Data) * 3 / 4)
		if more = len(found) > 0 && maxSize < 0; more {
			return false
		}
		found = append(found, storage.Stored{Data: m.Data, Expiration: expiration, Hash: m.HashText()})
		return true
	})
	return found, more, err
}

// Page28 returns messages of a box as clients of storage RPC 2.8 see them: at most maxCount, and as many as
// [rpc28.PageCost] allows in maxSize bytes, but at least one. now is in milliseconds. more reports whether others
// follow.
func (s *Store) Page28(
	owner string, namespace rpc28.Namespace, lastHash string, now int64, maxCount, maxSize int,
) (found []storage.Stored, more bool, err error) {
	found = []storage.Stored{}
	err = s.walk(owner, namespace, lastHash, now, func(m Message, expiration int64) bool {
		data := m.data28()
		maxSize -= rpc28.PageCost(len(data))
		if len(found) > 0 && (maxSize < 0 || len(found) >= maxCount) {
			more = true
			return false
		}
		timestamp, _ := m.TimestampMillis() // checked before it was stored
		found = append(found, storage.Stored{
			Data: base64.StdEncoding.EncodeToString(data), Expiration: expiration,
			Hash: m.Hash28(), Timestamp: timestamp,
		})
		return true
	})
	return found, more, err
}

// sequenceOf returns the sequence number of the message in a box whose hash in either RPC version is hash, or 0 if
// there is none. Tombstones count. Hashes are compared as text: upper case is another hash.
func sequenceOf(tx *kv.Tx, owner string, namespace rpc28.Namespace, hash string) (uint64, error) {
	name := newName(owner, MessageHash{}, namespace)
	hash28, ok := parseHash28(hash)
	if ok {
		copy(name[storage.PubkeyTextLength:], hash28[:])
	} else {
		raw, err := hex.DecodeString(hash)
		if err != nil || len(raw) != len(hash28) || hex.EncodeToString(raw) != hash {
			return 0, nil
		}
		copy(name[storage.PubkeyTextLength:], raw)
	}
	if value := tx.Bucket(nameBucket).Get(name[:]); value != nil {
		p, err := parsePlace(value)
		return p.sequence, err
	}
	if !ok {
		return 0, nil
	}
	return aliased(tx, boxKey(owner, namespace), hash28[prefix28:])
}

// aliased returns the sequence number of the first message in a box with this alias, or 0 if there is none.
func aliased(tx *kv.Tx, box, alias []byte) (uint64, error) {
	cursor := tx.Bucket(orderBucket).Cursor()
	for key, value := cursor.Seek(box); isIn(key, box); key, value = cursor.Next() {
		if _, found, err := parseOrderValue(value); err != nil || bytes.Equal(found, alias) {
			sequence, _, _ := cutNumber(key[len(box):]) // has the size of a number
			return sequence, err
		}
	}
	return 0, nil
}

// Summary describes a stored message to clients of storage RPC 2.8. Times are in milliseconds since 1970.
type Summary struct {
	Name       Name
	Hash       string
	Timestamp  int64
	Expiration int64
}

// InScope returns the messages of owner in a scope that have not expired at now (milliseconds).
func (s *Store) InScope(owner string, scope rpc28.Scope, now int64) (found []Summary, err error) {
	prefix := boxKey(owner, scope.Namespace)
	if scope.All {
		prefix = []byte(owner)
	}
	err = s.eachSummary(prefix, now, func(h Summary) { found = append(found, h) })
	return found, err
}

// eachSummary calls visit with the messages of orderBucket whose keys have a prefix.
func (s *Store) eachSummary(prefix []byte, now int64, visit func(Summary)) error {
	return s.db.View(func(tx *kv.Tx) error {
		messages, cursor := tx.Bucket(messageBucket), tx.Bucket(orderBucket).Cursor()
		for key, value := cursor.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = cursor.Next() {
			expiration, alias, err := parseOrderValue(value)
			if err != nil || len(key) != orderKeySize {
				return errDamage
			}
			if expiration <= now {
				continue
			}
			m, err := cutHead(messages.Get(key[orderKeySize-numberSize:]))
			if err != nil {
				return errors.Join(errDamage, err)
			}
			timestamp, _ := m.TimestampMillis() // checked before it was stored
			visit(Summary{NameOf(m), m.Hash.alias(alias), timestamp, expiration})
		}
		return nil
	})
}

// ByHash returns the messages of owner, in all namespaces, that clients of storage RPC 2.8 know by one of hashes and
// that have not expired at now (milliseconds). Their Timestamp may be 0.
func (s *Store) ByHash(owner string, hashes []string, now int64) (found []Summary, err error) {
	wanted := make(map[string]bool, len(hashes))
	for _, hash := range hashes {
		wanted[hash] = true
	}
	err = s.db.View(func(tx *kv.Tx) error {
		cursor := tx.Bucket(nameBucket).Cursor()
		for text := range wanted {
			hash, ok := parseHash28(text)
			if !ok {
				continue // no message has it
			}
			prefix := newName(owner, hash, 0)
			key, value := cursor.Seek(prefix[:hashEnd])
			if !bytes.HasPrefix(key, prefix[:hashEnd]) {
				continue
			}
			p, err := parsePlace(value)
			if err != nil {
				return err
			}
			if !p.Deleted && p.Expiration > now {
				found = append(found, Summary{Name: Name(key), Hash: text, Expiration: p.Expiration})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Messages of storage RPC 2.0 are known by their aliases, and are in one namespace.
	err = s.eachSummary(boxKey(owner, rpc28.NamespaceMessages), now, func(h Summary) {
		if wanted[h.Hash] && !h.Name.Hash().Is28() {
			found = append(found, h)
		}
	})
	return found, err
}
