package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"
)

// Expired messages go in the transactions in which new ones come: that costs no sync to the disk of its own, and while
// messages come more of them go. Where none come the sweep commits for itself.

const (
	// sweepInterval is that of the 2020 server (storage-2.0.md section 6).
	sweepInterval = 10 * time.Second
	// sweepTime is about how long expiry may make a transaction.
	sweepTime = 10 * time.Millisecond
	// A transaction removes minSweep more than come with it, or, if none come, as many as take about sweepTime, but between
	// minSweep and maxSweep.
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
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweep has the committer remove the messages that have expired at now (milliseconds). As long as others keep it busy that is
// all; otherwise there are transactions for this alone, between which it gives way. It returns how many have gone meanwhile
// when none are left or ctx has ended.
func (s *Store) sweep(ctx context.Context, now int64) (removed uint64, err error) {
	before := s.removed.Load()
	s.sweepUntil.Store(now)
	for idle := true; ctx.Err() == nil; idle = s.idle(ctx) {
		var due []indexEntry
		err := s.db.View(func(tx *bbolt.Tx) (err error) {
			due, err = expired(tx, now, 1)
			return err
		})
		if err != nil || len(due) == 0 {
			return s.removed.Load() - before, err
		}
		if !idle {
			continue
		}
		// A committer that is busy, or has no space for what comes, removes all the same.
		if err := s.Insert(false); err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrFull) {
			return s.removed.Load() - before, err
		}
	}
	return s.removed.Load() - before, nil
}

// idle waits for a moment and reports whether nothing was removed meanwhile.
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

// expired returns the first entries of the expiry index, at most limit of them, that are due at now.
func expired(tx *bbolt.Tx, now int64, limit int) (due []indexEntry, err error) {
	end := expiryKey(now+1, 0)
	cursor := tx.Bucket(expiryBucket).Cursor()
	for key, name := cursor.First(); key != nil && len(due) < limit && bytes.Compare(key, end) < 0; key, name = cursor.Next() {
		if len(key) != 2*numberSize || len(name) != NameSize {
			return nil, errDamage
		}
		due = append(due, indexEntry{bytes.Clone(key), Name(name)})
	}
	return due, nil
}

// removeExpired deletes messages that the sweep wants to go, together with everything that points to them, until limit of
// them have gone or sweepTime has passed. A damaged index removes nothing; sweep reports it.
func (s *Store) removeExpired(tx *bbolt.Tx, limit int) (removed int, err error) {
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
		default: // nothing else leads to it
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

// adaptSweep sets how many messages the next transaction without new ones may remove, after one that took so long.
func (s *Store) adaptSweep(took time.Duration) {
	if took < sweepTime {
		s.sweepSize = min(2*s.sweepSize, maxSweep)
	} else {
		s.sweepSize = max(s.sweepSize/2, minSweep)
	}
}
