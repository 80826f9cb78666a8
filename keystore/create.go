package keystore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// Create makes a keystore in dir, which is made too unless it is there, and opens it. The passphrase of unlock protects
// it if there is one, else the key file, which is made unless it is there.
//
// If dir has a keystore already, or another process makes one at the same moment, that one is opened instead: the
// errors are those of Open. After kill -9 there is a whole keystore, or none and Create can be called again.
func Create(ctx context.Context, dir string, unlock Unlock, options Options) (*Store, error) {
	options = options.withDefaults()
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return Open(ctx, dir, unlock, options)
	}

	f, data := newFormat(), newSecret()
	var sealed wrap
	if unlock.Passphrase != nil {
		passphrase, err := unlock.ask(ctx)
		if err != nil {
			return nil, err
		}
		defer clear(passphrase)
		sealed = sealWithPassphrase(f, data, passphrase, options.kdf)
		// Nobody is asked twice if Open is needed after all.
		unlock.Passphrase = func(context.Context) ([]byte, error) { return bytes.Clone(passphrase), nil }
	} else {
		var err error
		if sealed, err = sealWithKeyFile(f, data, unlock.keyFile(dir)); err != nil {
			return nil, err
		}
		options.reach(StageKeyFile)
	}
	err := publish(path, func(temporary *os.File) error {
		if err := initialize(temporary.Name(), f, sealed); err != nil {
			return err
		}
		options.reach(StagePublish)
		return nil
	})
	if errors.Is(err, fs.ErrExist) {
		return Open(ctx, dir, unlock, options)
	}
	if err != nil {
		return nil, err
	}
	return newStore(dir, options, f, data), nil
}

// initialize turns the empty file at path into a keystore without accounts, and syncs it.
func initialize(path string, f format, w wrap) (err error) {
	// Nobody else knows the file yet, so one sync at the end will do.
	db, err := bbolt.Open(path, 0, &bbolt.Options{NoSync: true, NoGrowSync: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Update(func(tx *bbolt.Tx) error {
		records, err := tx.CreateBucket(recordsBucket)
		if err != nil {
			return err
		}
		return errors.Join(records.Put(formatKey, f[:]), records.Put(wrapKey, w.encode()))
	})
	if err != nil {
		return err
	}
	// Growing it later would take the first change a sync more.
	if err := os.Truncate(path, initialSize); err != nil {
		return err
	}
	return db.Sync()
}
