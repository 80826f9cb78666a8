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

// Create makes a keystore in dir, which is made too unless it is there, and opens it. The passphrase of unlock protects
// it if there is one, else the key file, which is made unless it is there.
//
// If dir has a keystore already, or another process makes one at the same moment, that one is opened instead: the
// errors are those of Open, or ErrUnsuitable. After kill -9 there is a whole keystore, or none and Create can be called
// again.
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
		// Nobody is asked twice if Open is needed after all.
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
		if err := tree.Create(disk{temporary}, store.keys.tree, header{format: f, wrap: sealed}.head()); err != nil {
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
