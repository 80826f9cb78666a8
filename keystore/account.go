package keystore

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"sessiontool/keystore/internal/tree"
)

// accountID is random. It makes the section keys of an account differ from those of every other account, and from those
// of a removed account of the same name.
type accountID [16]byte

// Accounts returns the names of all accounts, sorted.
func (s *Store) Accounts(ctx context.Context) (names []string, err error) {
	err = s.withRecords(ctx, false, func(records *tree.Tx) (err error) {
		names, err = s.sortedNames(records)
		return err
	})
	return names, err
}

// sortedNames is [Store.Accounts] within a transaction.
func (s *Store) sortedNames(records *tree.Tx) (names []string, err error) {
	names, err = s.accountNames(records)
	slices.Sort(names)
	return names, err
}

// accountNames returns the account names in key order. It seeks from one account to the next and skips their records.
func (s *Store) accountNames(records *tree.Tx) ([]string, error) {
	names := []string{}
	var from []byte
	for {
		key, content, err := records.Seek(from)
		if err != nil || key == nil {
			return names, err
		}
		_, name, err := parseAccount(content)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		from = afterPrefix(key)
	}
}

// CreateAccount adds an account. If fn is not nil, it fills the account in the same transaction; see [Store.Update].
// Errors: [ErrAccountName], [ErrAccountExists], and those of Update.
func (s *Store) CreateAccount(ctx context.Context, name string, fn func(*Tx) error) error {
	if err := CheckAccountName(name); err != nil {
		return err
	}
	return s.withRecords(ctx, true, func(records *tree.Tx) error {
		tx := &Tx{keys: s.keys, records: records, account: s.accountLabel(name), writable: true}
		rand.Read(tx.id[:])
		_, found, err := records.Get(tx.account[:])
		if err == nil && found {
			err = fmt.Errorf("%w: %s", ErrAccountExists, name)
		}
		if err == nil {
			err = records.Put(tx.account[:], encodeAccount(tx.id, name))
		}
		if err != nil || fn == nil {
			return err
		}
		return tx.run(fn)
	})
}

// RemoveAccount deletes an account with all its records. Errors: [ErrAccountNotFound], and those of [Store.Update].
func (s *Store) RemoveAccount(ctx context.Context, name string) error {
	return s.withRecords(ctx, true, func(records *tree.Tx) error {
		prefix := s.accountLabel(name)
		_, found, err := records.Get(prefix[:])
		if err == nil && !found {
			err = fmt.Errorf("%w: %s", ErrAccountNotFound, name)
		}
		for err == nil {
			var key []byte
			if key, _, err = records.Seek(prefix[:]); err != nil || !bytes.HasPrefix(key, prefix[:]) {
				return err
			}
			err = records.Delete(key)
		}
		return err
	})
}

// inAccount calls fn with a transaction on one account.
func (s *Store) inAccount(ctx context.Context, name string, writable bool, fn func(*Tx) error) error {
	return s.withRecords(ctx, writable, func(records *tree.Tx) error { return s.work(records, name, writable, fn) })
}

// work calls fn with one account, within the transaction records.
func (s *Store) work(records *tree.Tx, name string, writable bool, fn func(*Tx) error) error {
	tx := &Tx{keys: s.keys, records: records, account: s.accountLabel(name), writable: writable}
	content, found, err := records.Get(tx.account[:])
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrAccountNotFound, name)
	}
	if err == nil {
		tx.id, _, err = parseAccount(content)
	}
	if err != nil {
		return err
	}
	return tx.run(fn)
}

// onlyAccount returns the name of the only account.
func (s *Store) onlyAccount(records *tree.Tx) (string, error) {
	names, err := s.sortedNames(records)
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

// encodeAccount returns the value of an account's own record: its id and name.
func encodeAccount(id accountID, name string) []byte { return append(id[:], name...) }

// parseAccount reverses encodeAccount.
func parseAccount(content []byte) (accountID, string, error) {
	if len(content) < len(accountID{}) {
		return accountID{}, "", fmt.Errorf("%w: account record of %d bytes", ErrCorrupt, len(content))
	}
	return accountID(content), string(content[len(accountID{}):]), nil
}

// CheckAccountName returns [ErrAccountName] unless name is valid. Valid names are safe in file names, logs and scripts.
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
