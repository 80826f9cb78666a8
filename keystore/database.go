package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	// initialSize is what the file grows to at once, sparsely, so that writes rarely have to grow it.
	initialSize = 1 << 20
	// minSize is the size of an empty bbolt file: 4 pages of at least 4 KiB.
	minSize = 16 << 10

	firstRetry = time.Millisecond
	lastRetry  = 8 * time.Millisecond
)

// database is keystore.db while it is open: under its lock, for one transaction.
type database struct {
	bolt    *bbolt.DB
	file    *os.File
	options Options
	// damaged is set once bbolt panicked: it may hold its own mutexes then, and must not write any more.
	damaged bool
}

// openDatabase opens the file at path. It waits for the lock, shared for reading and exclusive for writing, until ctx is
// over or the lock timeout has passed.
func openDatabase(ctx context.Context, path string, writable bool, options Options) (*database, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	db, err := tryOpenDatabase(path, writable, options)
	if !errors.Is(err, berrors.ErrTimeout) { // as mostly: a context that waits costs more than that
		return db, err
	}
	ctx, cancel := options.wait(ctx)
	defer cancel()
	for retry := firstRetry; errors.Is(err, berrors.ErrTimeout); retry = min(2*retry, lastRetry) {
		// Waiting at random keeps processes that compete from falling into step.
		timer := time.NewTimer(retry/2 + rand.N(retry))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
		db, err = tryOpenDatabase(path, writable, options)
	}
	return db, err
}

// tryOpenDatabase returns bbolt's ErrTimeout if the lock is held.
func tryOpenDatabase(path string, writable bool, options Options) (*database, error) {
	db := &database{options: options}
	boltOptions := &bbolt.Options{
		ReadOnly: !writable,
		// bbolt's own waiting cannot be cancelled. Any timeout below its retry interval means a single try.
		Timeout: time.Nanosecond,
		// The free pages are kept in the file, because finding them again would mean reading all of it at each open.
		// With the few there are, an array is loaded faster than a map.
		FreelistType:    bbolt.FreelistArrayType,
		InitialMmapSize: initialSize,
		NoStatistics:    true,
		OpenFile: func(path string, flag int, mode os.FileMode) (file *os.File, err error) {
			db.file, err = openExisting(path, flag&^os.O_CREATE, mode)
			return db.file, err
		},
	}
	err := db.guard(func() (err error) {
		db.bolt, err = bbolt.Open(path, 0, boltOptions)
		return err
	})
	switch {
	case err == nil:
		return db, nil
	case db.damaged:
		return nil, errors.Join(err, db.close())
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNotFound, filepath.Dir(path))
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	}
	return nil, err
}

// openExisting opens a file that has to be private and at least as long as an empty database: bbolt would take an empty
// file for a new one.
func openExisting(path string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkMode(path, info.Mode())
	}
	if err == nil && info.Size() < minSize {
		err = fmt.Errorf("%w: %s has %d bytes", ErrCorrupt, path, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// close gives the lock back. A damaged database is abandoned with its memory mapping, since bbolt's Close could wait
// for ever. The mapping keeps the file in use, so the lock has to be released explicitly.
func (db *database) close() error {
	if db.damaged {
		return errors.Join(releaseLock(db.file), db.file.Close())
	}
	return db.bolt.Close()
}

// guard calls fn, which uses bbolt, and turns panics and memory faults into ErrCorrupt: bbolt trusts the pages of its
// file. Functions of callers are not called under it, so their panics stay panics.
func (db *database) guard(fn func() error) (err error) {
	if db.damaged {
		return ErrCorrupt
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			db.damaged = true
			err = fmt.Errorf("%w: %v", ErrCorrupt, cause)
		}
	}()
	return fn()
}

// transact calls fn in one transaction, which is committed if it is writable and fn returns nil.
func (db *database) transact(writable bool, fn func(*bbolt.Tx) error) (err error) {
	var tx *bbolt.Tx
	err = db.guard(func() (err error) {
		tx, err = db.bolt.Begin(writable)
		return err
	})
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if committed || db.damaged {
			return
		}
		if rollbackErr := db.guard(tx.Rollback); err == nil {
			err = rollbackErr
		}
	}()
	if err := fn(tx); err != nil || !writable {
		return err
	}
	db.options.reach(StageBeforeCommit)
	committed = true
	if err := db.guard(tx.Commit); err != nil {
		return err
	}
	db.options.reach(StageAfterCommit)
	return nil
}
