package account

import (
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// resetEvery is the minimum time between two resets of the session with one contact.
const resetEvery = time.Hour

// resetFor resets the session with a friend that starts one from a used or deleted prekey. The friend has restored an
// old state from a backup or from its words, or has accepted an old request of ours, and every further message would be
// lost. Data is the friend's message. Without sealed sender its sender is not authenticated, and resetFor does nothing.
func (a *Account) resetFor(tx *keystore.Tx, data string, friend sessionid.ID) error {
	env, err := envelope.Unpack(data)
	if err != nil || env.Kind != ciphertext.Sealed {
		return nil // the failure event already reports the message
	}
	contact, found, err := contacts.Load(tx, friend)
	now := a.env.Now().UTC()
	knows := slices.Contains([]State{StateFriends, StateSent, StateExpired}, contact.State(now))
	if err != nil || !found || !knows || contacts.Early(now, contact.ResetAt, resetEvery) {
		return err
	}
	if contact.State(now) != StateFriends {
		// The contact takes a bundle with the one-time prekey of the request for a used one.
		if err := prekeystore.DropOneTime(tx, friend); err != nil {
			return err
		}
	}
	return a.reset(tx, contact, now)
}

// reset puts a reset of the session with a contact into the outbox.
func (a *Account) reset(tx *keystore.Tx, contact contacts.Contact, now time.Time) error {
	contact.ResetAt = now
	if err := contacts.Save(tx, contact); err != nil {
		return err
	}
	out, err := a.sealReset(tx, contact.ID)
	if err != nil {
		return err
	}
	return a.outbox.Add(tx, &out, outbox.Unowned)
}

// sealReset makes the message with which Session Desktop resets a session: a friend request that ends the old session
// and brings the bundle for a new one (signal-2020.md section 5.6).
func (a *Account) sealReset(tx *keystore.Tx, friend sessionid.ID) (Outgoing, error) {
	bundle, err := a.maker().Bundle(tx, friend)
	if err != nil {
		return Outgoing{}, err
	}
	padded := message.Pad(message.Reset(bundle).Marshal())
	encrypted, err := friendrequest.Encrypt(a.env.Random, a.keys.X25519, friend.PublicKey(), padded)
	if err != nil {
		return Outgoing{}, err
	}
	out := Outgoing{Kind: KindControl, To: friend, TTLMillis: controlTTL, Digest: "reset " + friend.String()}
	err = a.wrap(&out, ciphertext.FriendRequest, encrypted)
	return out, err
}
