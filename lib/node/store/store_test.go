package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"log/slog"

	"sessiontool/lib/node/store/kv"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// owner makes a distinct key text.
func owner(i int) string { return fmt.Sprintf("05%064d", i) }

func plain(owner, data string, at time.Time, ttl time.Duration) Message {
	return NewMessage20(rpc20.StoreParams{
		PubKey:    owner,
		TTL:       strconv.FormatInt(ttl.Milliseconds(), 10),
		Timestamp: strconv.FormatInt(at.UnixMilli(), 10),
		Data:      data,
	})
}

func mustInsert(t testing.TB, s *Store, messages ...Message) {
	t.Helper()
	if err := s.Insert(false, messages...); err != nil {
		t.Fatal(err)
	}
}

func mustAfter(t testing.TB, s *Store, owner, lastHash string, now time.Time) []storage.Stored {
	t.Helper()
	found, err := s.Page20(owner, lastHash, now.UnixMilli(), rpc20.MaxRetrieved)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Pages have ten messages, in order of arrival and not of timestamps.
func TestAfterPages(t *testing.T) {
	s, now := newStore(t), time.Now()
	var want []string
	for i := range 23 {
		want = append(want, fmt.Sprint(i))
		at := now.Add(-time.Duration(i) * time.Second)
		mustInsert(t, s, plain(owner(1), want[i], at, time.Hour), plain(owner(2), want[i], now, time.Hour))
	}
	var got []string
	var pages []int
	for last := ""; len(pages) == 0 || pages[len(pages)-1] > 0; {
		page := mustAfter(t, s, owner(1), last, now)
		pages = append(pages, len(page))
		for _, m := range page {
			got, last = append(got, m.Data), m.Hash
		}
	}
	if !slices.Equal(got, want) || !slices.Equal(pages, []int{10, 10, 3, 0}) {
		t.Errorf("pages of %v hold %v", pages, got)
	}
}

func TestAfterUnknownHash(t *testing.T) {
	s, now := newStore(t), time.Now()
	first, second := plain(owner(1), "a", now, time.Hour), plain(owner(1), "b", now, time.Hour)
	foreign := plain(owner(2), "c", now, time.Hour)
	mustInsert(t, s, first, second, foreign)
	for name, last := range map[string]string{
		"none":            "",
		"another owner's": foreign.HashText(),
		"upper case":      strings.ToUpper(first.HashText()),
		"never seen":      strings.Repeat("ab", 64),
		"too short":       first.HashText()[:126],
		"not hex":         strings.Repeat("z", 128),
	} {
		if got := mustAfter(t, s, owner(1), last, now); len(got) != 2 {
			t.Errorf("after %s hash come %d messages, want both", name, len(got))
		}
	}
	if got := mustAfter(t, s, owner(1), first.HashText(), now); len(got) != 1 || got[0].Hash != second.HashText() {
		t.Errorf("after the first hash comes %v", got)
	}
	if got := mustAfter(t, s, strings.ToUpper(owner(0xa)), "", now); len(got) != 0 {
		t.Errorf("another text of the key holds %v", got)
	}
}

// Hashes cover texts without separators, so messages of different owners can have the same hash. Neither displaces the
// other.
func TestSameHashDifferentOwner(t *testing.T) {
	s, now := newStore(t), time.Now()
	mine := plain(owner(1), "x", now, time.Hour)
	theirs := mine
	theirs.PubKey = owner(2)
	mustInsert(t, s, theirs, mine)
	for i := 1; i <= 2; i++ {
		if got := mustAfter(t, s, owner(i), "", now); len(got) != 1 {
			t.Errorf("owner %d has %d messages, want 1", i, len(got))
		}
	}
}

func TestStoreSurvivesReopening(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	mustInsert(t, s, plain(owner(1), "first", now, time.Hour))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, DefaultMaxBytes); err != nil {
		t.Fatal(err)
	}
	mustInsert(t, s, plain(owner(1), "second", now, time.Hour))
	if got := mustAfter(t, s, owner(1), "", now); len(got) != 2 || got[0].Data != "first" || got[1].Data != "second" {
		t.Errorf("after reopening the store holds %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Insert(false, plain(owner(1), "third", now, time.Hour)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed store says %v", err)
	}
}

