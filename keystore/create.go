package keystore

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"sessiontool/keystore/internal/tree"
)

// Create creates a keystore in dir and opens it. It creates dir if necessary. The passphrase of unlock protects the
// keystore; without one, the key file does, which Create makes if it does not exist.
//
// If dir already has a keystore, or another process creates one at the same moment, Create opens that one. Errors:
// [ErrUnsuitable], [ErrPermissions], and those of [Open]. After kill -9 there is either a complete keystore or none;
// calling Create again is safe.
func Create(ctx context.Context, dir string, unlock Unlock, options Options) (*Store, error) {
	options = options.withDefaults()
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseName)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return Open(ctx, dir, unlock, options)
	}
	if err := probeDir(dir, options); err != nil {
		return nil, err
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
		// Open reuses the passphrase, so the user types it once.
		unlock.Passphrase = func(context.Context) ([]byte, error) { return bytes.Clone(passphrase), nil }
	} else {
		var err error
		if sealed, err = sealWithKeyFile(f, data, unlock.keyFile(dir), options); err != nil {
			return nil, err
		}
		options.reach(StageKeyFile)
	}
	store := newStore(dir, options, f, data)
	err := publish(path, options, func(temporary *os.File) error {
		if err := tree.Create(options.disk(temporary), store.keys.tree, header{format: f, wrap: sealed}.head()); err != nil {
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
	return store, nil
}
