package keystore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"sessiontool/keystore/internal/tree"
)

// Store is an unlocked keystore. It holds the data key in memory and no open file, so it needs no Close. Goroutines may
// share a Store, and Stores of any number of processes may share a directory.
type Store struct {
	dir     string
	options Options
	format  format
	keys    *keys
	probed  atomic.Bool // probe has found that locks exclude others
}

func newStore(dir string, options Options, f format, data secret) *Store {
	return &Store{dir: dir, options: options, format: f, keys: newKeys(data)}
}

// Format prints the directory for every verb: some verbs would follow pointers to the keys.
func (s *Store) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "keystore.Store(%s)", s.dir) }

// Open unlocks the keystore in dir. It reads the file under the lock and closes it before it asks for a passphrase.
// Errors: [ErrNotFound], [ErrPermissions], [ErrLocked], [ErrVersion], [ErrCorrupt], [ErrTooCostly],
// [ErrPassphraseRequired], [ErrPassphrase], [ErrKeyFile], or the error of ctx.
func Open(ctx context.Context, dir string, unlock Unlock, options Options) (*Store, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	return openFile(ctx, dir, filepath.Join(dir, databaseName), unlock, options.withDefaults())
}

// OpenAccount is [Open] followed by [Store.View] of the named account, or of the only account if name is empty. It also
// returns the account's name. With a key file, all of it is one transaction. Further errors: [ErrAccountNotFound],
// [ErrSeveralAccounts], or the error of fn.
func OpenAccount(ctx context.Context, dir string, unlock Unlock, options Options, name string,
	fn func(*Tx) error) (*Store, string, error) {
	if err := checkDir(dir); err != nil {
		return nil, "", err
	}
	var store *Store
	view := func(records *tree.Tx) (err error) {
		if name == "" {
			name, err = store.onlyAccount(records)
		}
		if err != nil {
			return err
		}
		return store.work(records, name, false, fn)
	}
	options, path := options.withDefaults(), filepath.Join(dir, databaseName)
	h, err := inspect(ctx, path, options, func(db *database, h header) error {
		if h.wrap.kind != wrappedByKeyFile {
			return nil // Open asks for the passphrase after it released the lock
		}
		data, err := unlock.open(ctx, dir, h)
		if err != nil {
			return err
		}
		store = newStore(dir, options, h.format, data)
		return db.transact(store.keys.tree, false, view)
	})
	if err == nil && store == nil {
		store, err = finishOpening(ctx, dir, path, h, unlock, options)
		if err == nil {
			err = store.withRecords(ctx, false, view)
		}
	}
	if err != nil {
		return nil, "", err
	}
	return store, name, nil
}

// openFile unlocks the database file at path. That file is, or is about to become, the keystore of dir.
func openFile(ctx context.Context, dir, path string, unlock Unlock, options Options) (*Store, error) {
	h, err := readHeader(ctx, path, options)
	if err != nil {
		return nil, err
	}
	return finishOpening(ctx, dir, path, h, unlock, options)
}

// finishOpening is openFile after the header was read.
func finishOpening(ctx context.Context, dir, path string, h header, unlock Unlock, options Options) (*Store, error) {
	data, err := unlock.open(ctx, dir, h)
	if err != nil {
		return nil, err
	}
	if h.format1 {
		if err := convert(ctx, path, data, options); err != nil {
			return nil, err
		}
	}
	return newStore(dir, options, h.format, data), nil
}

func readHeader(ctx context.Context, path string, options Options) (header, error) {
	return inspect(ctx, path, options, func(*database, header) error { return nil })
}

// inspect reads the header of the database file at path. It calls fn under the same lock, unless the keystore has
// format 1.
func inspect(ctx context.Context, path string, options Options,
	fn func(*database, header) error) (h header, err error) {
	db, err := openDatabase(ctx, path, false, options)
	if err != nil {
		return h, err
	}
	h, err = db.header(ctx)
	if err == nil && !h.format1 {
		err = fn(db, h)
	}
	if closeErr := db.close(); err == nil {
		err = closeErr
	}
	return h, err
}

