// Package outbox keeps the outgoing messages of an account in the keystore, with their progress and receipts, and
// decides which process sends them. All functions work within a transaction of the caller.
//
// It promises that a message that was added is sent by one process at a time, and by another one if that process dies,
// and that the rerun of a command finds the message, or the receipt, of the run before.
package outbox

import (
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// The tables of the outbox.
const (
	Table        keystore.Table = "outbox"         // sequence -> Entry
	TableDigests keystore.Table = "outbox_digests" // digest of a draft -> its sequences in the outbox
)

// Unowned is the owner of entries that any process may claim.
const Unowned = ""

// ErrGone reports an outbox entry that another process has finished. ErrInFlight reports one that another process works
// on.
var (
	ErrGone     = errors.New("outbox entry is gone")
	ErrInFlight = errors.New("another process is sending this message")
)

// Process is what the outbox needs from the process that uses it. Owner is its name, and StateOf returns the state of
// another one. Announce makes other processes find this one alive from then on.
type Process struct {
	Now      func() time.Time
	Owner    string
	Announce func() error
	StateOf  func(owner string) presence.State
}

// Box is the outbox as one process sees it.
type Box struct {
	process  Process
	tidied   atomic.Bool // Tidy has run in this process
	left     sync.Map    // Session IDs of unclaimed entries that this process has seen
	answered atomic.Bool // see Answered
	asked    sync.Map    // sequences of the entries that drafts of this process made or took over
	active   sync.Map    // process -> time of its last receipt, as far as seen
}

// New returns the outbox for a process.
func New(process Process) *Box { return &Box{process: process} }

// Add puts an entry into the outbox. Owner is this process if it sends the message itself, or [Unowned].
func (b *Box) Add(tx *keystore.Tx, entry *Entry, owner string) error {
	entry.Owner, entry.QueuedAt = owner, b.process.Now().UTC()
	if owner == Unowned {
		b.answered.Store(true)
	} else if err := b.process.Announce(); err != nil {
		return err
	}
	value, err := Encode(*entry)
	if err != nil {
		return err
	}
	if entry.Seq, err = tx.Append(Table, value); err != nil {
		return err
	}
	b.asked.Store(entry.Seq, true)
	seqs, err := WithDigest(tx, entry.Digest)
	if err != nil {
		return err
	}
	return tables.Put(tx, TableDigests, entry.Digest, append(seqs, entry.Seq))
}

// WithDigest lists the entries of a draft, oldest first.
func WithDigest(tx *keystore.Tx, digest string) (seqs []uint64, err error) {
	_, err = tables.Get(tx, TableDigests, digest, &seqs)
	return seqs, err
}

// Remove deletes an entry.
func Remove(tx *keystore.Tx, entry Entry) error {
	if err := tx.DeleteSeq(Table, entry.Seq); err != nil {
		return err
	}
	seqs, err := WithDigest(tx, entry.Digest)
	if err != nil {
		return err
	}
	seqs = slices.DeleteFunc(seqs, func(seq uint64) bool { return seq == entry.Seq })
	if len(seqs) == 0 {
		return tx.Delete(TableDigests, entry.Digest)
	}
	return tables.Put(tx, TableDigests, entry.Digest, seqs)
}

// Replace removes the entries with a digest that no other running process works on.
func (b *Box) Replace(tx *keystore.Tx, digest string) error {
	seqs, err := WithDigest(tx, digest)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		old, found, err := Load(tx, seq)
		if err == nil && found &&
			(old.Owner == b.process.Owner || b.process.StateOf(old.Owner) != presence.Alive) {
			err = Remove(tx, old)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// abandoned reports whether no process works on an entry and its result may be unreported. A process that ended cleanly
// has reported to its caller; a process that crashed has not.
func (b *Box) abandoned(entry Entry) bool {
	if entry.Owner == Unowned {
		return true
	}
	switch b.process.StateOf(entry.Owner) {
	case presence.Alive:
		return false
	case presence.Crashed:
		return true
	default:
		return !entry.Reported
	}
}

// Resume takes over the oldest entry of an earlier run of the same command, if there is one, also from another process
// that has claimed it. If both send it, they send the same bytes. An entry of this process is another message: the same
// text twice in a batch is meant twice.
func (b *Box) Resume(tx *keystore.Tx, digest string) (left Entry, found bool, err error) {
	seqs, err := WithDigest(tx, digest)
	if err != nil {
		return Entry{}, false, err
	}
	for _, seq := range seqs {
		entry, found, err := Load(tx, seq)
		if err != nil {
			return Entry{}, false, err
		}
		if _, mine := b.asked.Load(seq); mine {
			continue
		}
		if !found || !entry.Claimed && !b.abandoned(entry) || b.over(entry) {
			continue
		}
		return b.take(tx, entry)
	}
	return Entry{}, false, nil
}

// take makes this process the owner of an entry of an earlier run.
func (b *Box) take(tx *keystore.Tx, entry Entry) (Entry, bool, error) {
	if err := b.process.Announce(); err != nil {
		return Entry{}, false, err
	}
	b.asked.Store(entry.Seq, true)
	entry.Owner, entry.Claimed, entry.Resumed = b.process.Owner, false, true
	if entry.Receipt != nil {
		entry.StoredAt = b.process.Now().UTC()
		entry.Receipt.Repeated = true
	}
	return entry, true, Save(tx, entry)
}

// over reports whether an entry has expired: no rerun asked in time for its receipt, or for a message that only a rerun
// sends. No other unsent message expires, since the machine's clock may be set forward by weeks while it waits.
func (b *Box) over(entry Entry) bool {
	now := b.process.Now()
	switch {
	case entry.Receipt == nil:
		at, ends := entry.Expires()
		return ends && !now.Before(at)
	default:
		last := entry.StoredAt
		if active, ok := b.active.Load(entry.Owner); ok && entry.Owner != Unowned && active.(time.Time).After(last) {
			last = active.(time.Time)
		}
		return now.Sub(last) >= ReportedFor
	}
}

// noteActivity notes for each process when it got its last receipt.
func (b *Box) noteActivity(tx *keystore.Tx) error {
	return Each(tx, func(entry Entry) error {
		if last, ok := b.active.Load(entry.Owner); !ok || entry.StoredAt.After(last.(time.Time)) {
			b.active.Store(entry.Owner, entry.StoredAt)
		}
		return nil
	})
}

// Claim claims every unsent entry that no running process works on, oldest first. It also deletes expired entries: sent
// ones whose receipt no rerun asks for. Claim leaves entries for the synchronous route alone to a rerun of their command.
func (b *Box) Claim(tx *keystore.Tx) (claimed []Entry, err error) {
	if err := b.process.Announce(); err != nil {
		return nil, err
	}
	if err := b.noteActivity(tx); err != nil {
		return nil, err
	}
	err = Each(tx, func(entry Entry) error {
		switch {
		case b.settled(entry):
			return Remove(tx, entry)
		case !b.abandoned(entry):
			return nil
		case b.over(entry):
			return Remove(tx, entry)
		case !entry.claimable():
			return nil
		}
		entry.Owner, entry.Claimed = b.process.Owner, true
		claimed = append(claimed, entry)
		return Save(tx, entry)
	})
	return claimed, err
}

// ClaimEarlier claims unsent entries for the same recipient that are older than entry and that no running process works
// on. It returns them oldest first, at most most. Sending them before entry keeps the messages in order.
func (b *Box) ClaimEarlier(tx *keystore.Tx, entry Entry, most int) (claimed []Entry, err error) {
	if err := b.process.Announce(); err != nil {
		return nil, err
	}
	b.left.Delete(entry.To)
	err = Each(tx, func(earlier Entry) error {
		if earlier.Seq >= entry.Seq || len(claimed) == most {
			return fs.SkipAll
		}
		if earlier.To != entry.To || !earlier.claimable() || !b.abandoned(earlier) || b.over(earlier) {
			return nil
		}
		earlier.Owner, earlier.Claimed = b.process.Owner, true
		claimed = append(claimed, earlier)
		return Save(tx, earlier)
	})
	return claimed, err
}

// Waiting lists the entries that no node has yet, oldest first, and whether a running process works on each.
func (b *Box) Waiting(tx *keystore.Tx) (waiting []Entry, inFlight []bool, err error) {
	err = Each(tx, func(entry Entry) error {
		if entry.Stage() < Sent {
			waiting, inFlight = append(waiting, entry), append(inFlight, !b.abandoned(entry))
		}
		return nil
	})
	return waiting, inFlight, err
}

// Cancel removes an entry that no node has yet. The error is [ErrGone] if there is none, or [ErrInFlight].
func (b *Box) Cancel(tx *keystore.Tx, seq uint64) (Entry, error) {
	entry, found, err := Load(tx, seq)
	switch {
	case err != nil:
		return entry, err
	case !found || entry.Stage() >= Sent:
		return entry, ErrGone
	case !b.abandoned(entry):
		return entry, ErrInFlight
	}
	return entry, Remove(tx, entry)
}

// Empty reports whether no entry waits to be sent. It changes nothing.
func Empty(tx *keystore.Tx) (empty bool, err error) {
	empty = true
	err = Each(tx, func(entry Entry) error {
		if entry.claimable() {
			empty = false
			return fs.SkipAll
		}
		return nil
	})
	return empty, err
}

// Answered reports whether an unclaimed entry was added since the last call. It saves a process that receives many
// messages from reading the outbox each time.
func (b *Box) Answered() bool { return b.answered.Swap(false) }

// Behind reports whether an unclaimed entry may wait for a recipient.
func (b *Box) Behind(to sessionid.ID) bool {
	_, found := b.left.Load(to)
	return found
}

// SaveReceipt records that a node has the message of an entry. What sending needs is deleted.
func (b *Box) SaveReceipt(tx *keystore.Tx, seq uint64, receipt Receipt) error {
	now := b.process.Now().UTC()
	return change(tx, seq, func(entry *Entry) error {
		entry.Receipt, entry.StoredAt = &receipt, now
		entry.Data, entry.Ack, entry.AckKey, entry.Nonce = "", nil, nil, ""
		if entry.DraftID == "" {
			return nil
		}
		life, err := lifetime.Now(tx, now)
		if err != nil {
			return err
		}
		return remember(tx, *entry, life)
	})
}

// Release makes an entry claimable again, unless another process has taken it over.
func (b *Box) Release(tx *keystore.Tx, seq uint64) error {
	return Change(tx, seq, func(entry *Entry) {
		if entry.Owner != b.process.Owner {
			return
		}
		entry.Owner, entry.Claimed = Unowned, false
		if entry.claimable() {
			b.left.Store(entry.To, true)
		}
	})
}

// Tidy deletes, once per process, the entries whose receipts no rerun asks for: those of processes that have ended
// cleanly, and old ones. It also notes the recipients of unclaimed entries.
func (b *Box) Tidy(tx *keystore.Tx) error {
	if b.tidied.Swap(true) {
		return nil
	}
	if err := b.noteActivity(tx); err != nil {
		return err
	}
	return Each(tx, func(entry Entry) error {
		if b.settled(entry) || entry.Stage() >= Sent && b.over(entry) && b.abandoned(entry) {
			return Remove(tx, entry)
		}
		if entry.claimable() && b.abandoned(entry) {
			b.left.Store(entry.To, true)
		}
		return nil
	})
}

// settled reports whether the process that reported the receipt has ended cleanly.
func (b *Box) settled(entry Entry) bool {
	return entry.Stage() == Reported && entry.Owner != b.process.Owner &&
		b.process.StateOf(entry.Owner) == presence.Gone
}

// Change changes a stored entry. The error is [ErrGone] if there is none.
func Change(tx *keystore.Tx, seq uint64, work func(*Entry)) error {
	return change(tx, seq, func(entry *Entry) error {
		work(entry)
		return nil
	})
}

func change(tx *keystore.Tx, seq uint64, work func(*Entry) error) error {
	entry, found, err := Load(tx, seq)
	if err != nil {
		return err
	}
	if !found {
		return ErrGone
	}
	if err := work(&entry); err != nil {
		return err
	}
	return Save(tx, entry)
}

// Load reads an entry.
func Load(tx *keystore.Tx, seq uint64) (entry Entry, found bool, err error) {
	value, found, err := tx.GetSeq(Table, seq)
	if err != nil || !found {
		return Entry{Seq: seq}, false, err
	}
	entry, err = Decode(seq, value)
	return entry, true, err
}

// Save stores an entry that is in the outbox already.
func Save(tx *keystore.Tx, entry Entry) error {
	value, err := Encode(entry)
	if err != nil {
		return err
	}
	return tx.PutSeq(Table, entry.Seq, value)
}

// A timestamp is right if it is at most lately before now, or soon after it, in milliseconds. Texts are dated a little
// ahead if several are sealed in one millisecond.
const (
	lately = 60_000
	soon   = 2_000
)

// Before returns the timestamp in milliseconds of an entry that is sealed again now, so that it is before the texts to
// the recipient that were sealed after it with the right time, and after those that were sealed before it; 0 if there are
// none, or if the message is undated.
func Before(tx *keystore.Tx, entry Entry, now int64) (stamp int64, err error) {
	err = Each(tx, func(later Entry) error {
		right := later.TimestampMS > now-lately && later.TimestampMS < now+soon
		if later.Seq <= entry.Seq || later.To != entry.To || !right || entry.Undated || later.Undated || later.Again {
			return nil
		}
		if at := later.TimestampMS - int64(later.Seq-entry.Seq); stamp == 0 || at < stamp {
			stamp = at
		}
		return nil
	})
	return stamp, err
}

// Each calls visit with each entry, oldest first. Visit may change and delete that entry.
func Each(tx *keystore.Tx, visit func(Entry) error) error {
	return tx.Range(Table, 0, func(seq uint64, value []byte) error {
		entry, err := Decode(seq, value)
		if err != nil {
			return err
		}
		return visit(entry)
	})
}
