package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// memory is a [File] that tracks what a power cut may lose: everything written since the last sync.
type memory struct {
	durable []byte
	now     []byte
	pending []func([]byte) []byte // since the last sync
	syncs   int
	safe    bool // do not track what a power cut loses
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(m.now)) {
		return 0, io.EOF
	}
	n := copy(p, m.now[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// sector is the number of bytes that a disk writes atomically.
const sector = 512

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	for start := 0; start < len(p); start += sector {
		part, from := bytes.Clone(p[start:min(start+sector, len(p))]), int(at)+start
		m.do(func(b []byte) []byte {
			if grow := from + len(part) - len(b); grow > 0 {
				b = append(b, make([]byte, grow)...)
			}
			copy(b[from:], part)
			return b
		})
	}
	return len(p), nil
}

func (m *memory) Truncate(size int64) error {
	m.do(func(b []byte) []byte {
		if int(size) <= len(b) {
			return b[:size]
		}
		return append(b, make([]byte, int(size)-len(b))...)
	})
	return nil
}

func (m *memory) do(change func([]byte) []byte) {
	if !m.safe {
		m.pending = append(m.pending, change)
	}
	m.now = change(m.now)
}

func (m *memory) Sync() error {
	m.syncs++
	if !m.safe {
		m.durable, m.pending = bytes.Clone(m.now), nil
	}
	return nil
}

func (m *memory) Size() (int64, error) { return int64(len(m.now)), nil }

// afterPowerCut returns a possible content after a power cut: everything synced, and any of the sectors written since.
func (m *memory) afterPowerCut(r *rand.Rand) *memory {
	b := bytes.Clone(m.durable)
	likely := r.Float64()
	for _, change := range m.pending {
		if r.Float64() < likely {
			b = change(b)
		}
	}
	return &memory{durable: bytes.Clone(b), now: b}
}

var testKey = Key{1, 2, 3}

func newFile(t testing.TB) *memory {
	t.Helper()
	m := new(memory)
	if err := Create(m, testKey, Head{ID: NewID(), Part: []byte("part")}); err != nil {
		t.Fatal(err)
	}
	return m
}

func begin(t testing.TB, f File, writable bool) *Tx {
	t.Helper()
	tx, err := Begin(f, testKey, writable)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// contents reads all records in order.
func contents(f File) (map[string]string, error) {
	tx, err := Begin(f, testKey, false)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	var from []byte
	for {
		key, value, err := tx.Seek(from)
		if err != nil {
			return nil, err
		}
		if key == nil {
			return all, nil
		}
		all[string(key)] = string(value)
		from = append(key, 0)
	}
}

func checkFile(t testing.TB, f File, want map[string]string) {
	t.Helper()
	got, err := contents(f)
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("%d records, want %d, error %v", len(got), len(want), err)
	}
	n, err := begin(t, f, true).Check(func() error { return nil })
	if err != nil || n != len(want) {
		t.Fatalf("check finds %d records of %d, error %v", n, len(want), err)
	}
}

// change makes the same random changes to the transaction and to the model.
func change(t testing.TB, r *rand.Rand, tx *Tx, model map[string]string, names, n int) {
	t.Helper()
	for range n {
		key := fmt.Sprintf("key %05d", r.IntN(names))
		if r.IntN(3) == 0 {
			if r.IntN(2) == 0 { // in one transaction with the next changes
				key = key[:7]
			}
			for {
				found, _, err := tx.Seek([]byte(key))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(found, []byte(key)) {
					break
				}
				if err := tx.Delete(found); err != nil {
					t.Fatal(err)
				}
				delete(model, string(found))
			}
			continue
		}
		size := r.IntN(300)
		if r.IntN(10) == 0 {
			size = r.IntN(3 * PageSize)
		}
		value := bytes.Repeat([]byte{byte(r.Uint32())}, size)
		if err := tx.Put([]byte(key), value); err != nil {
			t.Fatal(err)
		}
		model[key] = string(value)
	}
}

// A tree behaves like a map over many transactions, small and large.
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 0))
		f, model := newFile(t), map[string]string{}
		for range 60 {
			tx := begin(t, f, true)
			if r.IntN(6) == 0 {
				change(t, r, tx, maps.Clone(model), 3000, r.IntN(20))
				continue // rolled back
			}
			change(t, r, tx, model, 3000, r.IntN(1<<r.IntN(9)))
			for range 5 {
				key := fmt.Sprintf("key %05d", r.IntN(3000))
				got, found, err := tx.Get([]byte(key))
				want, known := model[key]
				if err != nil || found != known || string(got) != want {
					t.Fatalf("get %s: found %v, error %v", key, found, err)
				}
				before, err := tx.Before([]byte(key))
				if want := lastBelow(model, key); err != nil || string(before) != want {
					t.Fatalf("before %s: %q, want %q, error %v", key, before, want, err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		checkFile(t, f, model)
	}
}

func lastBelow(model map[string]string, key string) (last string) {
	for k := range model {
		if k < key && k > last {
			last = k
		}
	}
	return last
}

// An emptied tree has no pages left, and its file is short again.
func TestSpaceIsReturned(t *testing.T) {
	f, model := newFile(t), map[string]string{}
	f.safe = true
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20000 {
		model[fmt.Sprintf("key %05d", i)] = string(bytes.Repeat([]byte{byte(i)}, r.IntN(3000)))
	}
	keys := slices.Sorted(maps.Keys(model))
	for part := range slices.Chunk(keys, 5000) {
		tx := begin(t, f, true)
		for _, key := range part {
			if err := tx.Put([]byte(key), []byte(model[key])); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	checkFile(t, f, model)
	full := len(f.now)
	if full < 32<<20 {
		t.Fatalf("the file has %d bytes; its map of pages is not long", full)
	}
	for _, key := range keys {
		if err := func() error {
			tx := begin(t, f, true)
			if len(model) > 300 { // large transactions first
				for _, key := range keys[:len(keys)-300] {
					if err := tx.Delete([]byte(key)); err != nil {
						return err
					}
					delete(model, key)
				}
				return tx.Commit()
			}
			delete(model, key)
			return errors.Join(tx.Delete([]byte(key)), tx.Commit())
		}(); err != nil {
			t.Fatal(err)
		}
		if len(model) == 100 {
			checkFile(t, f, model)
		}
	}
	checkFile(t, f, model)
	if tx := begin(t, f, true); tx.space.pages != firstPage || len(f.now) > InitialSize+keepFree+growBy {
		t.Errorf("%d pages are used, and %d bytes of %d", tx.space.pages, len(f.now), full)
	}
}

// Compact leaves almost no free pages, and keeps all records.
func TestCompact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	f, model := newFile(t), map[string]string{}
	f.safe = true
	for i := range 4000 {
		model[fmt.Sprintf("key %05d", i)] = string(bytes.Repeat([]byte{byte(i)}, r.IntN(2500)))
	}
	tx := begin(t, f, true)
	for key, value := range model {
		if err := tx.Put([]byte(key), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	full := len(f.now)
	tx = begin(t, f, true)
	for key := range model {
		if r.IntN(10) > 0 {
			if err := tx.Delete([]byte(key)); err != nil {
				t.Fatal(err)
			}
			delete(model, key)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	stopped := errors.New("stopped")
	if err := Compact(f, testKey, func() error { return stopped }); err != stopped {
		t.Errorf("got error %v", err)
	}
	checkFile(t, f, model)
	if err := Compact(f, testKey, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	checkFile(t, f, model)
	size := 0
	for _, value := range model {
		size += len(value)
	}
	if len(f.now) > max(InitialSize, 3*size) {
		t.Errorf("%d bytes of %d are left for %d of values", len(f.now), full, size)
	}
}

// After a power cut at any moment, the tree has what the last completed commit wrote, or what the one in progress
// wrote.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		f, model := newFile(t), map[string]string{}
		for range 40 {
			before := maps.Clone(model)
			tx := begin(t, f, true)
			change(t, r, tx, model, 400, 1+r.IntN(40))
			cut := &cutter{memory: f, at: r.IntN(40)}
			tx.file = cut
			err := tx.Commit()
			if err != nil && !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			if err == nil && r.IntN(2) == 0 {
				continue
			}
			if r.IntN(2) == 0 { // otherwise the process was killed without a power cut
				f = f.afterPowerCut(r)
			}
			got, readErr := contents(f)
			if readErr != nil {
				t.Fatalf("seed %d: after a power cut: %v", seed, readErr)
			}
			switch {
			case maps.Equal(got, model):
			case err != nil && maps.Equal(got, before):
				model = before
			default:
				t.Fatalf("seed %d: %d records are left, neither the %d nor the %d; commit returned %v", seed, len(got),
					len(before), len(model), err)
			}
			checkFile(t, f, model)
		}
	}
}

var errCut = errors.New("power cut")

// cutter is a [File] that fails from the n-th operation on.
type cutter struct {
	*memory
	at int
}

func (c *cutter) next() error {
	if c.at--; c.at < 0 {
		return errCut
	}
	return nil
}

func (c *cutter) WriteAt(p []byte, at int64) (int, error) {
	if err := c.next(); err != nil {
		return 0, err
	}
	return c.memory.WriteAt(p, at)
}

func (c *cutter) Sync() error {
	if err := c.next(); err != nil {
		return err
	}
	return c.memory.Sync()
}

// kill -9 at any operation leaves either the state before the commit or the state after it.
func TestKills(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	f, model := newFile(t), map[string]string{}
	for i := range 400 {
		before := maps.Clone(model)
		tx := begin(t, f, true)
		change(t, r, tx, model, 200, 1+r.IntN(10))
		tx.file = &cutter{f, i % 23}
		committed := tx.Commit() == nil
		got, err := contents(f)
		switch {
		case err != nil:
			t.Fatal(err)
		case maps.Equal(got, model):
		case !committed && maps.Equal(got, before):
			model = before
		default:
			t.Fatal("neither the one nor the other")
		}
		checkFile(t, f, model)
	}
}

// Most commits need one sync.
func TestSyncs(t *testing.T) {
	f := newFile(t)
	before := f.syncs
	for i := range 10 {
		tx := begin(t, f, true)
		if err := errors.Join(tx.Put([]byte{byte(i)}, make([]byte, 2000)), tx.Commit()); err != nil {
			t.Fatal(err)
		}
	}
	if f.syncs != before+10 {
		t.Errorf("%d syncs for 10 commits", f.syncs-before)
	}
	tx := begin(t, f, true)
	if err := errors.Join(tx.Put([]byte("large"), make([]byte, 2<<20)), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	if f.syncs != before+12 {
		t.Errorf("%d syncs for a large one", f.syncs-before-10)
	}
	if err := begin(t, f, true).Commit(); err != nil || f.syncs != before+12 {
		t.Error("a transaction without changes was synced")
	}
}

// With one flipped bit, a read returns everything or an error.
func TestFlippedBits(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	f, model := newFile(t), map[string]string{}
	for range 5 {
		tx := begin(t, f, true)
		change(t, r, tx, model, 300, 100)
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	used := begin(t, f, true).space
	noticed, inUse := 0, 0
	for range 2000 {
		bit := r.IntN(int(used.pages) * PageSize * 8)
		f.now[bit/8] ^= 1 << (bit % 8)
		got, err := contents(f)
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion):
			noticed++
		case err != nil || !maps.Equal(got, model):
			t.Errorf("bit %d: %d records of %d, error %v", bit, len(got), len(model), err)
		}
		if page := uint32(bit / 8 / PageSize); page >= firstPage && used.used(page) {
			inUse++
			if err == nil {
				t.Errorf("bit %d of page %d was not noticed", bit, page)
			}
		}
		f.now[bit/8] ^= 1 << (bit % 8)
	}
	if noticed < inUse || inUse < 500 {
		t.Errorf("%d of %d noticed", noticed, inUse)
	}
}

func TestReadOnly(t *testing.T) {
	tx := begin(t, newFile(t), false)
	for _, err := range []error{tx.Put(nil, nil), tx.Delete(nil), tx.SetPart(nil), tx.Commit()} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("got error %v", err)
		}
	}
}
