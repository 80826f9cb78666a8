package node

import (
	"cmp"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Bounds of what is committed at once. An fsync costs the same for one message as for many.
const (
	maxGroup      = 256
	maxGroupBytes = 4 << 20
)

// maxWaiting bounds the requests that wait for their turn to be committed. More are told that the node is busy.
const maxWaiting = 1024

// appendFill is how full pages become whose keys only ever grow.
const appendFill = 0.95

// insertion is a request to the committer: messages to keep, all or none.
type insertion struct {
	entries []entry
	queued  bool // the peers have to get them
	result  chan<- error
}

// entry is a message as the database keeps it, prepared where requests run side by side.
type entry struct {
	name       messageName
	expiration int64
	value      []byte // of messageBucket
}

func newEntry(m message) entry {
	expiration := m.expiration()
	value := appendNumber(make([]byte, 0, numberSize+m.size()), uint64(expiration))
	return entry{name: nameOf(m), expiration: expiration, value: appendMessage(value, m)}
}

// insert keeps messages and returns when they are on disk. Those that are there already are left as they are. If
// queued, they are in the same transaction put into the queue for the peers. The error is errStoreFull, errStoreBusy or
// that of the disk.
func (s *store) insert(queued bool, messages ...message) error {
	result := make(chan error, 1)
	request := insertion{entries: make([]entry, len(messages)), queued: queued, result: result}
	for i, m := range messages {
		request.entries[i] = newEntry(m)
	}
	select {
	case <-s.quit:
		return errStoreClosed
	default:
	}
	select {
	case s.inserts <- request:
		return <-result
	default:
		return errStoreBusy
	}
}

// commitLoop is the one writer of new messages. While a transaction is on its way to the disk, requests pile up
// behind it and form the next one.
func (s *store) commitLoop() {
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

// gather adds to first whatever else is waiting, without waiting for more.
func (s *store) gather(first insertion) []insertion {
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
		size += len(e.value)
	}
	return size
}

// commit writes a group in one transaction, removes expired messages in it, and then answers everybody in the group. If the
// transaction fails, nobody's messages are kept.
func (s *store) commit(group []insertion) {
	coming, limit := 0, s.sweepSize
	for _, insertion := range group {
		coming += len(insertion.entries)
	}
	if coming > 0 {
		limit = coming + minSweep
	}
	var removed int
	var refused error
	start := time.Now()
	err := s.db.Update(func(tx *bbolt.Tx) (err error) {
		if removed, err = s.removeExpired(tx, limit); err != nil {
			return fmt.Errorf("removing expired messages: %w", err)
		}
		if coming > 0 && s.full(tx) {
			refused = errStoreFull
			return nil
		}
		return s.putAll(tx, group)
	})
	if err == nil {
		s.removed.Add(uint64(removed))
	}
	if coming == 0 {
		s.adaptSweep(time.Since(start))
	}
	for _, insertion := range group {
		insertion.result <- cmp.Or(err, refused)
	}
}

func (s *store) putAll(tx *bbolt.Tx, group []insertion) error {
	tables, queueing := openTables(tx), s.queue.inUse()
	for _, insertion := range group {
		for _, e := range insertion.entries {
			if err := tables.put(e, insertion.queued && queueing); err != nil {
				return fmt.Errorf("storing a message: %w", err)
			}
		}
	}
	return nil
}

// full reports whether the pages in use have reached the limit. The file never shrinks, so its size says less.
func (s *store) full(tx *bbolt.Tx) bool {
	free := int64(s.db.Stats().FreePageN) * int64(s.db.Info().PageSize)
	return tx.Size()-free >= s.maxBytes
}

// tables are the buckets that a new message goes into.
type tables struct{ messages, order, names, expiry, queue *bbolt.Bucket }

func openTables(tx *bbolt.Tx) tables {
	t := tables{
		messages: tx.Bucket(messageBucket), order: tx.Bucket(orderBucket), names: tx.Bucket(nameBucket),
		expiry: tx.Bucket(expiryBucket), queue: tx.Bucket(queueBucket),
	}
	for _, growing := range []*bbolt.Bucket{t.messages, t.expiry, t.queue} {
		growing.FillPercent = appendFill
	}
	return t
}

// put adds one message and what points to it, unless it is there.
func (t tables) put(e entry, queued bool) error {
	if t.names.Get(e.name[:]) != nil {
		return nil
	}
	sequence, err := t.messages.NextSequence()
	if err != nil {
		return err
	}
	key := appendNumber(nil, sequence)
	for _, row := range []struct {
		bucket     *bbolt.Bucket
		key, value []byte
	}{
		{t.messages, key, e.value},
		{t.order, orderKey(e.name.owner(), sequence), nil},
		{t.names, e.name[:], appendNumber(key, uint64(e.expiration))},
		{t.expiry, expiryKey(e.expiration, sequence), e.name[:]},
	} {
		if err := row.bucket.Put(row.key, row.value); err != nil {
			return err
		}
	}
	if !queued {
		return nil
	}
	return t.queue.Put(key, nil)
}
