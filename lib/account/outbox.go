package account

import (
	"context"
	"slices"

	"sessiontool/keystore"
	"sessiontool/lib/account/outbox"
)

// The types of package outbox.
type (
	Outgoing   = outbox.Entry
	Kind       = outbox.Kind
	Receipt    = outbox.Receipt
	NodeResult = outbox.NodeResult
	Reason     = outbox.Reason
)

// The kinds of outgoing messages.
const (
	KindText          = outbox.KindText
	KindFriendRequest = outbox.KindFriendRequest
	KindControl       = outbox.KindControl
	KindStatus        = outbox.KindStatus
	KindCopy          = outbox.KindCopy
)

// ErrGone reports an outbox entry that another process has finished. ErrKeyReused reports the id of a draft that was
// used for the same recipient with another content. ErrInFlight reports an entry that another process works on.
var (
	ErrGone      = outbox.ErrGone
	ErrKeyReused = outbox.ErrKeyReused
	ErrInFlight  = outbox.ErrInFlight
)

// ClaimOutbox claims every unsent entry that no running process works on, oldest first, and deletes expired receipts. See
// [outbox.Box.Claim].
func (a *Account) ClaimOutbox(ctx context.Context) (claimed []Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		claimed, err = a.outbox.Claim(tx)
		return err
	})
	return claimed, err
}

// ClaimEarlier claims at most most unsent entries for the same recipient that are older than out. See
// [outbox.Box.ClaimEarlier].
func (a *Account) ClaimEarlier(ctx context.Context, out Outgoing, most int) (claimed []Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		claimed, err = a.outbox.ClaimEarlier(tx, out, most)
		return err
	})
	return claimed, err
}

// OutboxEmpty reports whether no outbox entry waits to be sent. It changes nothing.
func (a *Account) OutboxEmpty(ctx context.Context) (empty bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		empty, err = outbox.Empty(tx)
		return err
	})
	return empty, err
}

// OutboxWaiting lists the outbox entries that no node has yet, oldest first, and whether a running process works on each.
func (a *Account) OutboxWaiting(ctx context.Context) (waiting []Outgoing, inFlight []bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		waiting, inFlight, err = a.outbox.Waiting(tx)
		return err
	})
	return waiting, inFlight, err
}

// Cancel removes an outbox entry that no node has yet, unless another process works on it ([ErrInFlight]). The error is
// [ErrGone] if there is none.
func (a *Account) Cancel(ctx context.Context, seq uint64) (out Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		if out, err = a.outbox.Cancel(tx, seq); err != nil {
			return err
		}
		return a.dropCopy(tx, out)
	})
	return out, err
}

// Answered reports whether messages received since the last call have put an unclaimed entry into the outbox. It saves
// a process that receives many messages from reading the outbox each time.
func (a *Account) Answered() bool { return a.outbox.Answered() }

// SaveSolution stores the proof of work of out before the message is sent.
func (a *Account) SaveSolution(ctx context.Context, out Outgoing) error {
	return a.changeOutgoing(ctx, out.Seq, func(stored *Outgoing) {
		stored.StampMS, stored.Nonce, stored.Difficulty = out.StampMS, out.Nonce, out.Difficulty
	})
}

// SaveReceipt records that a node has the message. The entry stays until Finish: if this process dies before it has
// reported the receipt, a rerun gets it.
func (a *Account) SaveReceipt(ctx context.Context, seq uint64, receipt Receipt) error {
	return a.group.Update(ctx, func(tx *keystore.Tx) error { return a.outbox.SaveReceipt(tx, seq, receipt) })
}

// Release makes an entry claimable again, unless another process has taken it over.
func (a *Account) Release(ctx context.Context, seq uint64) error {
	return a.group.Update(ctx, func(tx *keystore.Tx) error { return a.outbox.Release(tx, seq) })
}

// Finish records that the receipts of entries were reported. An entry stays until this process has ended cleanly: if it
// is killed before its caller knows the result, a rerun must not send the message again. Seq 0 stands for a receipt that
// was remembered without an entry.
func (a *Account) Finish(ctx context.Context, seqs ...uint64) error {
	seqs = slices.DeleteFunc(slices.Clone(seqs), func(seq uint64) bool { return seq == 0 })
	if len(seqs) == 0 {
		return nil
	}
	return a.group.Update(ctx, func(tx *keystore.Tx) error {
		for _, seq := range seqs {
			if err := outbox.Change(tx, seq, func(stored *Outgoing) { stored.Reported = true }); err != nil {
				return err
			}
		}
		return nil
	})
}

// Discard deletes an entry that can never be sent, or an answer that was sent.
func (a *Account) Discard(ctx context.Context, out Outgoing) error { return a.discard(ctx, out) }

func (a *Account) changeOutgoing(ctx context.Context, seq uint64, change func(*Outgoing)) error {
	return a.group.Update(ctx, func(tx *keystore.Tx) error { return outbox.Change(tx, seq, change) })
}
