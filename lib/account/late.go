package account

import (
	"context"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
)

// Restamp gives a late message the time now. Its ratchet ciphertext stays, so a recipient that has the message already
// takes it for a copy. Only the store request gets the time if the draft has chosen one for the message, or if the
// sender signed one, as in session-v1.
func (a *Account) Restamp(ctx context.Context, out Outgoing, now time.Time) (Outgoing, error) {
	out, err := out.Restamped(a.env.Random, now)
	if err != nil {
		return out, err
	}
	return out, a.changeOutgoing(ctx, out.Seq, func(stored *Outgoing) {
		stored.TimestampMS, stored.Data, stored.Ack = out.TimestampMS, out.Data, out.Ack
		stored.StampMS, stored.Nonce, stored.Difficulty = 0, "", 0
	})
}

// Drop removes a message that the network refuses for good from the outbox. If a user waits for it, a failure in the
// inbox says so, which Drop returns.
func (a *Account) Drop(ctx context.Context, out Outgoing, why error) (event inbox.Event, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		event = inbox.Event{}
		if err := outbox.Remove(tx, out); err != nil {
			return err
		}
		if out.Kind != KindText && out.Kind != KindFriendRequest {
			return nil
		}
		if err := a.dropCopy(tx, out); err != nil {
			return err
		}
		event = inbox.Event{
			ID: inbox.ID(fmt.Sprint("dropped ", a.ID(), out.Seq, out.Data)), Kind: inbox.EventFailure,
			Code: inbox.CodeDropped, To: out.To, TimestampMS: out.TimestampMS, ReceivedAt: a.env.Now().UTC(),
			Text: out.GivenUp(why),
		}
		return a.keepEvent(tx, &event, true)
	})
	return event, err
}
