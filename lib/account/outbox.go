package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

// Kind is what an outgoing message is for.
type Kind string

// The kinds of outgoing messages. A control message has nothing to show: an acceptance, or a sign of life.
const (
	KindText          Kind = "text"
	KindFriendRequest Kind = "friend_request"
	KindControl       Kind = "control"
)

// TTL limits in milliseconds, and the default: everything of ours lives as long as a 2020 server allows, since
// people poll from cron. The 2020 client lets its acceptance die after a minute.
const (
	MinTTL     = 10_000
	MaxTTL     = 345_600_000
	DefaultTTL = MaxTTL
)

// reportedFor is how long the outbox remembers a message that was stored but never reported, because its process
// died in between: a rerun within that time gets the receipt instead of sending the text twice.
const reportedFor = time.Hour

// Draft is a text to be sent. Zero TTLMillis and TimestampMS mean the default and now.
type Draft struct {
	To          sessionid.ID
	Text        string
	TTLMillis   int64
	TimestampMS int64
	Ref         string
}

// digest names a draft, so that a rerun of the same command finds what a killed run left behind.
func (d Draft) digest(kind Kind) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s %d %d %d %s %d ", kind, d.To, d.TTLMillis, d.TimestampMS, len(d.Ref), d.Ref, len(d.Text))
	sum.Write([]byte(d.Text))
	return hex.EncodeToString(sum.Sum(nil))
}

// Outgoing is a message on its way: an entry of the outbox. It stays there until its receipt was reported.
type Outgoing struct {
	Seq         uint64       `json:"-"`
	Kind        Kind         `json:"kind"`
	To          sessionid.ID `json:"to"`
	Ref         string       `json:"ref,omitempty"`
	Digest      string       `json:"digest"` // of the draft, or what a control message is for
	TimestampMS int64        `json:"timestamp_ms"`
	TTLMillis   int64        `json:"ttl_ms"`
	Data        string       `json:"data"` // store data: base64
	// StampMS, Nonce and Difficulty are the store request's timestamp and proof of work, once it is solved.
	// They are kept so that a retry sends the same bytes and the nodes recognise them.
	StampMS    int64           `json:"stamp_ms,omitempty"`
	Nonce      string          `json:"nonce,omitempty"`
	Difficulty int64           `json:"difficulty,omitempty"`
	Owner      string          `json:"owner,omitempty"`   // the process that works on it
	Receipt    *record.Receipt `json:"receipt,omitempty"` // set once a node has it
	StoredAt   time.Time       `json:"stored_at,omitzero"`
	Resumed    bool            `json:"-"`
}

// ErrGone reports an outbox entry that another process has finished.
var ErrGone = errors.New("outbox entry is gone")

// enqueue puts a message into the outbox, owned by this process.
func (a *Account) enqueue(tx *keystore.Tx, out *Outgoing) error {
	out.Owner = a.env.Owner
	value, err := json.Marshal(out)
	if err != nil {
		return err
	}
	out.Seq, err = tx.Append(tableOutbox, value)
	return err
}

// findAbandoned looks for an entry of the same draft that no living process works on.
func (a *Account) findAbandoned(tx *keystore.Tx, digest string) (*Outgoing, error) {
	var found *Outgoing
	err := eachOutgoing(tx, func(out Outgoing) error {
		if found == nil && out.Digest == digest && a.abandoned(out) {
			found = &out
		}
		return nil
	})
	return found, err
}

// abandoned reports whether nobody is at work on an entry.
func (a *Account) abandoned(out Outgoing) bool {
	return out.Owner == "" || (out.Owner != a.env.Owner && !a.env.Alive(out.Owner))
}

// resume takes over what an earlier run of the same command left in the outbox.
func (a *Account) resume(tx *keystore.Tx, digest string) (*Outgoing, error) {
	out, err := a.findAbandoned(tx, digest)
	if err != nil || out == nil {
		return nil, err
	}
	out.Owner, out.Resumed = a.env.Owner, true
	return out, saveOutgoing(tx, *out)
}

// ClaimOutbox takes over every unsent entry that no living process works on, oldest first, and clears away what is
// over: entries whose time to live has passed and stored ones that nobody asks for any more. Dropped are entries
// that expired unsent.
func (a *Account) ClaimOutbox(ctx context.Context) (claimed, dropped []Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		claimed, dropped = nil, nil
		now := a.env.Now()
		return eachOutgoing(tx, func(out Outgoing) error {
			switch {
			case !a.abandoned(out):
				return nil
			case out.Receipt != nil:
				if now.Sub(out.StoredAt) < reportedFor {
					return nil
				}
				return tx.DeleteSeq(tableOutbox, out.Seq)
			case now.UnixMilli() > out.TimestampMS+out.TTLMillis:
				dropped = append(dropped, out)
				return tx.DeleteSeq(tableOutbox, out.Seq)
			}
			out.Owner = a.env.Owner
			claimed = append(claimed, out)
			return saveOutgoing(tx, out)
		})
	})
	return claimed, dropped, err
}

// OutboxEmpty reports whether nothing waits to be sent, without changing anything.
func (a *Account) OutboxEmpty(ctx context.Context) (empty bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		empty = true
		return eachOutgoing(tx, func(Outgoing) error {
			empty = false
			return nil
		})
	})
	return empty, err
}

// SaveSolution remembers the proof of work in out before the message is sent.
func (a *Account) SaveSolution(ctx context.Context, out Outgoing) error {
	return a.changeOutgoing(ctx, out.Seq, func(stored *Outgoing) {
		stored.StampMS, stored.Nonce, stored.Difficulty = out.StampMS, out.Nonce, out.Difficulty
	})
}

// SaveReceipt remembers that a node has the message. The entry stays until Finish: if this process dies before it has
// reported the receipt, a rerun gets it.
func (a *Account) SaveReceipt(ctx context.Context, seq uint64, receipt record.Receipt) error {
	return a.changeOutgoing(ctx, seq, func(stored *Outgoing) {
		stored.Receipt, stored.StoredAt = &receipt, a.env.Now().UTC()
	})
}

// Release leaves an unsent message to the next command.
func (a *Account) Release(ctx context.Context, seq uint64) error {
	return a.changeOutgoing(ctx, seq, func(stored *Outgoing) { stored.Owner = "" })
}

// Finish removes an entry: its receipt was reported, or it can never be sent.
func (a *Account) Finish(ctx context.Context, seq uint64) error {
	return a.update(ctx, func(tx *keystore.Tx) error { return tx.DeleteSeq(tableOutbox, seq) })
}

func (a *Account) changeOutgoing(ctx context.Context, seq uint64, change func(*Outgoing)) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		value, found, err := tx.GetSeq(tableOutbox, seq)
		if err != nil {
			return err
		}
		if !found {
			return ErrGone
		}
		out := Outgoing{Seq: seq}
		if err := decode(tableOutbox, value, &out); err != nil {
			return err
		}
		change(&out)
		return saveOutgoing(tx, out)
	})
}

func saveOutgoing(tx *keystore.Tx, out Outgoing) error {
	value, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return tx.PutSeq(tableOutbox, out.Seq, value)
}

// eachOutgoing visits the outbox, oldest first. Visits may change and delete what they are shown.
func eachOutgoing(tx *keystore.Tx, visit func(Outgoing) error) error {
	return tx.Range(tableOutbox, 0, func(seq uint64, value []byte) error {
		out := Outgoing{Seq: seq}
		if err := decode(tableOutbox, value, &out); err != nil {
			return err
		}
		return visit(out)
	})
}
