package node

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// sweepInterval is that of the 2020 server (node notes, section 6).
	sweepInterval = 10 * time.Second
	// sweepTime is about how long a sweep may keep new messages waiting at a time; between these times it gives way for as
	// long. The number of messages that go at a time adapts to it, within bounds.
	sweepTime = 15 * time.Millisecond
	minSweep  = 64
	maxSweep  = 256
)

// sweepLoop removes expired messages until ctx ends. now is the node's clock.
func (s *store) sweepLoop(ctx context.Context, log *slog.Logger, now func() time.Time) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		removed, err := s.sweep(ctx, now().UnixMilli())
		if err != nil {
			log.Error("removing expired messages", "error", err)
		} else if removed > 0 {
			log.Debug("removed expired messages", "count", removed)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep removes the messages that have expired at now (milliseconds) batch by batch, so that it neither holds up
// stores for long nor grows a transaction without bound. It returns their number, or that so far if ctx ended.
func (s *store) sweep(ctx context.Context, now int64) (removed int, err error) {
	for size := minSweep; ctx.Err() == nil; {
		expired, err := s.expired(now, size)
		if err != nil || len(expired) == 0 {
			return removed, err
		}
		start := time.Now()
		if err := s.remove(expired); err != nil {
			return removed, err
		}
		removed += len(expired)
		s.removed.Add(uint64(len(expired)))
		took := time.Since(start)
		if took < sweepTime {
			size = min(2*size, maxSweep)
		} else {
			size = max(size/2, minSweep)
		}
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
	}
	return removed, nil
}

// indexEntry is one entry of the expiry index: expiration and sequence number, and name.
type indexEntry struct {
	key  []byte
	name messageName
}

// expired returns the first entries of the expiry index, at most limit of them, that are due at now. Reading first
// spares a node with nothing to remove the write.
func (s *store) expired(now int64, limit int) (due []indexEntry, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		end := expiryKey(now+1, 0)
		cursor := tx.Bucket(expiryBucket).Cursor()
		for key, name := cursor.First(); key != nil && len(due) < limit && bytes.Compare(key, end) < 0; key, name = cursor.Next() {
			if len(key) != 2*numberSize || len(name) != nameSize {
				return errStoreDamage
			}
			due = append(due, indexEntry{bytes.Clone(key), messageName(name)})
		}
		return nil
	})
	return due, err
}

// remove drops messages.
func (s *store) remove(entries []indexEntry) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		tables := openTables(tx, false)
		for _, entry := range entries {
			p, known, err := tables.find(entry.name)
			if err == nil && !known {
				err = errStoreDamage
			}
			if err == nil {
				err = tables.drop(entry.name, p)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
