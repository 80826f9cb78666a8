package outbox

import (
	"fmt"
	"io"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
)

// FreshFor is how long a message that waits in the outbox keeps its time. A retry within that time sends the same bytes.
const FreshFor = time.Minute

// Late reports whether a message has waited so long that it gets the time now, by the network's clock: it has the time
// at which it was first sent, and its time to live counts from then.
func (e Entry) Late(now time.Time) bool {
	stamp := e.StampMS
	if stamp == 0 {
		stamp = e.TimestampMS
	}
	age := now.Sub(time.UnixMilli(stamp)).Abs() // a clock that was ahead makes an age below 0
	return e.Stage() < Sent && age > min(FreshFor, time.Duration(e.TTLMillis)*time.Millisecond/2)
}

// Restamped returns the message with the time now, without a proof of work. The data gets the time, too, unless the
// draft has chosen one for the message, or the sender signed one.
func (e Entry) Restamped(random io.Reader, now time.Time) (Entry, error) {
	e.StampMS, e.Nonce, e.Difficulty = 0, "", 0
	if !e.Undated {
		return e, nil
	}
	env, err := envelope.Unpack(e.Data)
	if err != nil {
		return e, fmt.Errorf("%w: outbox: %w", keystore.ErrCorrupt, err)
	}
	e.TimestampMS = now.UnixMilli()
	env.TimestampMS = uint64(e.TimestampMS)
	if e.Data, err = envelope.Pack(random, env); err != nil {
		return e, err
	}
	if len(e.AckKey) == len(message.AckKey{}) {
		ack := message.AckKey(e.AckKey).Acknowledge(e.Data)
		e.Ack = ack[:]
	}
	return e, nil
}

// GivenUp says to the user who waits for a message that it will not be sent.
func (e Entry) GivenUp(why error) string {
	ref := ""
	if e.Ref != "" {
		ref = fmt.Sprintf(" with the ref %q", e.Ref)
	}
	return fmt.Sprintf("the %s of %s%s was given up: %v", e.Kind,
		time.UnixMilli(e.TimestampMS).UTC().Format(time.RFC3339), ref, why)
}
