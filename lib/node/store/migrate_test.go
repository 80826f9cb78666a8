package store

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"sessiontool/lib/node/store/kv"
)

// oldDatabase writes a database of format 2 with messages queued for peer, and returns its folder.
func oldDatabase(t *testing.T, peer string, messages []Message) string {
	t.Helper()
	dir := t.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, oldFileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		buckets := make(map[string]*bbolt.Bucket)
		for _, name := range []string{"meta", "messages", "order", "names", "expiry", "queue", "cursors"} {
			if buckets[name], err = tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		put := func(bucket string, key, value []byte) {
			if err := buckets[bucket].Put(key, value); err != nil {
				t.Fatal(err)
			}
		}
		put("meta", formatKey, []byte{2})
		put("cursors", []byte(peer), appendNumber(nil, 1))
		for _, m := range messages {
			sequence, err := buckets["messages"].NextSequence()
			if err != nil {
				return err
			}
			key, expiration := appendNumber(nil, sequence), appendNumber(nil, uint64(m.ExpirationMillis()))
			name := append([]byte(m.PubKey), m.Hash[:]...)
			encoded := append(expiration[:numberSize:numberSize], m.Hash[:]...)
			for _, text := range []string{m.PubKey, m.Timestamp, m.TTL, m.nonce, m.Data} {
				encoded = append(appendLength(encoded, len(text)), text...)
			}
			put("messages", key, encoded)
			put("order", append([]byte(m.PubKey), key...), nil)
			put("names", name, append(key[:numberSize:numberSize], expiration...))
			put("expiry", append(expiration[:numberSize:numberSize], key...), name)
			put("queue", key, nil)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A database of format 2 opens with everything in it: messages in their order, and the queue of the peers. Sequence
// numbers continue.
func TestOldStoreOpens(t *testing.T) {
	now := time.Now()
	var messages []Message
	for i := range 2*migrateBatch + 7 {
		messages = append(messages, plain(owner(1), strconv.Itoa(i), now.Add(-time.Duration(i)), time.Hour))
	}
	dir := oldDatabase(t, "peer", messages)
	for range 2 { // the second time there is nothing to do
		s, err := Open(dir, DefaultMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Page20(owner(1), "", now.UnixMilli(), len(messages)+1)
		if err != nil || len(got) != len(messages) {
			t.Fatalf("there are %d messages (%v), want %d", len(got), err, len(messages))
		}
		for i, stored := range got {
			want := messages[i]
			if stored.Hash != want.HashText() || stored.Data != want.Data ||
				stored.Expiration != want.ExpirationMillis() {
				t.Fatalf("message %d is %v, want %v", i, stored, want)
			}
		}
		if b, err := s.Pending("peer", now.UnixMilli()); err != nil || b.Count == 0 || b.Entries < b.Count {
			t.Errorf("the peer has yet to get %d messages (%v)", b.Count, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	mustInsert(t, s, plain(owner(1), "newer", now, time.Hour))
	last := messages[len(messages)-1].HashText()
	if got := mustAfter(t, s, owner(1), last, now); len(got) != 1 || got[0].Data != "newer" {
		t.Errorf("after the last old message comes %v", got)
	}
	if n, err := s.PendingCount(); err != nil || n != len(messages) {
		t.Errorf("%d messages are in line (%v), want %d", n, err, len(messages))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// asFormat3 makes the database of a closed store one of format 3, whose entries were the same in a file of bbolt.
func asFormat3(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, oldFileName), 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.View(func(from *kv.Tx) error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, old := range oldBuckets {
				bucket, err := tx.CreateBucket([]byte(old.name))
				if err == nil {
					err = each(from, old.number, bucket.Put)
				}
				if err != nil {
					return err
				}
			}
			return errors.Join(
				tx.Bucket([]byte("meta")).Put(formatKey, []byte{3}),
				tx.Bucket([]byte("messages")).SetSequence(from.Bucket(messageBucket).Sequence()),
			)
		})
	})
	if err := errors.Join(err, db.Close(), s.Close(), os.RemoveAll(filepath.Join(dir, FolderName))); err != nil {
		t.Fatal(err)
	}
}

// A database of format 3 opens with everything in it, and its file goes. If its conversion was interrupted, it begins
// again.
func TestFormat3Opens(t *testing.T) {
	now := time.Now()
	dir, want := filledStore(t, now)
	asFormat3(t, dir)
	if err := os.CopyFS(filepath.Join(dir, newFolderName), os.DirFS(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := openAndRead(dir, now); err != nil || !maps.Equal(got, want) {
			t.Fatalf("%d records of %d, %v", len(got), len(want), err)
		}
		if _, err := os.Stat(filepath.Join(dir, oldFileName)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the old file: %v", err)
		}
	}
}
