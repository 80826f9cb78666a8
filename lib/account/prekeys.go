package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/account/prekeystore"
)

// Prekey describes one of the account's prekeys.
type Prekey = prekeystore.Prekey

// maker makes the account's prekeys.
func (a *Account) maker() prekeystore.Maker {
	return prekeystore.Maker{Identity: a.keys.X25519, Random: a.env.Random, Now: a.env.Now}
}

// Prekeys lists the signed prekeys, newest first, then the unused one-time prekeys.
func (a *Account) Prekeys(ctx context.Context) (prekeys []Prekey, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) (err error) {
		prekeys, err = prekeystore.List(tx)
		return err
	})
	return prekeys, err
}

// RotatePrekey replaces the signed prekey now, whatever its age.
func (a *Account) RotatePrekey(ctx context.Context) (Prekey, error) {
	var made prekeystore.SignedPrekey
	err := a.store.Update(ctx, a.name, func(tx *keystore.Tx) (err error) {
		if _, err := lifetime.Advance(tx, a.env.Now()); err != nil {
			return err
		}
		made, err = a.maker().Rotate(tx)
		return err
	})
	if err != nil {
		return Prekey{}, err
	}
	return made.Describe(true), nil
}
