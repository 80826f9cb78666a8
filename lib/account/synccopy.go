package account

import (
	"context"
	"encoding/base64"
	"fmt"

	"sessiontool/keystore"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/v2message"
)

// copyDigest is the outbox digest of the copy of a text.
func copyDigest(out Outgoing) string { return fmt.Sprintf("copy %d %s", out.TimestampMS, out.Digest) }

// hasCopy reports whether other devices show a message: a text, or a request to a contact of session-v1, which is one.
func hasCopy(out Outgoing) bool { return out.Kind == KindText || out.Kind == KindFriendRequest }

// leaveCopy puts the copy of a text that was just sealed into the outbox, for any process to send. The account's own
// polls ignore it.
func (a *Account) leaveCopy(tx *keystore.Tx, draft Draft, out Outgoing) error {
	usual := draft.Copy == CopyUsual
	if !hasCopy(out) || out.Protocol == string(ProtocolSignal) || draft.Copy == CopyNever || usual && !a.Restored() {
		return nil
	}
	keys, err := a.openKeyring(tx)
	if err != nil {
		return err
	}
	active, found := keys.Active()
	if usual && out.ForwardSecrecy && !found {
		return nil
	}
	left := Outgoing{
		Kind: KindCopy, To: a.ID(), TimestampMS: out.TimestampMS, TTLMillis: out.TTLMillis, Digest: copyDigest(out),
	}
	content := message.Content{
		Body: message.Data{
			Text: draft.Text, SyncTarget: out.To.String(), TimestampMS: uint64(out.TimestampMS),
		},
		SigTimestampMS: uint64(out.TimestampMS),
	}
	var name string
	if out.Protocol == string(ProtocolSessionV2) && found {
		name, err = a.sealCopy(&left, content.Marshal(), active.Seed.AccountKey().Public())
	} else if err = a.sealBox(&left, content); err == nil {
		var env envelope.Envelope
		env, err = envelope.Unpack(left.Data)
		name = layers.BoxName(env.Content)
	}
	if err != nil {
		return err
	}
	if err := tx.Put(tableBoxes, name, nil); err != nil {
		return err
	}
	return a.outbox.Add(tx, &left, outbox.Unowned)
}

// sealCopy seals a copy with session-v2 for the account's own key, and returns the name by which a poll ignores it.
func (a *Account) sealCopy(left *Outgoing, content []byte, key accountkeys.Public) (name string, err error) {
	sealed, err := v2message.Seal(a.env.Random, a.keys, v2message.Draft{To: a.ID(), Content: content}, key)
	left.Protocol, left.ForwardSecrecy = string(ProtocolSessionV2), true
	left.Data = base64.StdEncoding.EncodeToString(sealed)
	return layers.MessageName(v2message.Message{Sender: a.ID(), Content: content}), err
}

// dropCopy removes the copy of a text that will not be sent, unless it was sent already.
func (a *Account) dropCopy(tx *keystore.Tx, out Outgoing) error {
	if !hasCopy(out) {
		return nil
	}
	return a.outbox.Replace(tx, copyDigest(out))
}

// discard removes a text that can never be sent, and its copy.
func (a *Account) discard(ctx context.Context, out Outgoing) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		if err := a.dropCopy(tx, out); err != nil {
			return err
		}
		return outbox.Remove(tx, out)
	})
}
