package keystore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sessiontool/keystore/internal/tree"
)

// Unlock says what opens a keystore: a passphrase or a key file. The zero value is the key file in the keystore's own
// directory, so cron needs no input.
type Unlock struct {
	// Passphrase returns the passphrase. Open calls it only if the keystore has a passphrase, and never while it holds
	// a lock. The bytes are wiped after use. If Passphrase is set, Create and ChangePassphrase protect the keystore
	// with it.
	Passphrase func(ctx context.Context) ([]byte, error)
	// KeyFile is the path of the key file: 32 raw bytes, mode 0600 or narrower. Empty means keystore.key in the
	// keystore's directory.
	KeyFile string
}

// ask returns the passphrase, which the caller wipes. An empty passphrase is [ErrPassphraseRequired].
func (u Unlock) ask(ctx context.Context) ([]byte, error) {
	if u.Passphrase == nil {
		return nil, ErrPassphraseRequired
	}
	passphrase, err := u.Passphrase(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading passphrase: %w", err)
	}
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("%w: the one given is empty", ErrPassphraseRequired)
	}
	return passphrase, nil
}

func (u Unlock) keyFile(dir string) string {
	if u.KeyFile != "" {
		return u.KeyFile
	}
	return filepath.Join(dir, keyFileName)
}

// open unwraps the data key of the keystore in dir.
func (u Unlock) open(ctx context.Context, dir string, h header) (secret, error) {
	f, w := h.format, h.wrap
	if w.kind == wrappedByKeyFile {
		key, err := readKeyFile(u.keyFile(dir))
		if err != nil {
			return secret{}, err
		}
		data, err := w.open(f, key)
		if err != nil {
			return secret{}, fmt.Errorf("%w: %s", ErrKeyFile, u.keyFile(dir))
		}
		return data, nil
	}
	passphrase, err := u.ask(ctx)
	if err != nil {
		return secret{}, err
	}
	defer clear(passphrase)
	key, err := w.kdf.keyWithin(ctx, passphrase, w.salt)
	if err != nil {
		return secret{}, err
	}
	data, err := w.open(f, key)
	if err != nil {
		return secret{}, ErrPassphrase
	}
	return data, nil
}

// sealWithKeyFile wraps the data key under the key file at path, which it creates if necessary.
func sealWithKeyFile(f format, data secret, path string, options Options) (wrap, error) {
	key, err := ensureKeyFile(path, options)
	if err != nil {
		return wrap{}, err
	}
	w := newKeyFileWrap()
	w.seal(f, key, data)
	return w, nil
}

// sealWithPassphrase wraps the data key under a passphrase.
func sealWithPassphrase(f format, data secret, passphrase []byte, p kdf) wrap {
	w := newPassphraseWrap(p)
	w.seal(f, p.key(passphrase, w.salt), data)
	return w
}

// ensureKeyFile returns the key at path. If the file does not exist, ensureKeyFile publishes a complete and synced one.
// If two processes do this at once, both return the same key.
func ensureKeyFile(path string, options Options) (secret, error) {
	key, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	err = publish(path, options, func(temporary *os.File) error {
		key := newSecret()
		if _, err := temporary.Write(key[:]); err != nil {
			return err
		}
		return temporary.Sync()
	})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return secret{}, fmt.Errorf("making key file: %w", err)
	}
	return readKeyFile(path)
}

// readKeyFile returns [ErrKeyFile], [ErrPermissions] if other users may read the file, or the error of reading it.
func readKeyFile(path string) (secret, error) {
	file, err := openRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	if err != nil {
		return secret{}, err
	}
	defer file.Close()
	if err := checkPrivate(file); err != nil {
		return secret{}, err
	}
	content, err := io.ReadAll(io.LimitReader(file, int64(len(secret{})+1)))
	if err != nil {
		return secret{}, fmt.Errorf("reading key file: %w", err)
	}
	defer clear(content)
	if len(content) != len(secret{}) {
		return secret{}, fmt.Errorf("%w: %s does not have %d bytes", ErrKeyFile, path, len(secret{}))
	}
	return secret(content), nil
}

// ChangePassphrase changes what opens the keystore: the passphrase of unlock if it has one, else its key file, which is
// created if necessary. The data key stays the same. Other processes that have the keystore open therefore continue,
// and the former passphrase still opens former copies of the file.
//
// A change from a key file to a passphrase removes keystore.key from the keystore's directory. Key files elsewhere
// stay.
func (s *Store) ChangePassphrase(ctx context.Context, unlock Unlock) error {
	// Derive the key before taking the lock: it is slow.
	var sealed wrap
	if unlock.Passphrase != nil {
		passphrase, err := unlock.ask(ctx)
		if err != nil {
			return err
		}
		sealed = sealWithPassphrase(s.format, s.keys.data, passphrase, s.options.kdf)
		clear(passphrase)
	}
	// Key files are created and removed under the lock, so that no other change refers to a file that is being removed.
	return s.withDatabase(ctx, true, func(db *database) error {
		if unlock.Passphrase == nil {
			var err error
			if sealed, err = sealWithKeyFile(s.format, s.keys.data, unlock.keyFile(s.dir), s.options); err != nil {
				return err
			}
			s.options.reach(StageKeyFile)
		}
		err := s.transact(db, true, func(records *tree.Tx) error { return records.SetPart(sealed.encode()) })
		if err != nil || unlock.Passphrase == nil {
			return err
		}
		if err := os.Remove(filepath.Join(s.dir, keyFileName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("passphrase is set, but the old key file remains: %w", err)
		}
		return nil
	})
}
