package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/sessionid"
)

// StatusFreshFor is how long an online status is valid.
const StatusFreshFor = contacts.StatusFreshFor

// StatusOf returns the last status of a contact, and whether it ever sent one. Other clients never do.
func (a *Account) StatusOf(ctx context.Context, id sessionid.ID) (status Status, told bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		contact, _, err := contacts.Load(tx, id)
		if err == nil && contact.Status != nil {
			status, told = *contact.Status, true
		}
		return err
	})
	return status, told, err
}

// Unreachable records that a contact did not listen at tried. It keeps a newer status.
func (a *Account) Unreachable(ctx context.Context, id sessionid.ID, tried Status) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		contact, found, err := contacts.Load(tx, id)
		if err != nil || !found || contact.Status == nil || *contact.Status != tried {
			return err
		}
		contact.Status.Node = ""
		return contacts.Save(tx, contact)
	})
}
