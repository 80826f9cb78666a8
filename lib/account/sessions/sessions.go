// Package sessions keeps an account's ratchet sessions with its contacts, within transactions of the keystore, and what
// the account knows of other programs that use the same sessions.
package sessions

import (
	"fmt"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// Table has the sessions with each contact.
const Table keystore.Table = "sessions"

// Load returns the sessions with a contact, which may be none.
func Load(tx *keystore.Tx, contact sessionid.ID) (*ratchet.SessionRecord, error) {
	sessions := new(ratchet.SessionRecord)
	data, found, err := tx.Get(Table, contact.String())
	if err != nil || !found {
		return sessions, err
	}
	if err := sessions.UnmarshalBinary(data); err != nil {
		return nil, fmt.Errorf("%w: sessions: %w", keystore.ErrCorrupt, err)
	}
	return sessions, nil
}

// Save stores the sessions with a contact.
func Save(tx *keystore.Tx, contact sessionid.ID, sessions *ratchet.SessionRecord) error {
	data, err := sessions.MarshalBinary()
	if err != nil {
		return err
	}
	return tx.Put(Table, contact.String(), data)
}

// MaxReceived bounds the stored sessions with one contact in bytes. Without it, a contact that makes the account keep
// the keys of thousands of lost messages could grow the value beyond the keystore's maximum, and every poll would fail.
// The other half is room for changes of our own. Honest contacts need a few kilobytes.
const MaxReceived = keystore.MaxValueSize / 2

// SaveReceived is [Save] after a received message, which is to blame if there is no room.
func SaveReceived(tx *keystore.Tx, contact sessionid.ID, sessions *ratchet.SessionRecord) error {
	data, err := sessions.MarshalBinary()
	if err != nil {
		return err
	}
	if len(data) > MaxReceived {
		return inbox.Fail(inbox.CodeDecryptionFailed,
			fmt.Errorf("the contact's sessions would take %d bytes", len(data)))
	}
	return tx.Put(Table, contact.String(), data)
}
