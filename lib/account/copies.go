package account

import (
	"errors"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/account/usedkeys"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// errUsedLongAgo reports a message whose message key was used so long ago that no witness of it is left. It may be a
// copy.
var errUsedLongAgo = errors.New("its message key was used long ago")

// rememberUsed records the message key of a received message.
func (a *Account) rememberUsed(tx *keystore.Tx, event *inbox.Event, m ratchet.WhisperMessage,
	used ratchet.Witness) error {
	return usedkeys.Add(tx, inbox.ChainName(event.From, m.RatchetKey), m.Counter, used, a.life.Add(inbox.SeenFor))
}

// judgeUsed returns what a message is whose message key was used or dropped: ErrDuplicate for a copy of the message
// that used it, a failure otherwise. Only the MAC key of the used key is left, so the message itself is lost.
func (a *Account) judgeUsed(tx *keystore.Tx, event *inbox.Event, inner []byte, used error, claimed bool) error {
	m, err := ratchet.ParseWhisperMessage(inner)
	if err != nil {
		return err
	}
	witness, found, err := usedkeys.Find(tx, inbox.ChainName(event.From, m.RatchetKey), m.Counter)
	switch {
	case err != nil:
		return err
	case found:
		used = witness.Judge(event.From.PublicKey(), a.keys.X25519.Public, inner)
	case errors.Is(used, ratchet.ErrDuplicate) && !claimed &&
		a.env.Now().Sub(time.UnixMilli(event.TimestampMS)) < inbox.SeenFor:
		used = errUsedLongAgo // a copy would be older than what the witnesses of its time are kept for
	}
	switch {
	case errors.Is(used, ratchet.ErrDuplicate):
		return used
	case errors.Is(used, ratchet.ErrKeyReused), errors.Is(used, errUsedLongAgo):
		if errors.Is(used, ratchet.ErrKeyReused) {
			if err := a.noteReuse(tx, event.From, m); err != nil {
				return err
			}
		}
		return inbox.Fail(inbox.CodeKeyReused, used)
	}
	return inbox.Fail(inbox.CodeDecryptionFailed, used)
}

// claimedAfter reports whether the sender of a message that failed is only claimed. A reused message key proves the
// sender, since only its sessions have the MAC key. If no witness of the key is left, nothing does.
func claimedAfter(err error, claimed bool) bool {
	switch {
	case errors.Is(err, ratchet.ErrKeyReused):
		return false
	case errors.Is(err, errUsedLongAgo):
		return true
	}
	return claimed
}

// noteReuse records that a friend has used a message key twice, and answers it, so that both copies of the friend's
// keystore learn of each other: at most one answer an hour. M is the second message.
func (a *Account) noteReuse(tx *keystore.Tx, friend sessionid.ID, m ratchet.WhisperMessage) error {
	known, err := sessions.LoadChannel(tx, friend)
	if err != nil {
		return err
	}
	now := a.env.Now().UTC()
	known.Reused = sessions.ChainName(m.RatchetKey)
	contact, _, err := contacts.Load(tx, friend)
	if err != nil {
		return err
	}
	answers := contact.State(now) == StateFriends && !contacts.Early(now, known.ToldAt, resetEvery)
	if answers {
		known.ToldAt = now
	}
	if err := sessions.SaveChannel(tx, friend, known); err != nil || !answers {
		return err
	}
	_, err = a.control(tx, friend, outbox.Unowned)
	return err
}

// noteCopy reports once for each sending chain that another program has sent messages with the account's sessions: a
// copy of the keystore, or the original of a restored one. Sending are the sending chains before the message arrived.
func (a *Account) noteCopy(tx *keystore.Tx, event *inbox.Event, heard *message.Heard,
	sending []ratchet.Position) error {
	copied, err := sessions.Copied(tx, event.From, heard, sending)
	if err != nil || !copied {
		return err
	}
	report := inbox.Event{
		ID: inbox.ID("copied " + event.ID), Kind: inbox.EventFailure, Code: inbox.CodeKeystoreCopied, From: event.From,
		Text:        "the contact has received messages of this account that this keystore has not sent",
		TimestampMS: event.TimestampMS, ReceivedAt: event.ReceivedAt, Route: event.Route,
	}
	return inbox.Keep(tx, &report, outbox.Unowned)
}
