package account

import (
	"context"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
)

// freshFor is how long a message that waits in the outbox keeps its time. A retry within that time sends the same bytes.
const freshFor = time.Minute

// Late reports whether a message has waited so long that it gets the time now, by the network's clock: it has the time
// at which it was first sent, and its time to live counts from then.
func (a *Account) Late(out Outgoing, now time.Time) bool {
	stamp := out.StampMS
	if stamp == 0 {
		stamp = out.TimestampMS
	}
	age := now.Sub(time.UnixMilli(stamp)).Abs() // a clock that was ahead makes an age below 0
	return out.Stage() < outbox.Sent && age > min(freshFor, time.Duration(out.TTLMillis)*time.Millisecond/2)
}

// Restamp gives a late message the time now. Its ratchet ciphertext stays, so a recipient that has the message already
// takes it for a copy. Only the store request gets the time if the draft has chosen one for the message, or if the
// sender signed one, as in session-v1.
func (a *Account) Restamp(ctx context.Context, out Outgoing, now time.Time) (Outgoing, error) {
	out.StampMS, out.Nonce, out.Difficulty = 0, "", 0
	if out.Undated {
		env, err := envelope.Unpack(out.Data)
		if err != nil {
			return out, fmt.Errorf("%w: outbox: %w", keystore.ErrCorrupt, err)
		}
		out.TimestampMS = now.UnixMilli()
		env.TimestampMS = uint64(out.TimestampMS)
		if out.Data, err = envelope.Pack(a.env.Random, env); err != nil {
			return out, err
		}
		if len(out.AckKey) == len(message.AckKey{}) {
			ack := message.AckKey(out.AckKey).Acknowledge(out.Data)
			out.Ack = ack[:]
		}
	}
	return out, a.changeOutgoing(ctx, out.Seq, func(stored *Outgoing) {
		stored.TimestampMS, stored.Data, stored.Ack = out.TimestampMS, out.Data, out.Ack
		stored.StampMS, stored.Nonce, stored.Difficulty = 0, "", 0
	})
}

// Drop removes a message that the network refuses for good from the outbox. If a user waits for it, a failure in the
// inbox says so, which Drop returns.
func (a *Account) Drop(ctx context.Context, out Outgoing, why error) (event inbox.Event, err error) {
	ref := ""
	if out.Ref != "" {
		ref = fmt.Sprintf(" with the ref %q", out.Ref)
	}
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
			Text: fmt.Sprintf("the %s of %s%s was given up: %v", out.Kind,
				time.UnixMilli(out.TimestampMS).UTC().Format(time.RFC3339), ref, why),
		}
		return a.keepEvent(tx, &event, true)
	})
	return event, err
}
