package account

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/account/peerkeys"
	"sessiontool/lib/account/undecided"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/sessionid"
)

// ErrOtherDevices reports an account that may have devices that do not read session-v2, or that this one does not know.
var ErrOtherDevices = errors.New("the account may be on other devices")

// openKeyring reads the account's keyring within a transaction.
func (a *Account) openKeyring(tx *keystore.Tx) (*keyring.Keyring, error) {
	return keyring.In(tx, a.keys, a.env.Random, time.UnixMilli(a.stamp()))
}

// ViewKeyring calls look with the account's keyring, which it must not change.
func (a *Account) ViewKeyring(ctx context.Context, look func(*keyring.Keyring) error) error {
	return a.view(ctx, func(tx *keystore.Tx) error {
		keys, err := a.openKeyring(tx)
		if err != nil {
			return err
		}
		return look(keys)
	})
}

// UpdateKeyring calls change with the account's keyring in one transaction, and deletes the keys that are no longer
// needed. It also stores cursors, of what change has read. If change brings keys of other devices, messages that waited
// for them are opened: they are the result, and this process has claimed their events.
func (a *Account) UpdateKeyring(
	ctx context.Context, cursors []Cursor, change func(*keyring.Keyring) error,
) (opened []Opened, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		keys, err := a.openKeyring(tx)
		if err != nil {
			return err
		}
		if err := change(keys); err != nil {
			return err
		}
		keys.Prune()
		for _, cursor := range cursors {
			if err := inbox.SetCursor(tx, cursor.Node, cursor.Hash); err != nil {
				return err
			}
		}
		if err := keys.Save(tx); err != nil || !keys.Learned() {
			return err
		}
		opened, err = a.retryUndecided(tx)
		return err
	})
	return opened, err
}

// Restored reports whether the account may have existed before this keystore: it was made from recovery words, or by a
// version that did not note that.
func (a *Account) Restored() bool { return a.id.Origin != originNew }

// The origins of an account.
const (
	originNew      = "new"
	originRestored = "restored"
)

// PeerKeys returns what is known of the key of session-v2 that the draft's recipient publishes, and whether to ask the
// recipient's swarm. A draft for which no such key is needed gets the zero Known.
func (a *Account) PeerKeys(ctx context.Context, draft Draft) (known peerkeys.Known, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		known, err = a.peerKeys(tx, draft)
		return err
	})
	return known, err
}

// RememberPeerKey records which key a Session ID publishes; nil is none.
func (a *Account) RememberPeerKey(ctx context.Context, id sessionid.ID, key *accountkeys.Public) error {
	return a.update(ctx, func(tx *keystore.Tx) error { return a.rememberPeer(tx, id, key) })
}

// ReportUndecided makes failure events of messages that have waited for a key for an hour, or at all if no key can come
// because this device is in no device group. They stay, and open when their key comes. This process has claimed the
// events.
func (a *Account) ReportUndecided(ctx context.Context) (reported []Opened, err error) {
	var waits bool
	err = a.view(ctx, func(tx *keystore.Tx) error {
		waits = false
		return undecided.Each(tx, func(undecided.Message) error {
			waits = true
			return fs.SkipAll
		})
	})
	if err != nil || !waits {
		return nil, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		reported, err = a.reportUndecided(tx, false)
		return err
	})
	return reported, err
}