func TestStoreRefusesUnknownFormat(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(func(tx *kv.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte{storeFormat + 1}) })
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, DefaultMaxBytes); !errors.Is(err, errFormat) {
		t.Errorf("opening says %v, want errStoreFormat", err)
	}
	if _, err := Open(filepath.Join(dir, "absent"), DefaultMaxBytes); err == nil {
		t.Error("a store was opened in a folder that does not exist")
	}
}

// A full store refuses messages, and accepts them again when some have expired.
func TestStoreFull(t *testing.T) {
	s, now := newStore(t), time.Now()
	s.maxBytes = 1 << 20
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = s.Insert(false, plain(owner(i), strings.Repeat("x", storage.MaxDataBytes), now, time.Minute))
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("ten times the limit was stored: %v", err)
	}
	if removed, err := s.sweep(t.Context(), now.Add(time.Minute).UnixMilli()); err != nil || removed == 0 {
		t.Fatalf("sweep removed %d, %v", removed, err)
	}
	mustInsert(t, s, plain(owner(1), "x", now, time.Hour))
}

// An expired message is not served, also before the sweep, which leaves no trace of it.
func TestExpiry(t *testing.T) {
	s, now := newStore(t), time.Now()
	const many = 3*maxSweep + 1
	var messages []Message
	for i := range many {
		messages = append(messages, plain(owner(i%3), strconv.Itoa(i), now, time.Minute))
	}
	stays := plain(owner(0), "stays", now, time.Hour)
	mustInsert(t, s, append(messages, stays)...)
	end := now.Add(time.Minute)
	if got := mustAfter(t, s, owner(1), "", end.Add(-time.Millisecond)); len(got) != rpc20.MaxRetrieved {
		t.Errorf("a millisecond early %d messages are served", len(got))
	}
	if got := mustAfter(t, s, owner(1), "", end); len(got) != 0 {
		t.Errorf("%d expired messages are served", len(got))
	}
	if removed, err := s.sweep(t.Context(), end.UnixMilli()-1); removed != 0 || err != nil {
		t.Errorf("a millisecond early %d messages are removed (%v)", removed, err)
	}
	if removed, err := s.sweep(t.Context(), end.UnixMilli()); removed != many || err != nil {
		t.Errorf("%d messages are removed (%v), want %d", removed, err, many)
	}
	if got := entries(t, s); got != [4]int{1, 1, 1, 1} {
		t.Errorf("buckets hold %v entries after the sweep, want 1 each", got)
	}
	if got := mustAfter(t, s, owner(0), "", end); len(got) != 1 || got[0].Hash != stays.HashText() {
		t.Errorf("after the sweep there is %v", got)
	}
}

// While a sweep is due, every transaction that stores messages removes expired ones, so that the store does not grow.
// A full store stores nothing and removes expired messages.
func TestExpiryWithStores(t *testing.T) {
	s, now := newStore(t), time.Now()
	var expiring, coming []Message
	for i := range 400 {
		expiring = append(expiring, plain(owner(1), strconv.Itoa(i), now, time.Minute))
		coming = append(coming, plain(owner(2), strconv.Itoa(i), now, time.Hour))
	}
	mustInsert(t, s, expiring...)
	s.sweepUntil.Store(now.Add(time.Minute).UnixMilli())
	mustInsert(t, s, coming[:100]...)
	if got := s.removed.Load(); got == 0 || got > 100+minSweep {
		t.Errorf("%d messages went when 100 came", got)
	}
	for i := 0; s.removed.Load() < uint64(len(expiring)); i++ {
		before := s.removed.Load()
		mustInsert(t, s, coming[100+i])
		if s.removed.Load() == before {
			t.Fatal("nothing went with a message that came")
		}
	}
	s.maxBytes = 1
	s.sweepUntil.Store(now.Add(time.Hour).UnixMilli())
	if err := s.Insert(false, plain(owner(3), "x", now, time.Hour)); !errors.Is(err, ErrFull) {
		t.Errorf("a full store says %v", err)
	}
	if s.removed.Load() == uint64(len(expiring)) {
		t.Error("a full store lets nothing go")
	}
}

// A transaction may remove more after a quick one and less after a slow one, within bounds.
func TestAdaptSweep(t *testing.T) {
	for _, test := range []struct {
		size int
		took time.Duration
		want int
	}{
		{2 * minSweep, sweepTime - 1, 4 * minSweep}, {2 * minSweep, sweepTime, minSweep},
		{maxSweep, 0, maxSweep}, {minSweep, time.Second, minSweep},
	} {
		s := &Store{sweepSize: test.size}
		if s.adaptSweep(test.took); s.sweepSize != test.want {
			t.Errorf("after %d in %v come %d, want %d", test.size, test.took, s.sweepSize, test.want)
		}
	}
}

