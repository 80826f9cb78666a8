package keystore

import (
	"context"
	"fmt"
	"path/filepath"

	"go.etcd.io/bbolt"
)

var (
	recordsBucket = []byte("keystore")
	formatKey     = []byte("format")
	wrapKey       = []byte("wrap")
)

// Store is an unlocked keystore. It holds the data key in memory and no file open, so it need not be closed. It may be
// used by several goroutines, and several Stores, of any number of processes, may share a directory.
type Store struct {
	dir     string
	options Options
	format  format
	keys    *keys
}

func newStore(dir string, options Options, f format, data secret) *Store {
	return &Store{dir: dir, options: options, format: f, keys: newKeys(data)}
}

// Format prints the directory whatever the verb is: some verbs would follow pointers to the keys.
func (s *Store) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "keystore.Store(%s)", s.dir) }

// Open unlocks the keystore in dir. The file is read under its lock and closed again before a passphrase is asked for.
// It returns ErrNotFound, ErrPermissions, ErrLocked, ErrVersion, ErrCorrupt, ErrPassphraseRequired, ErrPassphrase or
// ErrKeyFile, or ctx's error.
func Open(ctx context.Context, dir string, unlock Unlock, options Options) (*Store, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	return openFile(ctx, dir, filepath.Join(dir, databaseName), unlock, options.withDefaults())
}

// OpenAccount is Open and then View in one, of the account of that name, or of the only one if name is empty. It returns
// the account's name, too. Where a key file opens the keystore, all of it is one transaction. The error is also
// ErrAccountNotFound, ErrSeveralAccounts or fn's.
func OpenAccount(ctx context.Context, dir string, unlock Unlock, options Options, name string, fn func(*Tx) error) (*Store, string, error) {
	if err := checkDir(dir); err != nil {
		return nil, "", err
	}
	var store *Store
	view := func(db *database, records *bbolt.Bucket) (err error) {
		if name == "" {
			name, err = store.onlyAccount(db, records)
		}
		if err != nil {
			return err
		}
		return store.work(db, records, name, false, fn)
	}
	options = options.withDefaults()
	f, w, err := inspect(ctx, filepath.Join(dir, databaseName), options, func(db *database, records *bbolt.Bucket, f format, w wrap) error {
		if w.kind != wrappedByKeyFile {
			return nil // nobody is asked for a passphrase under the lock
		}
		data, err := unlock.open(ctx, dir, f, w)
		if err != nil {
			return err
		}
		store = newStore(dir, options, f, data)
		return view(db, records)
	})
	if err == nil && store == nil {
		var data secret
		if data, err = unlock.open(ctx, dir, f, w); err != nil {
			return nil, "", err
		}
		store = newStore(dir, options, f, data)
		err = store.withDatabase(ctx, false, func(db *database) error {
			return store.transact(db, false, func(records *bbolt.Bucket) error { return view(db, records) })
		})
	}
	if err != nil {
		return nil, "", err
	}
	return store, name, nil
}

// openFile unlocks the database file at path, which is, or is about to become, that of the keystore in dir.
func openFile(ctx context.Context, dir, path string, unlock Unlock, options Options) (*Store, error) {
	f, w, err := readHeader(ctx, path, options)
	if err != nil {
		return nil, err
	}
	data, err := unlock.open(ctx, dir, f, w)
	if err != nil {
		return nil, err
	}
	return newStore(dir, options, f, data), nil
}

func readHeader(ctx context.Context, path string, options Options) (format, wrap, error) {
	return inspect(ctx, path, options, func(*database, *bbolt.Bucket, format, wrap) error { return nil })
}

// inspect reads the header of the database file at path and calls fn with it and all records, in the same transaction.
func inspect(ctx context.Context, path string, options Options, fn func(*database, *bbolt.Bucket, format, wrap) error) (f format, w wrap, err error) {
	db, err := openDatabase(ctx, path, false, options)
	if err != nil {
		return f, w, err
	}
	err = db.transact(false, func(tx *bbolt.Tx) error {
		var records *bbolt.Bucket
		err := db.guard(func() (err error) {
			if records, f, err = recordsOf(tx); err == nil {
				w, err = parseWrap(records.Get(wrapKey))
			}
			return err
		})
		if err != nil {
			return err
		}
		return fn(db, records, f, w)
	})
	if closeErr := db.close(); err == nil {
		err = closeErr
	}
	return f, w, err
}

// View calls fn with a consistent view of an account, which it may read. Views of all processes run side by side, but
// not beside an Update, so fn has to be brief: no network, no waiting for people. Ctx bounds the wait for the lock, not
// fn. View returns fn's error, ErrAccountNotFound, ErrLocked, or one of Open's.
func (s *Store) View(ctx context.Context, account string, fn func(*Tx) error) error {
	return s.inAccount(ctx, account, false, fn)
}

// Update calls fn with an account, which it may change. If fn returns nil, all changes are durable when Update
// returns; if fn returns an error or panics, none has happened. Updates run one after another; see View for the rest.
func (s *Store) Update(ctx context.Context, account string, fn func(*Tx) error) error {
	return s.inAccount(ctx, account, true, fn)
}

// withDatabase opens the database for fn, waiting for the lock as long as ctx and the lock timeout allow.
func (s *Store) withDatabase(ctx context.Context, writable bool, fn func(*database) error) (err error) {
	if err := checkDir(s.dir); err != nil {
		return err
	}
	db, err := openDatabase(ctx, filepath.Join(s.dir, databaseName), writable, s.options)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := db.close(); err == nil {
			err = closeErr
		}
	}()
	return fn(db)
}

// transact calls fn with all records, in one transaction of the keystore that this Store has unlocked. If by now a newer
// program has changed the format, or another keystore is in its place, nothing is touched.
func (s *Store) transact(db *database, writable bool, fn func(records *bbolt.Bucket) error) error {
	return db.transact(writable, func(tx *bbolt.Tx) error {
		var records *bbolt.Bucket
		err := db.guard(func() error {
			all, stored, err := recordsOf(tx)
			if err == nil && stored != s.format {
				err = fmt.Errorf("%w: another one is in its place: %s", ErrNotFound, s.dir)
			}
			records = all
			return err
		})
		if err != nil {
			return err
		}
		return fn(records)
	})
}

// recordsOf returns the bucket of all records and the format that it states.
func recordsOf(tx *bbolt.Tx) (*bbolt.Bucket, format, error) {
	records := tx.Bucket(recordsBucket)
	if records == nil {
		return nil, format{}, fmt.Errorf("%w: no records", ErrCorrupt)
	}
	f, err := parseFormat(records.Get(formatKey))
	return records, f, err
}
