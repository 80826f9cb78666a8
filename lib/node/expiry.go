package node

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/binary"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// sweepInterval is that of the 2020 server (node notes, section 6).
	sweepInterval = 10 * time.Second
	// sweepBatch bounds how long a sweep keeps new messages waiting.
	sweepBatch = 500
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
// stores nor grows a transaction without bound. It returns their number, or that so far if ctx ended.
func (s *store) sweep(ctx context.Context, now int64) (removed int, err error) {
	for ctx.Err() == nil {
		expired, err := s.expired(now, sweepBatch)
		if err != nil || len(expired) == 0 {
			return removed, err
		}
		if err := s.remove(expired); err != nil {
			return removed, err
		}
		removed += len(expired)
	}
	return removed, nil
}

// indexEntry is one entry of the expiry index: expiration and sequence number, owner and hash.
type indexEntry struct{ key, name []byte }

// expired returns the first entries of the expiry index, at most limit of them, that are due at now. Reading first
// spares a node with nothing to remove the write.
func (s *store) expired(now int64, limit int) (due []indexEntry, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		end := expiryKey(now+1, 0)
		cursor := tx.Bucket(expiryBucket).Cursor()
		for key, name := cursor.First(); key != nil && len(due) < limit && bytes.Compare(key, end) < 0; key, name = cursor.Next() {
			due = append(due, indexEntry{bytes.Clone(key), bytes.Clone(name)})
		}
		return nil
	})
	return due, err
}

// remove deletes messages together with their index entries.
func (s *store) remove(entries []indexEntry) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		messages, hashes, expiries := tx.Bucket(messageBucket), tx.Bucket(hashBucket), tx.Bucket(expiryBucket)
		for _, entry := range entries {
			if len(entry.key) != 16 || len(entry.name) < sha512.Size {
				return errStoreDamage
			}
			owner := string(entry.name[:len(entry.name)-sha512.Size])
			sequence := binary.BigEndian.Uint64(entry.key[8:])
			if err := messages.Delete(messageKey(owner, sequence)); err != nil {
				return err
			}
			if err := hashes.Delete(entry.name); err != nil {
				return err
			}
			if err := expiries.Delete(entry.key); err != nil {
				return err
			}
		}
		return nil
	})
}
