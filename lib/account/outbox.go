package account

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// Stage is the progress of an outbox entry.
type Stage int

// The stages of an entry, in order. An entry starts as Claimed by the process that made it and sends it, or as Queued
// for any process. Release and the end of its process return it to Queued, unless it is Sent.
//
//	enqueue -> Queued or Claimed      in the transaction that seals the message
//	Claimed: ClaimOutbox, ClaimEarlier, resume
//	Solved:  SaveSolution             before the bytes leave, so that a retry sends the same
//	Sent:    SaveReceipt              a node has the message
//	Reported: Finish                  the caller has the receipt
//	gone:    Discard, or tidy and ClaimOutbox once no rerun can ask for the receipt
const (
	Queued   Stage = iota // any process may claim it
	Claimed               // a process works on it
	Solved                // its process has the proof of work
	Sent                  // a node has it; the receipt is not reported yet
	Reported              // kept until the reporting process has ended cleanly
)

// String names the stage.
func (s Stage) String() string {
	return [...]string{"queued", "claimed", "solved", "sent", "reported"}[s]
}

// Stage returns the progress of an entry.
func (o Outgoing) Stage() Stage {
	switch {
	case o.Reported:
		return Reported
	case o.Receipt != nil:
		return Sent
	case o.Owner == unowned:
		return Queued
	case o.Nonce != "":
		return Solved
	}
	return Claimed
}

// reportedFor is how long the outbox keeps an entry whose process died before it reported the receipt. A rerun within
// that time gets the receipt or continues, instead of sending the text twice.
const reportedFor = time.Hour

// Outgoing is an entry of the outbox: a message with its progress. It stays there until its receipt was reported and
// the reporting process has ended cleanly.
type Outgoing struct {
	Seq         uint64
	Kind        Kind
	To          sessionid.ID
	Ref         string
	Digest      string // of the draft, or the purpose of a control message
	TimestampMS int64
	TTLMillis   int64
	Data        string // store data, base64
	// Ack is the acknowledgement that proves delivery to the recipient; empty for a message that carries no key.
	Ack      []byte
	OnlySync bool
	// StampMS, Nonce and Difficulty are the timestamp in milliseconds and the proof of work of the store request, once
	// it is solved. They are stored so that a retry sends the same bytes, which nodes recognise.
	StampMS    int64
	Nonce      string
	Difficulty int64
	QueuedAt   time.Time
	Owner      string   // the process that works on it; empty means unowned
	Claimed    bool     // Owner did not make the entry but claimed it
	Receipt    *Receipt // set once a node has the message
	StoredAt   time.Time
	Reported   bool // the receipt was reported
	Resumed    bool
	Fresh      bool // it was sealed just now with the current time, see Reseal
	Behind     bool // an older entry may wait for the recipient, see ClaimEarlier
}

// Acknowledged reports whether claimed is the acknowledgement of this message, which only the recipient can make.
func (o Outgoing) Acknowledged(claimed []byte) bool {
	return len(o.Ack) == len(message.Acknowledgement{}) && message.Acknowledgement(o.Ack).Equal(claimed)
}

// over reports whether an entry has expired: its message was not sent within its time to live, or no rerun asked for
// its receipt in time. The message's own timestamp does not count, since a draft may choose any.
func (o Outgoing) over(now time.Time) bool {
	switch {
	case o.Receipt != nil:
		return now.Sub(o.StoredAt) >= reportedFor
	case o.OnlySync:
		return now.Sub(o.QueuedAt) >= reportedFor // only a rerun may send it
	}
	return now.Sub(o.QueuedAt) > time.Duration(o.TTLMillis)*time.Millisecond
}

// unowned is the owner of entries that any process may claim.
const unowned = ""

// ErrGone reports an outbox entry that another process has finished.
var ErrGone = errors.New("outbox entry is gone")

// enqueue puts a message into the outbox. Owner is this process if it sends the message itself, or unowned.
func (a *Account) enqueue(tx *keystore.Tx, out *Outgoing, owner string) error {
	out.Owner, out.QueuedAt = owner, a.env.Now().UTC()
	if owner == unowned {
		a.answered.Store(true)
	} else if _, err := a.claim(); err != nil {
		return err
	}
	value, err := encodeOutgoing(*out)
	if err != nil {
		return err
	}
	if out.Seq, err = tx.Append(tableOutbox, value); err != nil {
		return err
	}
	seqs, err := withDigest(tx, out.Digest)
	if err != nil {
		return err
	}
	return tables.Put(tx, tableOutboxDigests, out.Digest, append(seqs, out.Seq))
}

