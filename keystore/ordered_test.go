package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"testing"
)

// listing returns a function that collects records as "seq value".
func listing(list *[]string) func(uint64, []byte) error {
	return func(seq uint64, value []byte) error {
		*list = append(*list, fmt.Sprintf("%d %s", seq, value))
		return nil
	}
}

func TestOrderedRecords(t *testing.T) {
	store := newTestStore(t)
	for i, text := range []string{"one", "two", "three", "four"} {
		update(t, store, "alice", func(tx *Tx) error {
			seq, err := tx.Append("inbox", []byte(text))
			if seq != uint64(i+1) {
				t.Errorf("%s has sequence number %d", text, seq)
			}
			return err
		})
	}
	update(t, store, "alice", func(tx *Tx) error {
		return errors.Join(tx.DeleteSeq("inbox", 2), tx.DeleteSeq("inbox", 4), tx.PutSeq("inbox", 3, []byte("THREE")))
	})
	update(t, reopen(t, store), "alice", func(tx *Tx) error {
		seq, err := tx.Append("inbox", []byte("five"))
		if seq != 5 {
			t.Errorf("sequence number %d was used twice", seq)
		}
		return err
	})
	err := store.View(t.Context(), "alice", func(tx *Tx) error {
		for _, test := range []struct {
			name string
			list func(fn func(uint64, []byte) error) error
			want []string
		}{
			{"all", func(fn func(uint64, []byte) error) error { return tx.Range("inbox", 0, fn) },
				[]string{"1 one", "3 THREE", "5 five"}},
			{"from 2", func(fn func(uint64, []byte) error) error { return tx.Range("inbox", 2, fn) },
				[]string{"3 THREE", "5 five"}},
			{"from 5", func(fn func(uint64, []byte) error) error { return tx.Range("inbox", 5, fn) },
				[]string{"5 five"}},
			{"from 6", func(fn func(uint64, []byte) error) error { return tx.Range("inbox", 6, fn) }, nil},
			{"from the end", func(fn func(uint64, []byte) error) error { return tx.Range("inbox", math.MaxUint64, fn) },
				nil},
			{"last 0", func(fn func(uint64, []byte) error) error { return tx.Tail("inbox", 0, fn) }, nil},
			{"last -1", func(fn func(uint64, []byte) error) error { return tx.Tail("inbox", -1, fn) }, nil},
			{"last 2", func(fn func(uint64, []byte) error) error { return tx.Tail("inbox", 2, fn) },
				[]string{"3 THREE", "5 five"}},
			{"last 9", func(fn func(uint64, []byte) error) error { return tx.Tail("inbox", 9, fn) },
				[]string{"1 one", "3 THREE", "5 five"}},
			{"unknown table", func(fn func(uint64, []byte) error) error { return tx.Range("?", 0, fn) }, nil},
			{"last of unknown table", func(fn func(uint64, []byte) error) error { return tx.Tail("?", 1, fn) }, nil},
		} {
			var got []string
			if err := test.list(listing(&got)); err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: got %q, error %v", test.name, got, err)
			}
		}
		value, found, err := tx.GetSeq("inbox", 3)
		if string(value) != "THREE" || !found || err != nil {
			t.Errorf("GetSeq(3) = %q, %v, %v", value, found, err)
		}
		_, found, err = tx.GetSeq("inbox", 2)
		if found || err != nil {
			t.Errorf("GetSeq(2) = %v, %v", found, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPutSeqWantsSequenceNumberOfAppend(t *testing.T) {
	store := newTestStore(t)
	update(t, store, "alice", func(tx *Tx) error {
		if _, err := tx.Append("outbox", nil); err != nil {
			return err
		}
		for _, seq := range []uint64{0, 2, math.MaxUint64} {
			if err := tx.PutSeq("outbox", seq, nil); !errors.Is(err, ErrSequence) {
				t.Errorf("%d: got error %v", seq, err)
			}
		}
		// A returned sequence number stays valid after its record was deleted.
		return errors.Join(tx.DeleteSeq("outbox", 1), tx.PutSeq("outbox", 1, []byte("again")))
	})
}

func TestRangeWhileChanging(t *testing.T) {
	store := newTestStore(t)
	update(t, store, "alice", func(tx *Tx) error {
		for i := range 300 {
			if _, err := tx.Append("outbox", fmt.Append(nil, i)); err != nil {
				return err
			}
		}
		calls := 0
		err := tx.Range("outbox", 0, func(seq uint64, value []byte) error {
			calls++
			if seq == 1 {
				if _, err := tx.Append("outbox", []byte("appended on the way")); err != nil {
					return err
				}
			}
			if seq == 301 {
				return fs.SkipAll
			}
			return tx.DeleteSeq("outbox", seq)
		})
		if calls != 301 {
			t.Errorf("%d calls", calls)
		}
		return err
	})
	var got []string
	err := store.View(t.Context(), "alice", func(tx *Tx) error { return tx.Tail("outbox", 2, listing(&got)) })
	if err != nil || !reflect.DeepEqual(got, []string{"301 appended on the way"}) {
		t.Errorf("got %q, error %v", got, err)
	}
}
