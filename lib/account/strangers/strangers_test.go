package strangers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sessiontool/keystore"
)

// withBook runs work with the book of an account at a time, and saves it.
func withBook(t *testing.T, store *keystore.Store, at time.Time, reader int,
	work func(tx *keystore.Tx, b *Book) error) {
	t.Helper()
	err := store.Update(t.Context(), "bob", func(tx *keystore.Tx) error {
		b := Open(tx, at, at, reader)
		if err := work(tx, b); err != nil {
			return err
		}
		return b.Save()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func idOf(i int) string {
	sum := sha256.Sum256(fmt.Append(nil, i))
	return hex.EncodeToString(sum[:16])
}

// The memory of refused messages has a fixed size: the newest are in it, with their reasons, for refusedFor, and for
// one reader.
func TestRefusalsAreBounded(t *testing.T) {
	store, err := keystore.Create(t.Context(), filepath.Join(t.TempDir(), "keystore"), keystore.Unlock{},
		keystore.Options{})
	if err == nil {
		err = store.CreateAccount(t.Context(), "bob", func(*keystore.Tx) error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)
	const refused = MaxRefusals + segmentSize + 1
	withBook(t, store, at, 1, func(_ *keystore.Tx, b *Book) error {
		for i := range refused {
			if err := b.Refuse(idOf(i), byte(i%7)); err != nil {
				return err
			}
		}
		return nil
	})
	wants := func(at time.Time, reader, oldest, newest int) {
		t.Helper()
		withBook(t, store, at, reader, func(tx *keystore.Tx, b *Book) error {
			for _, i := range []int{0, oldest - 1, oldest, refused / 2, newest, refused - 1} {
				reason, found, err := b.Refused(idOf(i))
				if err != nil {
					return err
				}
				if want := i >= oldest && i <= newest; found != want || found && reason != byte(i%7) {
					t.Errorf("message %d is remembered: %t for %d, want %t", i, found, reason, want)
				}
			}
			records, bytes := 0, 0
			err := tx.Range(TableRefusals, 0, func(_ uint64, value []byte) error {
				records, bytes = records+1, bytes+len(value)
				return nil
			})
			if records > maxSegments || bytes > MaxRefusals*refusalSize*3/2 {
				t.Errorf("%d records of %d bytes", records, bytes)
			}
			return err
		})
	}
	wants(at, 1, 2*segmentSize, refused-1)
	wants(at.Add(refusedFor), 1, 2*segmentSize, refused-1)
	wants(at.Add(refusedFor+time.Second), 1, refused, refused-1)
	withBook(t, store, at, 1, func(_ *keystore.Tx, b *Book) error {
		return b.Refuse(idOf(refused-1), byte((refused-1)%7))
	})
	wants(at, 1, refused-1, refused-1)
	wants(at, 2, refused, refused-1)
}
