package account

import (
	"errors"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/usedkeys"
	"sessiontool/lib/ratchet"
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
		return fail(inbox.CodeKeyReused, used)
	}
	return fail(inbox.CodeDecryptionFailed, used)
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
