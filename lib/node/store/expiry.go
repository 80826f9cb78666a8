package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"sessiontool/lib/node/store/kv"
)

// Expired messages are removed in the transactions that store new ones, which costs no additional fsync. Each
// transaction removes more messages than it stores. While no client stores, the sweep makes transactions of its own.

const (
	// sweepInterval equals the interval of the 2020 server (storage-2.0.md section 6).
	sweepInterval = 10 * time.Second
	// sweepTime is about the time that removals add to a transaction.
	sweepTime = 10 * time.Millisecond
	// A transaction removes up to minSweep more messages than it stores. One that stores nothing removes as many as
	// take about sweepTime, between minSweep and maxSweep.
	minSweep = 32
	maxSweep = 512
)

// sweepLoop removes expired messages until ctx ends. now is the node's clock.
func (s *Store) sweepLoop(ctx context.Context, log *slog.Logger, now func() time.Time) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		removed, err := s.sweep(ctx, now().UnixMilli())
		if err != nil {
			log.Error("removing expired messages", "error", err)
		} else if removed > 0 {
			log.Debug("removed expired messages", "count", removed)
		}
		if err := s.sweepRequests(ctx, now().UnixMilli()); err != nil {
			log.Error("removing requests of expired messages", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep makes the committer remove the messages that have expired at now (milliseconds). While other calls keep the
// committer busy, sweep only waits. Otherwise it makes transactions of its own, with pauses between them. It returns
// the number of removed messages when none are left or ctx has ended.
func (s *Store) sweep(ctx context.Context, now int64) (removed uint64, err error) {
	before := s.removed.Load()
	s.sweepUntil.Store(now)
	for idle := true; ctx.Err() == nil; idle = s.idle(ctx) {
		var due []indexEntry
		err := s.db.View(func(tx *kv.Tx) (err error) {
			due, err = expired(tx, now, 1)
			return err
		})
		if err != nil || len(due) == 0 {
			return s.removed.Load() - before, err
		}
		if !idle {
			continue
		}
		// A committer that is busy or full removes expired messages nevertheless.
		if err := s.Insert(false); err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrFull) {
			return s.removed.Load() - before, err
		}
	}
	return s.removed.Load() - before, nil
}

// idle waits for sweepTime and reports whether no message was removed meanwhile.
func (s *Store) idle(ctx context.Context) bool {
	before := s.removed.Load()
	select {
	case <-time.After(sweepTime):
	case <-ctx.Done():
	}
	return s.removed.Load() == before
}

// indexEntry is one entry of the expiry index: expiration and sequence number, and name.
type indexEntry struct {
	key  []byte
	name Name
}

// expired returns the first entries of the expiry index, at most limit, that are due at now (milliseconds).
func expired(tx *kv.Tx, now int64, limit int) (due []indexEntry, err error) {
	end := expiryKey(now+1, 0)
	cursor := tx.Bucket(expiryBucket).Cursor()
	key, name := cursor.First()
	for ; key != nil && len(due) < limit && bytes.Compare(key, end) < 0; key, name = cursor.Next() {
		if len(key) != 2*numberSize || len(name) != NameSize {
			return nil, errDamage
		}
		due = append(due, indexEntry{bytes.Clone(key), Name(name)})
	}
	return due, nil
}

// removeExpired removes messages that are due for the sweep, with all index entries that point to them. It stops after
// limit messages or after sweepTime. It removes nothing from a damaged index; sweep reports the damage.
func (s *Store) removeExpired(tx *kv.Tx, limit int) (removed int, err error) {
	start := time.Now()
	due, damage := expired(tx, s.sweepUntil.Load(), limit)
	if damage != nil {
		return 0, nil
	}
	t := openTables(tx, false)
	for _, entry := range due {
		p, known, err := t.find(entry.name)
		switch {
		case err != nil:
			return removed, err
		case known && bytes.Equal(expiryKey(p.Expiration, p.sequence), entry.key):
			err = t.drop(entry.name, p)
		default: // an index entry without a message
			err = t.expiry.Delete(entry.key)
		}
		if err != nil {
			return removed, err
		}
		if removed++; time.Since(start) > sweepTime {
			break
		}
	}
	return removed, nil
}

// adaptSweep sets how many messages the next transaction without new messages may remove. took is the time of the
// latest such transaction.
func (s *Store) adaptSweep(took time.Duration) {
	if took < sweepTime {
		s.sweepSize = min(2*s.sweepSize, maxSweep)
	} else {
		s.sweepSize = max(s.sweepSize/2, minSweep)
	}
}
