package account

import (
	"context"
	"fmt"
	"io"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/groupcommit"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// Sealing is a draft that is sealed into the outbox: see [Account.BeginSend].
type Sealing = groupcommit.Result[Outgoing]

// Send is [Account.BeginSend] and Wait.
func (a *Account) Send(ctx context.Context, draft Draft) (out Outgoing, err error) {
	return a.BeginSend(draft).Wait(ctx)
}

// BeginSend seals a draft and puts it into the outbox, in one transaction with the ratchet step. If a killed run of the
// same draft left its message there, BeginSend takes that over. With session-v1 the recipient need not be a friend or
// known. Drafts are sealed in the order of the calls. The caller must call Wait. Errors: [ErrUnknownContact],
// [ErrNotFriends], [ErrSelf], [ErrNoText], [ErrTTL], [ErrOnlyAsync], and those of [message.CheckText].
func (a *Account) BeginSend(draft Draft) *Sealing {
	if err := draft.Complete(); err != nil {
		return groupcommit.Failed[Outgoing](err)
	}
	return groupcommit.Make(a.group, func(tx *keystore.Tx) (Outgoing, error) { return a.sendIn(tx, draft) })
}

// sendIn is the transaction of BeginSend.
func (a *Account) sendIn(tx *keystore.Tx, draft Draft) (out Outgoing, err error) {
	if err := a.outbox.Tidy(tx); err != nil {
		return out, err
	}
	earlier, found, err := a.resumeText(tx, draft)
	if err != nil {
		return out, err
	}
	if found {
		out = earlier
		out.Ref = draft.Ref
		if out.Receipt != nil {
			return out, nil
		}
		out.OnlySync, out.Behind = draft.OnlySync, a.outbox.Behind(draft.To)
		return out, outbox.Save(tx, out)
	}
	if out, err = a.sealDraft(tx, draft); err != nil {
		return out, err
	}
	out.Digest, out.DraftID, out.Content = earlier.Digest, draft.ID, earlier.Content
	out.OnlySync, out.Behind = draft.OnlySync, a.outbox.Behind(draft.To)
	out.Fresh = draft.TimestampMS == 0
	if err := a.outbox.Add(tx, &out, a.env.Owner); err != nil {
		return out, err
	}
	if err := a.leaveCopy(tx, draft, out); err != nil {
		return out, err
	}
	return out, a.askForAnswer(tx, out)
}

// resumeText returns the message of an earlier run of a draft. If there is none, the entry has only the digests by which
// a later run finds it.
func (a *Account) resumeText(tx *keystore.Tx, draft Draft) (out Outgoing, found bool, err error) {
	if draft.ID == "" {
		digest := draft.Digest(KindText)
		if out, found, err = a.outbox.Resume(tx, digest); !found {
			out.Digest = digest
		}
		return out, found, err
	}
	key, content := draft.Key()
	if out, found, err = a.outbox.ResumeKey(tx, key, content); !found {
		out.Digest, out.Content = key, content
	}
	return out, found, err
}

// Reseal replaces an outbox entry whose timestamp was wrong: it seals the draft again. No node may have the old
// message. Errors are those of [Account.Send].
func (a *Account) Reseal(ctx context.Context, old Outgoing, draft Draft) (out Outgoing, err error) {
	if err := draft.CompleteTTL(); err != nil {
		return Outgoing{}, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		if err := outbox.Remove(tx, old); err != nil {
			return err
		}
		if err := a.dropCopy(tx, old); err != nil {
			return err
		}
		if old.Kind == KindFriendRequest {
			contact, err := contacts.For(tx, draft.To, a.env.Now())
			if err != nil {
				return err
			}
			out, err = a.askFriend(tx, draft, contact)
			if err != nil {
				return err
			}
		} else if draft.TimestampMS, err = outbox.Before(tx, old, a.stamp()); err != nil {
			return err
		} else if out, err = a.sealDraft(tx, draft); err != nil {
			return err
		}
		out.Digest, out.DraftID, out.Content = old.Digest, old.DraftID, old.Content
		out.OnlySync, out.Behind, out.Again = old.OnlySync, old.Behind, true
		if err := a.outbox.Add(tx, &out, a.env.Owner); err != nil {
			return err
		}
		return a.leaveCopy(tx, draft, out)
	})
	return out, err
}

// Seal seals a draft and returns the message without putting it into the outbox: the caller sends it. Errors are those
// of [Account.Send].
func (a *Account) Seal(ctx context.Context, draft Draft) (out Outgoing, err error) {
	if err := draft.Complete(); err != nil {
		return Outgoing{}, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		out, err = a.sealDraft(tx, draft)
		return err
	})
	return out, err
}

