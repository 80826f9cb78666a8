package accountkeys

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"
	"time"

	"sessiontool/lib/internal/blake2b"
)

// The life of an account key (session-v2.md section 10).
const (
	// RotateAfter and RotateSpread bound the age at which a key rotates: RotateAfter plus up to RotateSpread.
	RotateAfter  = 11 * time.Hour
	RotateSpread = 2 * time.Hour
	// Retention is how long a rotated key is kept: the 14 days that a message is stored after the last moment at which
	// a sender may use the key. It is 16 days.
	Retention = 14*24*time.Hour + CacheUsable

	rotationPersonal = "SessionAccKeyRot"
)

// Entry is an account key in time. Times are Unix seconds.
type Entry struct {
	Seed    Seed
	Created int64
	Rotated int64 // when it stopped to be the account's key; 0 while it is
}

// IsActive reports whether e is not rotated.
func (e Entry) IsActive() bool { return e.Rotated == 0 }

// IsExpired reports whether e was rotated at least Retention before now.
func (e Entry) IsExpired(now int64) bool {
	return !e.IsActive() && now >= e.Rotated && uint64(now)-uint64(e.Rotated) >= uint64(Retention/time.Second)
}

// RotationDue returns when the device with the ID device rotates e, in an account of devices devices. Each device draws
// its own time from the key, such that the earliest of all is spread evenly over RotateSpread.
func (e Entry) RotationDue(device [32]byte, devices int) time.Time {
	digest := blake2b.Sum(8, e.Seed[:], rotationPersonal, device[:])
	u := float64(binary.LittleEndian.Uint64(digest)) / (1 << 64)
	spread := float64(RotateSpread) * (1 - math.Pow(u, float64(devices)))
	return time.Unix(e.Created, 0).Add(RotateAfter + time.Duration(spread)).UTC()
}

// Active returns the active entry, and whether there is one. Of several it is the one that Merge would keep.
func Active(entries []Entry) (Entry, bool) {
	var winner Entry
	found := false
	for _, e := range entries {
		if e.IsActive() && (!found || wins(e, winner)) {
			winner, found = e, true
		}
	}
	return winner, found
}

// wins reports whether a stays active beside b: the later one does, and of two of the same second the lower seed.
func wins(a, b Entry) bool {
	if a.Created != b.Created {
		return a.Created > b.Created
	}
	return bytes.Compare(a.Seed[:], b.Seed[:]) < 0
}

// Rotate returns entries with seed as the active one, created at now or, if that is not later than every other, one
// second after the newest.
func Rotate(entries []Entry, seed Seed, now int64) []Entry {
	created := now
	for _, e := range entries {
		created = max(created, e.Created+1)
	}
	return settle(append(slices.Clone(entries), Entry{Seed: seed, Created: created}))
}

// Merge returns what two devices that hold a and b agree on, in the order of Sort. A seed that both hold is rotated
// when the first of them says. Of several active entries one stays; each of the others is rotated when the next key
// after it was created. So a message of long ago, in which an old key is active, does not bring it back: Prune finds it
// expired.
func Merge(a, b []Entry) []Entry {
	merged := slices.Clone(a)
	for _, e := range b {
		i := slices.IndexFunc(merged, func(known Entry) bool { return known.Seed.Equal(e.Seed) })
		if i < 0 {
			merged = append(merged, e)
			continue
		}
		known := &merged[i]
		known.Created = min(known.Created, e.Created)
		switch {
		case known.IsActive():
			known.Rotated = e.Rotated
		case !e.IsActive():
			known.Rotated = min(known.Rotated, e.Rotated)
		}
	}
	return settle(merged)
}

// settle leaves at most one entry active and sorts. It changes entries.
func settle(entries []Entry) []Entry {
	winner, found := Active(entries)
	for i := range entries {
		if e := &entries[i]; found && e.IsActive() && !e.Seed.Equal(winner.Seed) {
			e.Rotated = nextCreated(entries, *e)
		}
	}
	Sort(entries)
	return entries
}

// nextCreated returns when the first of the entries that win over e was created. There is one.
func nextCreated(entries []Entry, e Entry) int64 {
	created := int64(math.MaxInt64)
	for _, other := range entries {
		if wins(other, e) {
			created = min(created, other.Created)
		}
	}
	return created
}

// Sort puts the active entry first, then the latest rotated, then the latest created: the order in which messages are
// tried and in which devices share keys.
func Sort(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int {
		if a.IsActive() != b.IsActive() {
			if a.IsActive() {
				return -1
			}
			return 1
		}
		return cmp.Or(
			cmp.Compare(b.Rotated, a.Rotated), cmp.Compare(b.Created, a.Created), bytes.Compare(a.Seed[:], b.Seed[:]))
	})
}

// Prune returns the entries that are still needed at now.
func Prune(entries []Entry, now int64) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.IsExpired(now) })
}

// Held is an entry ready to find its messages. Its prefix is at hand, and the key is expanded once, when a message
// first needs it, so that many old keys cost nothing. It is safe for concurrent use.
type Held struct {
	Entry  Entry
	Prefix Prefix
	key    func() *Key
}

// Hold expands e to learn its prefix.
func Hold(e Entry) *Held {
	key := e.Seed.AccountKey()
	return &Held{Entry: e, Prefix: key.public.Prefix(), key: func() *Key { return key }}
}

// HoldKnown is Hold for an entry whose prefix was stored beside it. It expands nothing.
func HoldKnown(e Entry, prefix Prefix) *Held {
	return &Held{Entry: e, Prefix: prefix, key: sync.OnceValue(e.Seed.AccountKey)}
}

// Key returns the expanded key.
func (h *Held) Key() *Key { return h.key() }