// header reads the header.
func (db *database) header(ctx context.Context) (header, error) {
	state, err := db.read()
	if errors.Is(err, ErrCorrupt) && isFormat1(db.file) {
		content, err := readWhole(ctx, db.file)
		if err != nil {
			return header{}, err
		}
		return readFormat1Header(content)
	}
	if err != nil {
		return header{}, err
	}
	return parseHead(state.Head())
}

// DeriveKey returns a key for a file beside the keystore: a process that can open the keystore can open that file, and no
// other process can. The same purpose gives the same key as long as the keystore exists. The key says nothing of other keys.
func (s *Store) DeriveKey(purpose string) [32]byte {
	return s.keys.data.derive("sessiontool keystore beside: " + purpose)
}

// View calls fn with a consistent, read-only view of an account. Views of all processes run in parallel, but not
// alongside an Update. Fn must therefore be brief: no network, no user input. Ctx bounds the wait for the lock, not fn.
// Errors: the error of fn, [ErrAccountNotFound], [ErrLocked], and those of [Open].
func (s *Store) View(ctx context.Context, account string, fn func(*Tx) error) error {
	return s.inAccount(ctx, account, false, fn)
}

// Update calls fn with an account, which fn may change. If fn returns nil, all changes are durable when Update returns.
// If fn returns an error or panics, nothing changes. Updates run one after another. [Store.View] says what fn must not
// do, and lists the errors; Update adds [ErrNotWritable] and [ErrUnsuitable].
func (s *Store) Update(ctx context.Context, account string, fn func(*Tx) error) error {
	return s.inAccount(ctx, account, true, fn)
}

// Check reads everything in the keystore and returns the number of records. It returns [ErrCorrupt] for any damage,
// also to what no command would read.
func (s *Store) Check(ctx context.Context) (records int, err error) {
	err = s.withRecords(ctx, false, func(tx *tree.Tx) error {
		records, err = tx.Check(ctx.Err)
		return err
	})
	return records, err
}

// CheckWritable returns the error that an Update would return, such as [ErrNotWritable] or [ErrUnsuitable]. It changes
// nothing.
func (s *Store) CheckWritable(ctx context.Context) error {
	return s.withDatabase(ctx, true, func(*database) error { return nil })
}

// withDatabase opens the database for fn. It waits for the lock as long as ctx and the lock timeout allow, and probes
// the first exclusive lock of a Store.
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
	if writable && !s.probed.Load() {
		if err := db.probe(); err != nil {
			return err
		}
		s.probed.Store(true)
	}
	return fn(db)
}

// transact calls fn with all records in one transaction. It touches nothing if another keystore has replaced the one
// that this Store has unlocked.
func (s *Store) transact(db *database, writable bool, fn func(*tree.Tx) error) error {
	if err := s.own(db); err != nil {
		return err
	}
	return db.transact(s.keys.tree, writable, fn)
}

// own returns [ErrNotFound] if the database belongs to another keystore than the one that this Store has unlocked.
func (s *Store) own(db *database) error {
	state, err := db.read()
	if err == nil && formatOf(state.Head().ID) != s.format {
		err = fmt.Errorf("%w: another keystore has replaced it: %s", ErrNotFound, s.dir)
	}
	return err
}

// withRecords is withDatabase followed by transact.
func (s *Store) withRecords(ctx context.Context, writable bool, fn func(*tree.Tx) error) error {
	return s.withDatabase(ctx, writable, func(db *database) error { return s.transact(db, writable, fn) })
}

// Compact returns free space to the file system. When it returns, the erasure of replaced and deleted records is
// durable.
func (s *Store) Compact(ctx context.Context) error {
	return s.withDatabase(ctx, true, func(db *database) error {
		if err := s.own(db); err != nil {
			return err
		}
		return tree.Compact(db.options.disk(db.file), s.keys.tree, ctx.Err)
	})
}

// Size returns the size of the keystore's file in bytes.
func (s *Store) Size() (int64, error) {
	info, err := os.Stat(filepath.Join(s.dir, databaseName))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
