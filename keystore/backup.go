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

// Backup writes a consistent copy of the keystore to w: what Restore reads. It holds all records, sealed as they are
// here, and nothing of what was deleted. It opens with passphrase, or with the keystore's own if passphrase is nil: then
// a keystore with a key file, which nothing in the copy could open, is ErrPassphraseRequired.
//
// The lock is held for a local copy only, so w may be slow.
func (s *Store) Backup(ctx context.Context, w io.Writer, passphrase func(context.Context) ([]byte, error)) (err error) {
	var sealed *wrap
	if passphrase != nil {
		text, err := (Unlock{Passphrase: passphrase}).ask(ctx)
		if err != nil {
			return err
		}
		made := sealWithPassphrase(s.format, s.keys.data, text, s.options.kdf)
		clear(text)
		sealed = &made
	}
	dir, err := os.MkdirTemp(s.dir, databaseName+".backup-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	snapshot, compact := filepath.Join(dir, "snapshot"), filepath.Join(dir, "compact")
	if err := s.copyTo(ctx, snapshot); err != nil {
		return err
	}
	if err := rewrap(ctx, snapshot, sealed, s.options); err != nil {
		return err
	}
	if err := compactTo(ctx, compact, snapshot, s.options); err != nil {
		return err
	}
	file, err := os.Open(compact)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(w, &contextReader{ctx, file})
	return err
}

// copyTo makes a file at path with all pages of the database.
func (s *Store) copyTo(ctx context.Context, path string) (err error) {
	snapshot, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	return s.withDatabase(ctx, false, func(db *database) error {
		return s.transact(db, false, func(records *bbolt.Bucket) error {
			return db.guard(func() error {
				_, err := records.Tx().WriteTo(snapshot)
				return err
			})
		})
	})
}

// rewrap makes sealed what opens the snapshot at path, unless it is nil. It returns ErrPassphraseRequired if a key file
// opens it then.
func rewrap(ctx context.Context, path string, sealed *wrap, options Options) (err error) {
	if sealed == nil {
		_, current, err := readHeader(ctx, path, options)
		if err == nil && current.kind == wrappedByKeyFile {
			err = fmt.Errorf("%w: a backup needs one, and this keystore has a key file", ErrPassphraseRequired)
		}
		return err
	}
	options.CommitHook = nil // the keystore itself does not change
	db, err := openDatabase(ctx, path, true, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	return db.transact(true, func(tx *bbolt.Tx) error {
		return db.guard(func() error { return tx.Bucket(recordsBucket).Put(wrapKey, sealed.encode()) })
	})
}

// compactTo makes a database at path with the records of the one at source. The pages of source that are free stay
// behind: they may hold what was deleted, and the data key as it was sealed under a former passphrase.
func compactTo(ctx context.Context, path, source string, options Options) (err error) {
	from, err := openDatabase(ctx, source, false, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoGrowSync: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	const transactionSize = 4 << 20
	return from.guard(func() error { return bbolt.Compact(to, from.bolt, transactionSize) })
}

// Restore makes a keystore in dir, which is made too unless it is there, from a Backup, and opens it. Unlock has to
// have the backup's passphrase, which becomes the keystore's. Nothing appears in dir if the backup is unreadable. It
// returns ErrExists if dir has a keystore already, and Open's errors.
func Restore(ctx context.Context, dir string, r io.Reader, unlock Unlock, options Options) (*Store, error) {
	options = options.withDefaults()
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	}
	var store *Store
	err := publish(path, func(temporary *os.File) (err error) {
		if _, err := io.Copy(temporary, &contextReader{ctx, r}); err != nil {
			return err
		}
		if err := temporary.Sync(); err != nil {
			return err
		}
		if store, err = openFile(ctx, dir, temporary.Name(), unlock, options); err != nil {
			return err
		}
		return checkComplete(ctx, temporary.Name(), options)
	})
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	}
	if err != nil {
		return nil, err
	}
	return store, nil
}

// checkComplete returns ErrCorrupt if the end of the database at path is missing. What is there is authenticated when
// it is read.
func checkComplete(ctx context.Context, path string, options Options) (err error) {
	db, err := openDatabase(ctx, path, false, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	info, err := db.file.Stat()
	if err != nil {
		return err
	}
	return db.transact(false, func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: it has %d bytes of %d", ErrCorrupt, info.Size(), tx.Size())
		}
		return nil
	})
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