func (a *Account) sealDraft(tx *keystore.Tx, draft Draft) (Outgoing, error) {
	if draft.To == a.ID() {
		return Outgoing{}, ErrSelf
	}
	if err := refuseBlocked(tx, draft.To); err != nil {
		return Outgoing{}, err
	}
	contact, found, err := contacts.Load(tx, draft.To)
	if err != nil {
		return Outgoing{}, err
	}
	if draft.ProtocolFor(contact) != ProtocolSignal {
		return a.sealOpen(tx, KindText, draft)
	}
	if !found {
		return Outgoing{}, fmt.Errorf("%w %s", ErrUnknownContact, draft.To)
	}
	if state := contact.State(a.env.Now()); state != StateFriends {
		return Outgoing{}, fmt.Errorf("%w: the state is %s", ErrNotFriends, state)
	}
	if record, err := sessions.Load(tx, draft.To); err != nil {
		return Outgoing{}, err
	} else if record.Current() == nil {
		return Outgoing{}, fmt.Errorf("%w by protocol signal: there is no session", ErrNotFriends)
	}
	out := Outgoing{
		Kind: KindText, To: draft.To, Ref: draft.Ref, TimestampMS: draft.TimestampMS, TTLMillis: draft.TTLMillis,
	}
	err = a.sealRatcheted(tx, &out, message.Text(draft.Text, a.id.DisplayName, nil))
	return out, err
}

// control seals a message without a text and puts it into the outbox for owner. It completes a friend request, and
// confirms a session to a peer (signal-2020.md sections 4.4 and 5.4).
func (a *Account) control(tx *keystore.Tx, to sessionid.ID, owner string) (Outgoing, error) {
	out := Outgoing{Kind: KindControl, To: to, TTLMillis: controlTTL, Digest: acceptance(to)}
	if err := a.sealRatcheted(tx, &out, message.Background()); err != nil {
		return Outgoing{}, err
	}
	err := a.outbox.Add(tx, &out, owner)
	return out, err
}

// sealRatcheted encrypts content, with our extension, in the contact's session, stores the session's new state, and
// fills in out.
func (a *Account) sealRatcheted(tx *keystore.Tx, out *Outgoing, content message.Content) error {
	if a.env.Original {
		return a.encrypt(tx, out, content)
	}
	status, err := a.online(tx)
	if err != nil {
		return err
	}
	var key message.AckKey
	if _, err := io.ReadFull(a.env.Random, key[:]); err != nil {
		return err
	}
	content.Extension = &message.Extension{
		Status: &status, StatusTimestampMS: uint64(a.stamp()), AckKey: &key,
	}
	if err := a.encrypt(tx, out, content); err != nil {
		return err
	}
	ack := key.Acknowledge(out.Data)
	out.Ack, out.AckKey = ack[:], key[:]
	return nil
}

func (a *Account) encrypt(tx *keystore.Tx, out *Outgoing, content message.Content) error {
	record, err := sessions.Load(tx, out.To)
	if err != nil {
		return err
	}
	if content.Extension != nil {
		if content.Extension.Heard, err = sessions.Heard(tx, out.To, record.Current()); err != nil {
			return err
		}
	}
	if current := record.Current(); current != nil {
		if out.Unanswered = current.Sending().Next; out.Unanswered >= longChain {
			out.Warnings = append(out.Warnings, outbox.WarnUnanswered)
		}
	}
	kind, encrypted, err := record.Encrypt(message.Pad(content.Marshal()))
	if err != nil {
		return err
	}
	if err := sessions.Save(tx, out.To, record); err != nil {
		return err
	}
	return a.wrap(out, kind, encrypted)
}

// wrap puts a ciphertext into an envelope: see [layers.Pack].
func (a *Account) wrap(out *Outgoing, kind ciphertext.Kind, encrypted []byte) error {
	if out.Undated = out.TimestampMS == 0; out.Undated {
		out.TimestampMS = a.stamp()
	}
	if a.watch != nil {
		a.watch(kind, encrypted)
	}
	out.Protocol = string(ProtocolSignal)
	out.ForwardSecrecy = kind == ciphertext.Whisper || kind == ciphertext.PreKeyWhisper
	data, err := layers.Pack(a.env.Random, a.keys, out.To, kind, encrypted, out.TimestampMS, a.env.Plain)
	out.Data = data
	return err
}

// local returns this side of every session.
func (a *Account) local() ratchet.Identity {
	return ratchet.Identity{KeyPair: a.keys.X25519, RegistrationID: a.id.RegistrationID}
}