// entries counts what is in four buckets.
func entries(t *testing.T, s *Store) (counts [4]int) {
	t.Helper()
	err := s.db.View(func(tx *kv.Tx) error {
		for i, name := range []byte{messageBucket, orderBucket, nameBucket, expiryBucket} {
			counts[i] = tx.Bucket(name).Count()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// The sweep comes every ten seconds.
func TestSweepLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		mustInsert(t, s, plain(owner(1), "x", time.Now(), 15*time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.sweepLoop(ctx, slog.New(slog.DiscardHandler), time.Now)
		}()
		for _, test := range []struct {
			pass time.Duration
			want int
		}{{10*time.Second + time.Millisecond, 1}, {9 * time.Second, 1}, {time.Second, 0}} {
			<-time.After(test.pass)
			synctest.Wait()
			if got := entries(t, s)[0]; got != test.want {
				t.Errorf("%v later there are %d messages, want %d", test.pass, got, test.want)
			}
		}
		cancel()
		<-ended
	})
}

// A bounded number of calls waits for the disk. Further ones fail.
func TestStoreBusy(t *testing.T) {
	s := &Store{inserts: make(chan insertion, 1), quit: make(chan struct{})} // no goroutine commits
	s.inserts <- insertion{}
	if err := s.Insert(false, someMessage); !errors.Is(err, ErrBusy) {
		t.Errorf("insert says %v, want errStoreBusy", err)
	}
}

// Tombstones, and messages made to expire, are removed at their expiration without a trace.
func TestDeletedExpires(t *testing.T) {
	s, now := newStore(t), time.Now()
	messages := []Message{
		plain(owner(1), "a", now, time.Minute),
		NewMessage28(owner(1), 2, now.UnixMilli(), time.Minute.Milliseconds(), []byte("b")),
	}
	mustInsert(t, s, messages...)
	for _, m := range messages {
		mustWrite(t, s, &edit{name: NameOf(m), at: now.UnixMilli(), decide: func(l Version) (Version, bool) {
			l.Deleted, l.Expiration = m.Namespace == 2, l.Expiration+1000
			return l, true
		}})
	}
	if got := entries(t, s); got != [4]int{1, 1, 2, 2} {
		t.Errorf("buckets hold %v entries, want one message and two names", got)
	}
	if removed, err := s.sweep(t.Context(), now.Add(time.Minute).UnixMilli()); err != nil || removed != 0 {
		t.Errorf("%d messages are removed too early (%v)", removed, err)
	}
	if removed, err := s.sweep(t.Context(), now.Add(time.Minute+time.Second).UnixMilli()); err != nil || removed != 2 {
		t.Errorf("%d messages are removed (%v), want 2", removed, err)
	}
	if got := entries(t, s); got != [4]int{} {
		t.Errorf("buckets hold %v entries after the sweep", got)
	}
}

// All nodes end with the same version of a message, whatever the order in which they learn of its versions.
func TestOverrides(t *testing.T) {
	lives := []Version{
		{Expiration: 1}, {Expiration: 2}, {Number: 1, Expiration: 1}, {Number: 1, Expiration: 1, Deleted: true},
		{Number: 1, Expiration: 2, Deleted: true}, {Number: 2, Expiration: 1},
	}
	for i, a := range lives {
		for k, b := range lives {
			if got, want := b.Supersedes(a), k > i; got != want {
				t.Errorf("%+v overrides %+v: %v, want %v", b, a, got, want)
			}
		}
	}
	if l := (Version{Number: math.MaxUint64}); l.next(50) != math.MaxUint64 || l.following() != math.MaxUint64 {
		t.Errorf("after the highest version come %d and %d", l.next(50), l.following())
	}
	if l := (Version{Number: 100}); l.next(50) != 101 || l.next(200) != 200 || l.next(-1) != 101 {
		t.Errorf("after version 100 come %d, %d and %d", l.next(50), l.next(200), l.next(-1))
	}
}

func mustWrite(t *testing.T, s *Store, entries ...Entry) {
	t.Helper()
	if err := s.Write(entries...); err != nil {
		t.Fatal(err)
	}
}
