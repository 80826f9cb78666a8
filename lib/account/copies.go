package account

import (
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/account/usedkeys"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
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

// channel is what an account remembers of the sessions with a contact beside the ratchet. Chains are named by
// chainPrefix in hex.
type channel struct {
	Reused   string    `json:"reused,omitempty"`   // the contact's chain in which it used a message key twice
	ToldAt   time.Time `json:"told_at,omitzero"`   // when a message last went to the contact because of that
	Reported string    `json:"reported,omitempty"` // our chain for which a copy of this keystore was reported last
	Asked    string    `json:"asked,omitempty"`    // our chain in which an answer was asked for last, see askForAnswer
	AskedAt  uint32    `json:"asked_at,omitempty"` // the number of unanswered messages at that time
}

func chainPrefix(ratchetKey x25519.PublicKey) [message.HeardChainSize]byte {
	return [message.HeardChainSize]byte(ratchetKey[:])
}

func chainText(prefix [message.HeardChainSize]byte) string { return hex.EncodeToString(prefix[:]) }

// heard returns what a message to a contact says of the contact's own messages, nil if the session has none.
func (a *Account) heard(tx *keystore.Tx, contact sessionid.ID, session *ratchet.Session) (*message.Heard, error) {
	if session == nil {
		return nil, nil
	}
	key, next, found := session.Receiving()
	if !found {
		return nil, nil
	}
	var known channel
	if _, err := tables.Get(tx, tableChannels, contact.String(), &known); err != nil {
		return nil, err
	}
	prefix := chainPrefix(key)
	return &message.Heard{Chain: prefix, Next: next, Reused: known.Reused == chainText(prefix)}, nil
}

// noteReuse records that a friend has used a message key twice, and answers it, so that both copies of the friend's
// keystore learn of each other: at most one answer an hour. M is the second message.
func (a *Account) noteReuse(tx *keystore.Tx, friend sessionid.ID, m ratchet.WhisperMessage) error {
	var known channel
	if _, err := tables.Get(tx, tableChannels, friend.String(), &known); err != nil {
		return err
	}
	now := a.env.Now().UTC()
	known.Reused = chainText(chainPrefix(m.RatchetKey))
	contact, _, err := contacts.Load(tx, friend)
	if err != nil {
		return err
	}
	answers := contact.State(now) == StateFriends && !contacts.Early(now, known.ToldAt, resetEvery)
	if answers {
		known.ToldAt = now
	}
	if err := tables.Put(tx, tableChannels, friend.String(), known); err != nil || !answers {
		return err
	}
	_, err = a.control(tx, friend, outbox.Unowned)
	return err
}

// noteCopy reports once for each sending chain that another program has sent messages with the account's sessions: a
// copy of the keystore, or the original of a restored one. Sending are the sending chains before the message arrived.
func (a *Account) noteCopy(tx *keystore.Tx, event *inbox.Event, heard *message.Heard,
	sending []ratchet.Position) error {
	if heard == nil {
		return nil
	}
	i := slices.IndexFunc(sending, func(p ratchet.Position) bool { return chainPrefix(p.RatchetKey) == heard.Chain })
	if i < 0 || heard.Next <= sending[i].Next && !heard.Reused {
		return nil
	}
	var known channel
	if _, err := tables.Get(tx, tableChannels, event.From.String(), &known); err != nil {
		return err
	}
	chain := chainText(heard.Chain)
	if known.Reported == chain {
		return nil
	}
	known.Reported = chain
	if err := tables.Put(tx, tableChannels, event.From.String(), known); err != nil {
		return err
	}
	report := inbox.Event{
		ID: inbox.ID("copied " + event.ID), Kind: inbox.EventFailure, Code: inbox.CodeKeystoreCopied, From: event.From,
		Text:        "the contact has received messages of this account that this keystore has not sent",
		TimestampMS: event.TimestampMS, ReceivedAt: event.ReceivedAt, Route: event.Route,
	}
	return inbox.Keep(tx, &report, outbox.Unowned)
}
