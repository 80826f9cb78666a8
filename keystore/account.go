package keystore

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// accountID is random, so that values of a removed account fit nowhere in a later one of the same name.
type accountID [16]byte

// Accounts returns the names of all accounts, sorted.
func (s *Store) Accounts(ctx context.Context) (names []string, err error) {
	err = s.withDatabase(ctx, false, func(db *database) error {
		return s.transact(db, false, func(records *bbolt.Bucket) (err error) {
			names, err = s.sortedNames(db, records)
			return err
		})
	})
	return names, err
}

// sortedNames is Accounts within a transaction.
func (s *Store) sortedNames(db *database, records *bbolt.Bucket) (names []string, err error) {
	err = db.guard(func() (err error) {
		names, err = s.accountNames(records)
		return err
	})
	slices.Sort(names)
	return names, err
}

// accountNames goes from account to account, past the records of each.
func (s *Store) accountNames(records *bbolt.Bucket) ([]string, error) {
	names := []string{}
	var from []byte
	for {
		key, sealed, err := seek(records, from)
		if err != nil || key == nil {
			return names, err
		}
		if len(key) < len(label{}) { // The header.
			from = afterKey(key)
			continue
		}
		_, name, err := s.openAccount(key, sealed)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		from = afterPrefix(key)
	}
}

// CreateAccount adds an account and calls fn, unless it is nil, to fill it in the same transaction; see Update. It
// returns ErrAccountName or ErrAccountExists.
func (s *Store) CreateAccount(ctx context.Context, name string, fn func(*Tx) error) error {
	if err := CheckAccountName(name); err != nil {
		return err
	}
	return s.withDatabase(ctx, true, func(db *database) error {
		return s.transact(db, true, func(records *bbolt.Bucket) error {
			tx := &Tx{db: db, keys: s.keys, records: records, account: s.accountLabel(name), writable: true}
			rand.Read(tx.id[:])
			err := db.guard(func() error {
				if records.Get(tx.account[:]) != nil {
					return fmt.Errorf("%w: %s", ErrAccountExists, name)
				}
				return records.Put(tx.account[:], s.sealAccount(tx.account, tx.id, name))
			})
			if err != nil || fn == nil {
				return err
			}
			return tx.run(fn)
		})
	})
}

// RemoveAccount deletes an account with all its records. It returns ErrAccountNotFound.
func (s *Store) RemoveAccount(ctx context.Context, name string) error {
	return s.withDatabase(ctx, true, func(db *database) error {
		return s.transact(db, true, func(records *bbolt.Bucket) error {
			return db.guard(func() error {
				prefix := s.accountLabel(name)
				if records.Get(prefix[:]) == nil {
					return fmt.Errorf("%w: %s", ErrAccountNotFound, name)
				}
				for from := prefix[:]; ; {
					key, _, err := seek(records, from)
					if err != nil || !bytes.HasPrefix(key, prefix[:]) {
						return err
					}
					from = afterKey(key)
					if err := records.Delete(key); err != nil {
						return err
					}
				}
			})
		})
	})
}

// inAccount calls fn with a transaction on one account.
func (s *Store) inAccount(ctx context.Context, name string, writable bool, fn func(*Tx) error) error {
	return s.withDatabase(ctx, writable, func(db *database) error {
		return s.transact(db, writable, func(records *bbolt.Bucket) error { return s.work(db, records, name, writable, fn) })
	})
}

// work calls fn with one account, within a transaction.
func (s *Store) work(db *database, records *bbolt.Bucket, name string, writable bool, fn func(*Tx) error) error {
	tx := &Tx{db: db, keys: s.keys, records: records, account: s.accountLabel(name), writable: writable}
	err := db.guard(func() (err error) {
		sealed := records.Get(tx.account[:])
		if sealed == nil {
			return fmt.Errorf("%w: %s", ErrAccountNotFound, name)
		}
		tx.id, _, err = s.openAccount(tx.account[:], sealed)
		return err
	})
	if err != nil {
		return err
	}
	return tx.run(fn)
}

// onlyAccount returns the name of the only account.
func (s *Store) onlyAccount(db *database, records *bbolt.Bucket) (string, error) {
	names, err := s.sortedNames(db, records)
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", ErrAccountNotFound
	case len(names) > 1:
		return "", fmt.Errorf("%w: %q", ErrSeveralAccounts, names)
	}
	return names[0], nil
}

func (s *Store) accountLabel(name string) label { return s.keys.label("account", name) }

// accountPlace is what is authenticated with an account's id and name.
func accountPlace(key []byte) []byte { return append([]byte("account"), key...) }

// sealAccount makes the record that stands for an account.
func (s *Store) sealAccount(key label, id accountID, name string) []byte {
	return s.keys.seal(accountPlace(key[:]), append(id[:], name...))
}

// openAccount reverses sealAccount. A record that is not an account's is ErrCorrupt.
func (s *Store) openAccount(key, sealed []byte) (accountID, string, error) {
	content, err := s.keys.open(accountPlace(key), sealed)
	if err != nil {
		return accountID{}, "", err
	}
	if len(content) < len(accountID{}) {
		return accountID{}, "", fmt.Errorf("%w: account record of %d bytes", ErrCorrupt, len(content))
	}
	return accountID(content), string(content[len(accountID{}):]), nil
}

// CheckAccountName returns ErrAccountName unless name is fit for file names, logs and shell scripts alike.
func CheckAccountName(name string) error {
	if len(name) < 1 || len(name) > MaxAccountNameSize {
		return ErrAccountName
	}
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return ErrAccountName
		}
	}
	return nil
}
