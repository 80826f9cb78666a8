package keystore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Backup writes a consistent copy of keystore.db, sealed as the original is, to w: what Restore reads. The lock is
// held for a local copy only, so w may be slow. A keystore without a passphrase cannot be restored without its key
// file, which is not part of the backup.
func (s *Store) Backup(ctx context.Context, w io.Writer) (err error) {
	snapshot, err := os.CreateTemp(s.dir, databaseName+".backup-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close(), os.Remove(snapshot.Name())) }()
	err = s.withDatabase(ctx, false, func(db *database) error {
		return s.transact(db, false, func(records *bbolt.Bucket) error {
			return db.guard(func() error {
				_, err := records.Tx().WriteTo(snapshot)
				return err
			})
		})
	})
	if err != nil {
		return err
	}
	if _, err := snapshot.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(w, &contextReader{ctx, snapshot})
	return err
}

// Restore makes a keystore in dir, which is made too unless it is there, from a Backup, and opens it. Unlock has to
// open the backup; by default, keystore.key has to be put in dir first. Nothing appears in dir if the backup is
// unreadable. It returns ErrExists if dir has a keystore already, and Open's errors.
func Restore(ctx context.Context, dir string, r io.Reader, unlock Unlock, options Options) (*Store, error) {
	options = options.withDefaults()
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	var store *Store
	err := publish(filepath.Join(dir, databaseName), func(temporary *os.File) (err error) {
		if _, err := io.Copy(temporary, &contextReader{ctx, r}); err != nil {
			return err
		}
		if err := temporary.Sync(); err != nil {
			return err
		}
		store, err = openFile(ctx, dir, temporary.Name(), unlock, options)
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	}
	if err != nil {
		return nil, err
	}
	return store, nil
}

// contextReader is a reader that stops when its context does.
type contextReader struct {
	ctx    context.Context
	reader io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.reader.Read(p)
}
