package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/safetynumber"
	"sessiontool/lib/sessionid"
)

// SafetyNumber returns the digits that the account and a contact compare; see [safetynumber.Of].
func (a *Account) SafetyNumber(contact sessionid.ID) string { return safetynumber.Of(a.ID(), contact) }

// Verify marks a contact as verified if number is the safety number with it. It returns [ErrSafetyNumber] if it is not,
// and [ErrUnknownContact]; neither changes anything.
//
// A verification never ends: the ID is the key, so a contact with another key is another contact.
func (a *Account) Verify(ctx context.Context, contact sessionid.ID, number string) error {
	want := a.SafetyNumber(contact) // takes milliseconds, so compute it outside the transaction
	return a.update(ctx, func(tx *keystore.Tx) error {
		c, found, err := contacts.Load(tx, contact)
		if err != nil {
			return err
		}
		if !found {
			return ErrUnknownContact
		}
		if !safetynumber.Equal(number, want) {
			return ErrSafetyNumber
		}
		c.Verified = true
		return contacts.Save(tx, c)
	})
}
