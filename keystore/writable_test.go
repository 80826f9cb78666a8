package keystore

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// childChange reads a record, and then tries to change it.
func childChange(ctx context.Context, dir string) error {
	store, err := Open(ctx, dir, Unlock{}, Options{})
	if err != nil {
		return err
	}
	err = store.View(ctx, "alice", func(tx *Tx) error {
		_, found, err := tx.Get("t", "n")
		if !found {
			err = errors.New("the record is not there")
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, err := range []error{
		store.CheckWritable(ctx), store.Compact(ctx),
		store.Update(ctx, "alice", func(tx *Tx) error { return tx.Put("t", "n", nil) }),
	} {
		if !errors.Is(err, ErrNotWritable) {
			return fmt.Errorf("it can be changed: %v", err)
		}
	}
	if _, err := store.Check(ctx); err != nil {
		return err
	}
	return store.Backup(ctx, io.Discard, func(context.Context) ([]byte, error) { return []byte("saved"), nil })
}
