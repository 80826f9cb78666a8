package account

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// resetEvery is the minimum time between two resets of the session with one contact.
const resetEvery = time.Hour

// resetFor resets the session with a friend that starts one from a used prekey. The friend has restored an old state
// from a backup or from its words, and every further message would be lost. Data is the friend's message. Without
// sealed sender its sender is not authenticated, and resetFor does nothing.
func (a *Account) resetFor(tx *keystore.Tx, data string, friend sessionid.ID) error {
	env, err := envelope.Unpack(data)
	if err != nil || env.Kind != ciphertext.Sealed {
		return nil // the failure event already reports the message
	}
	contact, found, err := loadContact(tx, friend)
	now := a.env.Now().UTC()
	if err != nil || !found || contact.state(now) != StateFriends || early(now, contact.ResetAt, resetEvery) {
		return err
	}
	contact.ResetAt = now
	if err := saveContact(tx, contact); err != nil {
		return err
	}
	out, err := a.sealReset(tx, friend)
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