// withDigest lists the entries of a draft, oldest first.
func withDigest(tx *keystore.Tx, digest string) (seqs []uint64, err error) {
	_, err = tables.Get(tx, tableOutboxDigests, digest, &seqs)
	return seqs, err
}

// remove deletes an entry.
func remove(tx *keystore.Tx, out Outgoing) error {
	if err := tx.DeleteSeq(tableOutbox, out.Seq); err != nil {
		return err
	}
	seqs, err := withDigest(tx, out.Digest)
	if err != nil {
		return err
	}
	seqs = slices.DeleteFunc(seqs, func(seq uint64) bool { return seq == out.Seq })
	if len(seqs) == 0 {
		return tx.Delete(tableOutboxDigests, out.Digest)
	}
	return tables.Put(tx, tableOutboxDigests, out.Digest, seqs)
}

// abandoned reports whether no process works on an entry and its result may be unreported. A process that ended cleanly
// has reported to its caller; a process that crashed has not.
func (a *Account) abandoned(out Outgoing) bool {
	if out.Owner == unowned {
		return true
	}
	switch a.env.StateOf(out.Owner) {
	case presence.Alive:
		return false
	case presence.Crashed:
		return true
	default:
		return !out.Reported
	}
}

// resume takes over the oldest outbox entry of an earlier run of the same command, if there is one, also from another
// process that has claimed it. If both send it, they send the same bytes.
func (a *Account) resume(tx *keystore.Tx, digest string) (left Outgoing, found bool, err error) {
	seqs, err := withDigest(tx, digest)
	if err != nil {
		return Outgoing{}, false, err
	}
	for _, seq := range seqs {
		out, found, err := loadOutgoing(tx, seq)
		if err != nil {
			return Outgoing{}, false, err
		}
		if !found || !out.Claimed && !a.abandoned(out) || out.over(a.env.Now()) {
			continue
		}
		if out.Owner, err = a.claim(); err != nil {
			return Outgoing{}, false, err
		}
		out.Claimed, out.Resumed = false, true
		return out, true, saveOutgoing(tx, out)
	}
	return Outgoing{}, false, nil
}

// ClaimOutbox claims every unsent entry that no running process works on, oldest first. It also deletes expired
// entries: those whose time to live has passed, and sent ones whose receipt no rerun asks for. Dropped are the entries
// that expired unsent. ClaimOutbox leaves entries for the synchronous route alone to a rerun of their command.
func (a *Account) ClaimOutbox(ctx context.Context) (claimed, dropped []Outgoing, err error) {
	mine, err := a.claim()
	if err != nil {
		return nil, nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		claimed, dropped = nil, nil
		now := a.env.Now()
		return eachOutgoing(tx, func(out Outgoing) error {
			switch {
			case a.settled(out):
				return remove(tx, out)
			case !a.abandoned(out):
				return nil
			case out.over(now):
				if out.claimable() {
					dropped = append(dropped, out)
				}
				return remove(tx, out)
			case !out.claimable():
				return nil
			}
			out.Owner, out.Claimed = mine, true
			claimed = append(claimed, out)
			return saveOutgoing(tx, out)
		})
	})
	return claimed, dropped, err
}

// OutboxEmpty reports whether no outbox entry waits to be sent. It changes nothing.
func (a *Account) OutboxEmpty(ctx context.Context) (empty bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		empty = true
		return eachOutgoing(tx, func(out Outgoing) error {
			if out.claimable() {
				empty = false
				return fs.SkipAll
			}
			return nil
		})
	})
	return empty, err
}

// Answered reports whether messages received since the last call have put an unclaimed entry into the outbox. It saves
// a process that receives many messages from reading the outbox each time.
func (a *Account) Answered() bool { return a.answered.Swap(false) }

// SaveSolution stores the proof of work of out before the message is sent.
func (a *Account) SaveSolution(ctx context.Context, out Outgoing) error {
	return a.changeOutgoing(ctx, out.Seq, func(stored *Outgoing) {
		stored.StampMS, stored.Nonce, stored.Difficulty = out.StampMS, out.Nonce, out.Difficulty
	})
}

// SaveReceipt records that a node has the message. The entry stays until Finish: if this process dies before it has
// reported the receipt, a rerun gets it.
func (a *Account) SaveReceipt(ctx context.Context, seq uint64, receipt Receipt) error {
	return a.changeOutgoing(ctx, seq, func(stored *Outgoing) {
		stored.Receipt, stored.StoredAt = &receipt, a.env.Now().UTC()
	})
}

