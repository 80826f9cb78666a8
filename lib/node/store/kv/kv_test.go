package kv

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// memory is a file that knows which writes have been synced. A nil limit never fails.
type memory struct {
	mu    sync.Mutex
	now   []byte
	saved []byte
	later []func([]byte) []byte // changes since the last sync
	limit *int                  // writes that succeed until all fail
}

var errDisk = errors.New("disk failed")

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.now).ReadAt(p, at)
}

// spend returns an error when the limit is used up.
func (m *memory) spend() error {
	if m.limit == nil {
		return nil
	}
	if *m.limit == 0 {
		return errDisk
	}
	*m.limit--
	return nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(); err != nil {
		return 0, err
	}
	for done := 0; done < len(p); { // sector by sector
		end := min(len(p), done+sectorSize-int(at+int64(done))%sectorSize)
		part, from := bytes.Clone(p[done:end]), int(at)+done
		m.do(func(b []byte) []byte {
			if need := from + len(part); need > len(b) {
				b = append(b, make([]byte, need-len(b))...)
			}
			copy(b[from:], part)
			return b
		})
		done = end
	}
	return len(p), nil
}

func (m *memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(); err != nil {
		return err
	}
	m.do(func(b []byte) []byte {
		if int(size) <= len(b) {
			return b[:size:size]
		}
		return append(b, make([]byte, int(size)-len(b))...)
	})
	return nil
}

func (m *memory) do(change func([]byte) []byte) {
	m.now = change(m.now)
	m.later = append(m.later, change)
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.spend(); err != nil {
		return err
	}
	m.saved, m.later = bytes.Clone(m.now), nil
	return nil
}

func (m *memory) Size() (int64, error) { return int64(len(m.now)), nil }
func (m *memory) Close() error         { return nil }

// afterPowerCut returns the file as a disk may have it: with some of the changes since the last sync.
func (m *memory) afterPowerCut(r *rand.Rand) *memory {
	b := bytes.Clone(m.saved)
	for _, change := range m.later {
		if r.IntN(2) == 0 {
			b = change(b)
		}
	}
	return &memory{now: b, saved: bytes.Clone(b)}
}

func memories() (all [3]File, files [3]*memory) {
	for i := range all {
		files[i] = &memory{}
		all[i] = files[i]
	}
	return all, files
}

func newDB(t testing.TB) (*DB, [3]*memory) {
	t.Helper()
	all, files := memories()
	if err := create(all); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, files), files
}

func openMemories(files [3]*memory) (*DB, error) {
	var all [3]File
	for i, file := range files {
		all[i] = file
	}
	return open(all)
}

