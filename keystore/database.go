package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"sessiontool/keystore/internal/tree"
)

const (
	firstRetry = time.Millisecond
	lastRetry  = 8 * time.Millisecond
)

// database is keystore.db, open and locked for one transaction.
type database struct {
	file    *os.File
	path    string
	options Options
	state   *tree.State // nil before the first read
}

// errBusy reports that another process holds the lock or has just replaced the file.
var errBusy = errors.New("the lock is held")

// openDatabase opens the file at path and locks it: shared for reading, exclusive for writing. It retries until ctx
// ends or the lock timeout has passed.
func openDatabase(ctx context.Context, path string, writable bool, options Options) (*database, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	db, err := tryOpenDatabase(path, writable, options)
	if !errors.Is(err, errBusy) { // the usual case, without the cost of a timeout
		return db, err
	}
	ctx, cancel := options.wait(ctx)
	defer cancel()
	for retry := firstRetry; errors.Is(err, errBusy); retry = min(2*retry, lastRetry) {
		// A random delay keeps competing processes from retrying in step.
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

// tryOpenDatabase returns errBusy if the lock is held.
func tryOpenDatabase(path string, writable bool, options Options) (*database, error) {
	flag := os.O_RDONLY
	if writable {
		flag = os.O_RDWR
	}
	file, err := openExisting(path, flag)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNotFound, filepath.Dir(path))
	case writable && (errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)):
		return nil, fmt.Errorf("%w: %w", ErrNotWritable, err)
	case err != nil:
		return nil, err
	}
	db := &database{file: file, path: path, options: options}
	if err := db.lock(writable); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return db, nil
}

// lock takes the lock and returns errBusy if path names another file by then.
func (db *database) lock(exclusive bool) error {
	err := db.options.flock(db.file, exclusive)
	switch {
	case errors.Is(err, errBusy):
		return err
	case err != nil:
		return fmt.Errorf("%w: %s: locking: %w", ErrUnsuitable, filepath.Dir(db.path), err)
	}
	mine, err := db.file.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(db.path); err != nil || !os.SameFile(mine, named) {
		return errBusy
	}
	return nil
}

// probe returns [ErrUnsuitable] if the file system grants a second exclusive lock while the first one is held.
func (db *database) probe() error {
	second, err := openExisting(db.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = db.options.flock(second, false)
	if closeErr := second.Close(); closeErr != nil {
		return closeErr
	}
	switch {
	case errors.Is(err, errBusy):
		return nil
	case err == nil:
		return fmt.Errorf("%w: %s: a second exclusive lock was granted", ErrUnsuitable, filepath.Dir(db.path))
	}
	return fmt.Errorf("%w: %s: locking: %w", ErrUnsuitable, filepath.Dir(db.path), err)
}

// openExisting opens a regular file and checks that it is private.
func openExisting(path string, flag int) (*os.File, error) {
	file, err := openRegular(path, flag)
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// openRegular opens a file without blocking. It returns [ErrCorrupt] unless the file is regular: opening a named pipe
// could block for ever.
func openRegular(path string, flag int) (*os.File, error) {
	file, err := os.OpenFile(path, flag|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is not a regular file", ErrCorrupt, path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// close closes the file, which releases the lock.
func (db *database) close() error { return db.file.Close() }

// disk is the database file as package tree uses it.
type disk struct{ *os.File }

// Sync makes all writes durable.
func (d disk) Sync() error { return syncData(d.File) }

// Size returns the size of the file in bytes.
func (d disk) Size() (int64, error) {
	info, err := d.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// read reads the state of the file.
func (db *database) read() (*tree.State, error) {
	if db.state == nil {
		state, err := tree.Read(db.options.disk(db.file))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", db.path, err)
		}
		db.state = state
	}
	return db.state, nil
}

// transact calls fn in one transaction. It commits if the transaction is writable and fn returns nil.
func (db *database) transact(key tree.Key, writable bool, fn func(*tree.Tx) error) error {
	state, err := db.read()
	if err != nil {
		return err
	}
	tx, err := state.Begin(key, writable)
	if err != nil {
		return fmt.Errorf("%s: %w", db.path, err)
	}
	db.state = nil
	if err := fn(tx); err != nil || !writable {
		return err
	}
	db.options.reach(StageBeforeCommit)
	if err := tx.Commit(); err != nil {
		return err
	}
	db.options.reach(StageAfterCommit)
	return nil
}
