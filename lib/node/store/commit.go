package store

import (
	"cmp"
	"fmt"
	"time"

	"sessiontool/lib/node/store/kv"
)

// Bounds of one transaction. An fsync costs the same for one message as for many.
const (
	maxGroup      = 256
	maxGroupBytes = 4 << 20
)

// maxWaiting bounds the calls of Write that wait for the committer. Further calls fail with ErrBusy.
const maxWaiting = 1024

// insertion is one call of Write: all of its entries are written, or none.
type insertion struct {
	entries []Entry
	result  chan<- error
}

// Insert stores messages and returns when they are on disk. If queued is set, the same transaction queues them for the
// peers. The error is that of [Store.Write], or ErrQuota if a message exceeds a quota; the others are stored then.
func (s *Store) Insert(queued bool, messages ...Message) error {
	entries := make([]Entry, len(messages))
	deposits := make([]*Deposit, len(messages))
	for i, m := range messages {
		deposits[i] = NewDeposit(m, queued)
		entries[i] = deposits[i]
	}
	if err := s.Write(entries...); err != nil {
		return err
	}
	for _, d := range deposits {
		if d.Refused {
			return ErrQuota
		}
	}
	return nil
}

// Write writes entries in one transaction and returns when they are on disk. After an error no entry is written. The
// error is ErrFull, ErrBusy, ErrClosed or that of the disk.
func (s *Store) Write(entries ...Entry) error {
	result := make(chan error, 1)
	select {
	case <-s.quit:
		return ErrClosed
	default:
	}
	select {
	case s.inserts <- insertion{entries, result}:
		return <-result
	default:
		return ErrBusy
	}
}

// commitLoop is the only writer of messages. Calls of Write that arrive during a transaction form the next one.
func (s *Store) commitLoop() {
	defer close(s.ended)
	for {
		select {
		case first := <-s.inserts:
			s.commit(s.gather(first))
		case <-s.quit:
			return
		}
	}
}

// gather returns first and the calls that wait already, within the bounds of one transaction.
func (s *Store) gather(first insertion) []insertion {
	group, size := []insertion{first}, first.size()
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case next := <-s.inserts:
			group, size = append(group, next), size+next.size()
		default:
			return group
		}
	}
	return group
}

func (i insertion) size() (size int) {
	for _, e := range i.entries {
		size += e.size()
	}
	return size
}

func size(group []insertion) (size int) {
	for _, insertion := range group {
		size += insertion.size()
	}
	return size
}

// commit writes a group in one transaction, which also removes expired messages, and then answers all calls of the
// group. If the transaction fails, nothing of the group is kept.
func (s *Store) commit(group []insertion) {
	entries, limit := 0, s.sweepSize
	for _, insertion := range group {
		entries += len(insertion.entries)
	}
	if entries > 0 {
		limit = entries + minSweep
	}
	var removed int
	var refused error
	start := time.Now()
	full, err := s.full(group)
	if err == nil {
		err = s.db.Update(func(tx *kv.Tx) (err error) {
			if removed, err = s.removeExpired(tx, limit); err != nil {
				return fmt.Errorf("removing expired messages: %w", err)
			}
			if full {
				refused = ErrFull
				return nil
			}
			return s.writeAll(tx, group)
		})
	}
	if err == nil {
		s.removed.Add(uint64(removed))
	}
	if entries == 0 {
		s.adaptSweep(time.Since(start))
	}
	for _, insertion := range group {
		insertion.result <- cmp.Or(err, refused)
	}
}

func (s *Store) writeAll(tx *kv.Tx, group []insertion) error {
	tables := openTables(tx, s.queue.inUse())
	tables.quotas, tables.counts = &s.quotas, &usageCounts{index: make(map[string]int)}
	for _, insertion := range group {
		for _, e := range insertion.entries {
			if err := e.write(tables); err != nil {
				return fmt.Errorf("storing a message: %w", err)
			}
		}
	}
	return tables.writeCounts()
}

// full reports whether a group that needs room comes when the size of the database has reached the limit. What was
// deleted takes room until it is deleted from the tree, too.
func (s *Store) full(group []insertion) (bool, error) {
	if size(group) == 0 || s.db.Size() < s.maxBytes {
		return false, nil
	}
	err := s.db.Flush()
	return s.db.Size() >= s.maxBytes, err
}