func mustOpen(t testing.TB, files [3]*memory) *DB {
	t.Helper()
	db, err := openMemories(files)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// contents returns all records of bucket 1.
func contents(db *DB) (map[string]string, error) {
	all := make(map[string]string)
	err := db.View(func(tx *Tx) error {
		last, cursor := "", tx.Bucket(1).Cursor()
		for key, value := cursor.First(); key != nil; key, value = cursor.Next() {
			if string(key) <= last {
				return fmt.Errorf("%q comes after %q", key, last)
			}
			last, all[string(key)] = string(key), string(value)
		}
		return nil
	})
	return all, err
}

func check(t testing.TB, db *DB, want map[string]string) {
	t.Helper()
	got, err := contents(db)
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("%d records of %d, error %v", len(got), len(want), err)
	}
	if _, err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for key, value := range want {
		err := db.View(func(tx *Tx) error {
			if got := tx.Bucket(1).Get([]byte(key)); string(got) != value {
				return fmt.Errorf("key %q is %q, want %q", key, got, value)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	checkSpace(t, db)
}

// checkSpace compares the used pages with those of the tree.
func checkSpace(t testing.TB, db *DB) {
	t.Helper()
	fresh := &tree{file: db.tree.file, cache: make(map[uint32]cached)}
	if err := fresh.loadSpace(db.now.Load().root); err != nil {
		t.Fatal(err)
	}
	if fresh.space.used != db.tree.space.used {
		t.Fatalf("%d pages are used, want %d", db.tree.space.used, fresh.space.used)
	}
}

// randomly makes random changes to bucket 1 and to the model.
func randomly(r *rand.Rand, tx *Tx, model map[string]string, names, count int) error {
	b := tx.Bucket(1)
	for range count {
		key := fmt.Sprintf("key %0*d", 1+r.IntN(100), r.IntN(names))
		if r.IntN(3) == 0 {
			delete(model, key)
			if err := b.Delete([]byte(key)); err != nil {
				return err
			}
			continue
		}
		size := r.IntN(400)
		if r.IntN(50) == 0 {
			size = r.IntN(20_000)
		}
		value := fmt.Sprint(r.Uint64(), string(make([]byte, size)))
		model[key] = value
		if err := b.Put([]byte(key), []byte(value)); err != nil {
			return err
		}
		if got := b.Get([]byte(key)); string(got) != value {
			return fmt.Errorf("key %q is %q within the transaction", key, got)
		}
	}
	return nil
}

// The map is what a Go map is, over transactions, failed transactions, writes to the tree and restarts.
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	db, files := newDB(t)
	model := make(map[string]string)
	for round := range 300 {
		names := 50 + r.IntN(400)
		if r.IntN(4) == 0 {
			if err := db.Update(func(tx *Tx) error {
				return errors.Join(randomly(r, tx, maps.Clone(model), names, 10), errDisk)
			}); !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
		}
		if err := db.Update(func(tx *Tx) error { return randomly(r, tx, model, names, 1+r.IntN(60)) }); err != nil {
			t.Fatal(err)
		}
		switch r.IntN(8) {
		case 0:
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
		case 1:
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = mustOpen(t, files)
		case 2: // as after a kill
			db = mustOpen(t, files)
		}
		if round%10 == 0 {
			check(t, db, model)
		}
	}
	check(t, db, model)
	if err := db.Update(func(tx *Tx) error {
		for key := range model {
			if err := tx.Bucket(1).Delete([]byte(key)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	check(t, db, nil)
	if used := db.tree.space.used; used != firstPage {
		t.Errorf("%d pages are used without records", used)
	}
}

// Seek finds the first key at or above the given one, in whatever table or tree it is.
func TestSeek(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	db, _ := newDB(t)
	model := make(map[string]string)
	for range 3 { // the last changes stay in the table
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := db.Update(func(tx *Tx) error {
			return errors.Join(randomly(r, tx, model, 500, 800), tx.Bucket(2).Put([]byte("z"), nil))
		}); err != nil {
			t.Fatal(err)
		}
	}
	keys := slices.Sorted(maps.Keys(model))
	err := db.View(func(tx *Tx) error {
		for range 500 {
			want := fmt.Sprintf("key %0*d", 1+r.IntN(100), r.IntN(500))
			i, _ := slices.BinarySearch(keys, want)
			cursor := tx.Bucket(1).Cursor()
			key, _ := cursor.Seek([]byte(want))
			for ; i < len(keys); i++ {
				if string(key) != keys[i] {
					return fmt.Errorf("found %q, want %q", key, keys[i])
				}
				key, _ = cursor.Next()
			}
			if key != nil {
				return fmt.Errorf("found %q behind the last key", key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A power cut at any moment leaves all acknowledged transactions, and no part of another one but the last.
func TestPowerCuts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 60 {
		db, files := newDB(t)
		model := make(map[string]string)
		limit := r.IntN(200)
		for _, file := range files {
			file.limit = &limit
		}
		var tried map[string]string
		for i := 0; ; i++ {
			tried = maps.Clone(model)
			err := db.Update(func(tx *Tx) error { return randomly(r, tx, tried, 60, 1+r.IntN(20)) })
			if err == nil {
				model = tried
				if i%7 == 6 {
					err = db.Flush()
				}
			}
			if errors.Is(err, errDisk) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 8 {
			var after [3]*memory
			for i, file := range files {
				after[i] = file.afterPowerCut(r)
			}
			db, err := openMemories(after)
			if err != nil {
				t.Fatal(err)
			}
			got, err := contents(db)
			if err != nil || !maps.Equal(got, model) && !maps.Equal(got, tried) {
				t.Fatalf("%d records, acknowledged were %d, error %v", len(got), len(model), err)
			}
			check(t, db, got)
			if err := db.Update(func(tx *Tx) error { return randomly(r, tx, got, 60, 5) }); err != nil {
				t.Fatal(err)
			}
			check(t, mustOpen(t, after), got)
		}
	}
}

// A disk that fails for a while costs no acknowledged transaction, and the database goes on when it works again.
func TestDiskFails(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	db, files := newDB(t)
	model, limit := make(map[string]string), 0
	for _, file := range files {
		file.limit = &limit
	}
	for range 200 {
		limit = r.IntN(40)
		for {
			tried := maps.Clone(model)
			err := db.Update(func(tx *Tx) error { return randomly(r, tx, tried, 60, 1+r.IntN(20)) })
			if err == nil {
				model = tried
				err = db.Flush()
			}
			if err != nil {
				break
			}
		}
		limit = 1 << 30
		if got, err := contents(db); err != nil || !maps.Equal(got, model) {
			t.Fatalf("%d records of %d, error %v", len(got), len(model), err)
		}
		if r.IntN(3) == 0 { // a transaction that failed in its sync may be there after a restart
			db = mustOpen(t, files)
			var err error
			if model, err = contents(db); err != nil {
				t.Fatal(err)
			}
			check(t, db, model)
		}
	}
}

// Readers see snapshots while tables are written to the tree, whose pages are used again.
func TestSnapshots(t *testing.T) {
	db, _ := newDB(t)
	put := func(round int) error {
		return db.Update(func(tx *Tx) error {
			for i := range 400 {
				if err := tx.Bucket(1).Put(fmt.Appendf(nil, "%06d", i*7919%400), fmt.Append(nil, round)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := contents(db)
				if err != nil || len(got) != 400 {
					t.Errorf("%d records, error %v", len(got), err)
					return
				}
				for key, value := range got {
					if value != got["000000"] {
						t.Errorf("key %s is of round %s, another of %s", key, value, got["000000"])
						return
					}
				}
			}
		})
	}
	for round := range 200 {
		if err := put(round); err != nil {
			t.Fatal(err)
		}
		if round%3 == 0 {
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	readers.Wait()
}

// Large tables are written to the tree without being asked, and the logs stay small.
func TestTablesAreWritten(t *testing.T) {
	db, files := newDB(t)
	value := make([]byte, 100_000)
	for i := range 400 { // ten times maxTable
		if err := db.Update(func(tx *Tx) error {
			return tx.Bucket(1).Put(fmt.Append(nil, i), value)
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, log := range files[1:] {
		if size, _ := log.Size(); size > 3*maxTable {
			t.Errorf("a log has %d bytes", size)
		}
	}
	db = mustOpen(t, files)
	if got, err := contents(db); err != nil || len(got) != 400 {
		t.Fatalf("%d records, error %v", len(got), err)
	}
}

// Sequences count for each bucket apart, and over restarts.
func TestSequences(t *testing.T) {
	db, files := newDB(t)
	for want := uint64(1); want < 5; want++ {
		if err := db.Update(func(tx *Tx) error {
			if got, err := tx.Bucket(1).NextSequence(); got != want || err != nil {
				t.Errorf("number %d, %v; want %d", got, err, want)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		db = mustOpen(t, files)
	}
	if err := db.View(func(tx *Tx) error {
		if got := tx.Bucket(2).Sequence(); got != 0 {
			t.Errorf("another bucket is at %d", got)
		}
		return tx.Bucket(1).SetSequence(1)
	}); !errors.Is(err, errReadOnly) {
		t.Errorf("a change in View gave %v", err)
	}
}

// counting is a file that counts its syncs.
type counting struct {
	File
	syncs *int
}

func (c counting) Sync() error {
	*c.syncs++
	return c.File.Sync()
}

// A transaction costs one sync, of the log that has it.
func TestOneSync(t *testing.T) {
	db, _ := newDB(t)
	if err := db.Update(func(tx *Tx) error { return tx.Bucket(1).Put([]byte("a"), nil) }); err != nil {
		t.Fatal(err)
	}
	syncs, others := 0, 0
	db.logs[0].file = counting{db.logs[0].file, &syncs}
	db.logs[1].file, db.tree.file = counting{db.logs[1].file, &others}, counting{db.tree.file, &others}
	for i := range 20 {
		if err := db.Update(func(tx *Tx) error { return tx.Bucket(1).Put([]byte("a"), fmt.Append(nil, i)) }); err != nil {
			t.Fatal(err)
		}
		if syncs != i+1 || others != 0 {
			t.Fatalf("%d transactions made %d syncs of the log and %d others", i+1, syncs, others)
		}
	}
}
