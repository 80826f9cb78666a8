package store

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/node/store/kv"
)

const (
	// MaxBatchBytes bounds the body of a [Batch] of more than one record. It keeps a push below 512 KiB, above which a
	// node reads few bodies at a time.
	MaxBatchBytes = 400_000
	// maxBatchEntries bounds the queue entries of one batch.
	maxBatchEntries = 4096
	// tidyInterval is the time by which the cursors on disk may lag behind.
	tidyInterval = time.Second
	// tidyBatch bounds the entries removed in one transaction, because a long transaction delays new messages.
	tidyBatch = 1000
)

// queue tracks which changes are pending for each peer. All peers share queueBucket, which has one entry, a name, for
// each change. A peer's cursor is the first sequence number that it has not received. An entry is removed when all
// cursors have passed it, or when its message expires. Cursors are written to disk up to tidyInterval later, so that
// after a crash a peer may get a message twice but never misses one.
type queue struct {
	mu      sync.Mutex
	cursors map[string]uint64 // by the peer's name
	ahead   bool              // of the cursors on disk
}

// loadQueue reads the cursors.
func loadQueue(tx *kv.Tx) (*queue, error) {
	q := &queue{cursors: make(map[string]uint64)}
	cursor := tx.Bucket(cursorBucket).Cursor()
	for name, value := cursor.First(); name != nil; name, value = cursor.Next() {
		next, _, err := cutNumber(value)
		if err != nil {
			return nil, err
		}
		q.cursors[string(name)] = next
	}
	return q, nil
}

// inUse reports whether the queue has a peer.
func (q *queue) inUse() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.cursors) > 0
}

// cursor returns the cursor of peer.
func (q *queue) cursor(peer string) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cursors[peer]
}

// passed moves the cursor of peer forward to next.
func (q *queue) passed(peer string, next uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if before, ok := q.cursors[peer]; ok && next > before {
		q.cursors[peer], q.ahead = next, true
	}
}

// SetPeers sets the peers for which changes are queued from now on. Known peers keep their cursor. New peers start at
// the end of the queue. It is one transaction, so that it comes between two groups of messages.
func (s *Store) SetPeers(peers []string) error {
	if s.queue.hasExactly(peers) {
		return nil
	}
	return s.db.Update(func(tx *kv.Tx) error {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		before := s.queue.cursors
		s.queue.cursors = make(map[string]uint64, len(peers))
		for _, name := range peers {
			next, known := before[name]
			if !known {
				next = tx.Bucket(messageBucket).Sequence() + 1
			}
			s.queue.cursors[name] = next
		}
		s.queue.ahead = true // tidyQueue removes the entries that no peer needs
		return writeCursors(tx, s.queue.cursors)
	})
}

func (q *queue) hasExactly(peers []string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(peers) == len(q.cursors) && !slices.ContainsFunc(peers, func(name string) bool {
		_, known := q.cursors[name]
		return !known
	})
}

// writeCursors writes the cursors that differ from those on disk.
func writeCursors(tx *kv.Tx, cursors map[string]uint64) error {
	bucket := tx.Bucket(cursorBucket)
	cursor := bucket.Cursor()
	for name, value := cursor.First(); name != nil; name, value = cursor.Next() {
		if next, known := cursors[string(name)]; known && bytes.Equal(value, appendNumber(nil, next)) {
			continue
		}
		if err := bucket.Delete(name); err != nil {
			return err
		}
	}
	for name, next := range cursors {
		if bucket.Get([]byte(name)) != nil {
			continue
		}
		if err := bucket.Put([]byte(name), appendNumber(nil, next)); err != nil {
			return err
		}
	}
	return nil
}

// Batch is encoded records that are pending for a peer.
type Batch struct {
	Body    []byte
	Count   int
	Entries int    // queue entries, with those that have no record
	Next    uint64 // the peer's cursor after the batch
}

// Empty reports whether nothing is queued for the peer.
func (b Batch) Empty() bool { return b.Entries == 0 }

// Pending returns the next records that are pending for peer, without those that have expired at now (milliseconds).
func (s *Store) Pending(peer string, now int64) (Batch, error) {
	b := Batch{Next: s.queue.cursor(peer)}
	err := s.db.View(func(tx *kv.Tx) error {
		cursor := tx.Bucket(queueBucket).Cursor()
		key, name := cursor.Seek(appendNumber(nil, b.Next))
		var w recordWriter
		for ; key != nil && b.Entries < maxBatchEntries; key, name = cursor.Next() {
			sequence, _, err := cutNumber(key)
			if err != nil || len(name) != NameSize {
				return errDamage
			}
			err = w.addStored(tx, Name(name), now)
			switch {
			case err != nil:
				return err
			case b.Count > 0 && len(w.body) > MaxBatchBytes:
				return nil
			case len(w.body) > len(b.Body):
				b.Body, b.Count = w.body, b.Count+1
			}
			b.Next, b.Entries = sequence+1, b.Entries+1
		}
		return nil
	})
	return b, err
}

// PendingCount returns the number of queued changes that are pending for at least one peer.
func (s *Store) PendingCount() (count int, err error) {
	s.queue.mu.Lock()
	cursors := slices.Collect(maps.Values(s.queue.cursors))
	s.queue.mu.Unlock()
	if len(cursors) == 0 {
		return 0, nil
	}
	err = s.db.View(func(tx *kv.Tx) error {
		cursor := tx.Bucket(queueBucket).Cursor()
		for key, _ := cursor.Seek(appendNumber(nil, slices.Min(cursors))); key != nil; key, _ = cursor.Next() {
			count++
		}
		return nil
	})
	return count, err
}

// tidyLoop writes the cursors to disk at intervals until ctx ends.
func (s *Store) tidyLoop(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = s.tidyQueue(); err != nil {
				log.Error("writing the queue for peers", "error", err)
			}
		}
	}
}

// tidyQueue writes the cursors and removes at most tidyBatch entries that all cursors have passed. It reports whether
// more are left.
func (s *Store) tidyQueue() (more bool, err error) {
	if !s.queue.isAhead() {
		return false, nil
	}
	err = s.db.Update(func(tx *kv.Tx) error {
		cursors := s.queue.snapshot()
		if err := writeCursors(tx, cursors); err != nil {
			return err
		}
		more, err = dropPassed(tx.Bucket(queueBucket), slices.Collect(maps.Values(cursors)))
		return err
	})
	if more || err != nil {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		s.queue.ahead = true
	}
	return more && err == nil, err
}

func (q *queue) isAhead() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ahead
}

// snapshot returns the cursors to write to disk.
func (q *queue) snapshot() map[string]uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ahead = false
	return maps.Clone(q.cursors)
}

// dropPassed removes the first entries that all cursors have passed: all entries if there are no cursors.
func dropPassed(line *kv.Bucket, cursors []uint64) (more bool, err error) {
	var passed [][]byte
	cursor := line.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		sequence, _, err := cutNumber(key)
		if err != nil {
			return false, err
		}
		if len(cursors) > 0 && sequence >= slices.Min(cursors) {
			break
		}
		if more = len(passed) == tidyBatch; more {
			break
		}
		passed = append(passed, bytes.Clone(key))
	}
	for _, key := range passed {
		if err := line.Delete(key); err != nil {
			return false, err
		}
	}
	return more, nil
}

// Delivered records that peer has received all changes before the sequence number next.
func (s *Store) Delivered(peer string, next uint64) { s.queue.passed(peer, next) }