// Release makes an entry claimable again, unless another process has taken it over.
func (a *Account) Release(ctx context.Context, seq uint64) error {
	return a.changeOutgoing(ctx, seq, func(stored *Outgoing) {
		if stored.Owner == a.env.Owner {
			stored.Owner, stored.Claimed = unowned, false
			if stored.claimable() {
				a.left.Store(stored.To, true)
			}
		}
	})
}

// Finish records that the receipt was reported. The entry stays until this process has ended cleanly: if it is killed
// before its caller knows the result, a rerun must not send the message again.
func (a *Account) Finish(ctx context.Context, seq uint64) error {
	return a.changeOutgoing(ctx, seq, func(stored *Outgoing) { stored.Reported = true })
}

// Discard deletes an entry that can never be sent.
func (a *Account) Discard(ctx context.Context, out Outgoing) error {
	return a.update(ctx, func(tx *keystore.Tx) error { return remove(tx, out) })
}

func (a *Account) changeOutgoing(ctx context.Context, seq uint64, change func(*Outgoing)) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		out, found, err := loadOutgoing(tx, seq)
		if err != nil {
			return err
		}
		if !found {
			return ErrGone
		}
		change(&out)
		return saveOutgoing(tx, out)
	})
}

func loadOutgoing(tx *keystore.Tx, seq uint64) (out Outgoing, found bool, err error) {
	value, found, err := tx.GetSeq(tableOutbox, seq)
	if err != nil || !found {
		return Outgoing{Seq: seq}, false, err
	}
	out, err = decodeOutgoing(seq, value)
	return out, true, err
}

func saveOutgoing(tx *keystore.Tx, out Outgoing) error {
	value, err := encodeOutgoing(out)
	if err != nil {
		return err
	}
	return tx.PutSeq(tableOutbox, out.Seq, value)
}

// eachOutgoing calls visit with each entry, oldest first. Visit may change and delete that entry.
func eachOutgoing(tx *keystore.Tx, visit func(Outgoing) error) error {
	return tx.Range(tableOutbox, 0, func(seq uint64, value []byte) error {
		out, err := decodeOutgoing(seq, value)
		if err != nil {
			return err
		}
		return visit(out)
	})
}

// tidy deletes, once per process, the entries whose receipts no rerun asks for: those of processes that have ended
// cleanly, and old ones. It also notes the recipients of unclaimed entries.
func (a *Account) tidy(tx *keystore.Tx) error {
	if a.tidied.Swap(true) {
		return nil
	}
	now := a.env.Now()
	return eachOutgoing(tx, func(out Outgoing) error {
		if a.settled(out) || out.Stage() >= Sent && out.over(now) && a.abandoned(out) {
			return remove(tx, out)
		}
		if out.claimable() && a.abandoned(out) {
			a.left.Store(out.To, true)
		}
		return nil
	})
}

// settled reports whether the process that reported the receipt has ended cleanly.
func (a *Account) settled(out Outgoing) bool {
	return out.Stage() == Reported && out.Owner != a.env.Owner && a.env.StateOf(out.Owner) == presence.Gone
}

// ClaimEarlier claims unsent entries for the same recipient that are older than out and that no running process works
// on. It returns them oldest first, at most most. Sending them before out keeps the messages in order.
func (a *Account) ClaimEarlier(ctx context.Context, out Outgoing, most int) (claimed []Outgoing, err error) {
	mine, err := a.claim()
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		claimed = nil
		a.left.Delete(out.To)
		return eachOutgoing(tx, func(earlier Outgoing) error {
			if earlier.Seq >= out.Seq || len(claimed) == most {
				return fs.SkipAll
			}
			if earlier.To != out.To || !earlier.claimable() || !a.abandoned(earlier) || earlier.over(a.env.Now()) {
				return nil
			}
			earlier.Owner, earlier.Claimed = mine, true
			claimed = append(claimed, earlier)
			return saveOutgoing(tx, earlier)
		})
	})
	return claimed, err
}

// claimable reports whether any process may claim an unsent entry. A rerun of its own command sends a message that is
// for the synchronous route alone.
func (o Outgoing) claimable() bool { return o.Stage() < Sent && !o.OnlySync }

// behind reports whether an unclaimed entry may wait for a recipient.
func (a *Account) behind(to sessionid.ID) bool {
	_, found := a.left.Load(to)
	return found
}
