package keystore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"sessiontool/keystore"
)

// Tables are constants of the caller; the keystore does not know what is in them.
const (
	contacts keystore.Table = "contacts"
	inbox    keystore.Table = "inbox"
)

func Example() {
	parent, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(parent)

	ctx := context.Background()
	store, err := keystore.Create(ctx, filepath.Join(parent, "keystore"), keystore.Unlock{}, keystore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	err = store.CreateAccount(ctx, "alice", func(tx *keystore.Tx) error {
		return tx.Put(contacts, "05b0b", []byte("Bob"))
	})
	if err != nil {
		log.Fatal(err)
	}
	// Both records are stored, or none.
	err = store.Update(ctx, "alice", func(tx *keystore.Tx) error {
		if _, err := tx.Append(inbox, []byte("hello")); err != nil {
			return err
		}
		return tx.Put(contacts, "05b0b", []byte("Bob, who wrote"))
	})
	if err != nil {
		log.Fatal(err)
	}
	err = store.View(ctx, "alice", func(tx *keystore.Tx) error {
		contact, _, err := tx.Get(contacts, "05b0b")
		if err != nil {
			return err
		}
		return tx.Tail(inbox, 10, func(seq uint64, text []byte) error {
			fmt.Printf("%d: %s (%s)\n", seq, text, contact)
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 1: hello (Bob, who wrote)
}
