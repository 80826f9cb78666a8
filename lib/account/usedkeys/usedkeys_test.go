package usedkeys

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/ratchet"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// inTx runs work in a transaction of a new keystore.
func inTx(t *testing.T, work func(tx *keystore.Tx) error) error {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keystore")
	store, err := keystore.Create(t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store.CreateAccount(t.Context(), "alice", work)
}

func witness(t *testing.T, fill int) ratchet.Witness {
	t.Helper()
	w, err := ratchet.ParseWitness(bytes.Repeat([]byte{byte(fill)}, ratchet.WitnessSize))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Each used key has its own witness, in whatever order they were used, and the first one counts.
func TestAddAndFind(t *testing.T) {
	counters := []uint32{5, 0, 63, 64, 7, 1 << 20, 6}
	err := inTx(t, func(tx *keystore.Tx) error {
		for i, counter := range counters {
			if err := Add(tx, "chain", counter, witness(t, i), start); err != nil {
				return err
			}
			if err := Add(tx, "chain", counter, witness(t, 99), start); err != nil {
				return err
			}
		}
		for i, counter := range counters {
			got, found, err := Find(tx, "chain", counter)
			if err != nil || !found || got != witness(t, i) {
				t.Errorf("counter %d: found %v (%v), another witness: %v", counter, found, err, got != witness(t, i))
			}
		}
		for chain, counter := range map[string]uint32{"chain": 8, "other": 5} {
			if _, found, err := Find(tx, chain, counter); found || err != nil {
				t.Errorf("%s %d was never used (%v)", chain, counter, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestForget(t *testing.T) {
	err := inTx(t, func(tx *keystore.Tx) error {
		for i, chain := range []string{"old", "new"} {
			if err := Add(tx, chain, 1, witness(t, i), start.Add(time.Duration(i)*time.Hour)); err != nil {
				return err
			}
		}
		if err := Forget(tx, start.Add(time.Minute)); err != nil {
			return err
		}
		for chain, want := range map[string]bool{"old": false, "new": true} {
			if _, found, err := Find(tx, chain, 1); err != nil || found != want {
				t.Errorf("%s: found %v (%v)", chain, found, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A block of a wrong length is damage, and not another witness.
func TestDamagedBlock(t *testing.T) {
	for _, block := range [][]byte{{1}, make([]byte, headerSize+1), append(make([]byte, headerSize-1), 1)} {
		err := inTx(t, func(tx *keystore.Tx) error {
			if err := tx.Put(Table, name("chain", 1), block); err != nil {
				return err
			}
			return Add(tx, "chain", 1, witness(t, 1), start)
		})
		if !errors.Is(err, keystore.ErrCorrupt) {
			t.Errorf("%d bytes: %v", len(block), err)
		}
	}
	err := inTx(t, func(tx *keystore.Tx) error {
		if err := tx.Put(Table, "any", []byte{1}); err != nil {
			return err
		}
		return Forget(tx, start)
	})
	if !errors.Is(err, keystore.ErrCorrupt) {
		t.Error(err)
	}
}
