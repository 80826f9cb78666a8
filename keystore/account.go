package keystore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// accountID is random, so that values of a removed account fit nowhere in a later one of the same name.
type accountID [16]byte

// accountKey is the record of an account's bucket that holds its sealed id and name; the bucket's own key is a label.
var accountKey = []byte("account")

// Accounts returns the names of all accounts, sorted.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	names := []string{}
	err := s.withDatabase(ctx, false, func(db *database) error {
		return s.transact(db, false, func(tx *bbolt.Tx) error {
			return db.guard(func() error {
				accounts, err := accountsOf(tx)
				if err != nil {
					return err
				}
				return accounts.ForEach(func(key, _ []byte) error {
					_, name, err := s.openAccount(accounts, key)
					names = append(names, name)
					return err
				})
			})
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// CreateAccount adds an account and calls fn, unless it is nil, to fill it in the same transaction; see Update. It
// returns ErrAccountName or ErrAccountExists.
func (s *Store) CreateAccount(ctx context.Context, name string, fn func(*Tx) error) error {
	if !validAccountName(name) {
		return ErrAccountName
	}
	return s.withDatabase(ctx, true, func(db *database) error {
		return s.transact(db, true, func(btx *bbolt.Tx) error {
			tx, err := s.createAccount(db, btx, name)
			if err != nil || fn == nil {
				return err
			}
			return tx.run(fn)
		})
	})
}

func (s *Store) createAccount(db *database, btx *bbolt.Tx, name string) (*Tx, error) {
	tx := &Tx{db: db, keys: s.keys, writable: true}
	rand.Read(tx.id[:])
	err := db.guard(func() error {
		accounts, err := accountsOf(btx)
		if err != nil {
			return err
		}
		key := s.accountLabel(name)
		tx.account, err = accounts.CreateBucket(key[:])
		if errors.Is(err, berrors.ErrBucketExists) {
			return fmt.Errorf("%w: %s", ErrAccountExists, name)
		}
		if err != nil {
			return err
		}
		return tx.account.Put(accountKey, s.keys.seal(accountPlace(key[:]), append(tx.id[:], name...)))
	})
	return tx, err
}

// RemoveAccount deletes an account with all its records. It returns ErrAccountNotFound.
func (s *Store) RemoveAccount(ctx context.Context, name string) error {
	return s.withDatabase(ctx, true, func(db *database) error {
		return s.transact(db, true, func(tx *bbolt.Tx) error {
			return db.guard(func() error {
				accounts, err := accountsOf(tx)
				if err != nil {
					return err
				}
				key := s.accountLabel(name)
				err = accounts.DeleteBucket(key[:])
				if errors.Is(err, berrors.ErrBucketNotFound) {
					return fmt.Errorf("%w: %s", ErrAccountNotFound, name)
				}
				return err
			})
		})
	})
}

// inAccount calls fn with a transaction on one account.
func (s *Store) inAccount(ctx context.Context, name string, writable bool, fn func(*Tx) error) error {
	return s.withDatabase(ctx, writable, func(db *database) error {
		return s.transact(db, writable, func(btx *bbolt.Tx) error {
			tx := &Tx{db: db, keys: s.keys, writable: writable}
			err := db.guard(func() error {
				accounts, err := accountsOf(btx)
				if err != nil {
					return err
				}
				key := s.accountLabel(name)
				if tx.account = accounts.Bucket(key[:]); tx.account == nil {
					return fmt.Errorf("%w: %s", ErrAccountNotFound, name)
				}
				tx.id, _, err = s.openAccount(accounts, key[:])
				return err
			})
			if err != nil {
				return err
			}
			return tx.run(fn)
		})
	})
}

func (s *Store) accountLabel(name string) label { return s.keys.label("account", name) }

// accountPlace is what is authenticated with an account's id and name.
func accountPlace(key []byte) []byte { return append([]byte("account"), key...) }

// openAccount reads the sealed id and name of the account bucket under key.
func (s *Store) openAccount(accounts *bbolt.Bucket, key []byte) (accountID, string, error) {
	account := accounts.Bucket(key)
	if account == nil {
		return accountID{}, "", fmt.Errorf("%w: an account is not a bucket", ErrCorrupt)
	}
	content, err := s.keys.open(accountPlace(key), account.Get(accountKey))
	if err != nil {
		return accountID{}, "", err
	}
	if len(content) < len(accountID{}) {
		return accountID{}, "", fmt.Errorf("%w: account record of %d bytes", ErrCorrupt, len(content))
	}
	return accountID(content), string(content[len(accountID{}):]), nil
}

func accountsOf(tx *bbolt.Tx) (*bbolt.Bucket, error) {
	accounts := tx.Bucket(accountsBucket)
	if accounts == nil {
		return nil, fmt.Errorf("%w: no accounts bucket", ErrCorrupt)
	}
	return accounts, nil
}

// validAccountName reports whether name is fit for file names, logs and shell scripts alike.
func validAccountName(name string) bool {
	if len(name) < 1 || len(name) > MaxAccountNameSize {
		return false
	}
	for _, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
