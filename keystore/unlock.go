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
// directory, which lets cron work without anybody typing.
type Unlock struct {
	// Passphrase returns the passphrase. Open calls it only if the keystore has one, never while a lock is held. The
	// bytes are wiped after use. When set, Create and ChangePassphrase protect the keystore with it.
	Passphrase func(ctx context.Context) ([]byte, error)
	// KeyFile is the path of the key file, 32 raw bytes of mode 0600 or narrower. Empty means keystore.key in the
	// keystore's directory.
	KeyFile string
}

// ask returns the passphrase, which the caller wipes. An empty one counts as none.
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

// sealWithKeyFile wraps the data key under the key file at path, which it makes unless it is there.
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

// ensureKeyFile returns the key at path. If there is none it makes one, which is complete and on disk before it has
// its name: of two processes doing this at once, both return the key of one of them.
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

// readKeyFile returns ErrKeyFile, ErrPermissions if others may read the file, or why it could not be read just now.
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

// ChangePassphrase makes unlock what opens the keystore from now on: its passphrase if it has one, else its key file,
// which is made unless it is there. The data key stays the same, so other processes that have the keystore open go on
// working, and whoever knows the former passphrase can still read former copies of the file.
//
// Going from a key file to a passphrase removes keystore.key from the keystore's directory; key files elsewhere are
// left alone.
func (s *Store) ChangePassphrase(ctx context.Context, unlock Unlock) error {
	// The slow part is done before the lock is taken.
	var sealed wrap
	if unlock.Passphrase != nil {
		passphrase, err := unlock.ask(ctx)
		if err != nil {
			return err
		}
		sealed = sealWithPassphrase(s.format, s.keys.data, passphrase, s.options.kdf)
		clear(passphrase)
	}
	// Key files come and go under the lock, so that no one else's change can refer to a file that is being removed.
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
