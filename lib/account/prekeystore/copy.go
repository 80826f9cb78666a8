package prekeystore

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x3dh"
)

// Copy has the signed prekeys of an account and the numbers of its next prekeys.
type Copy struct {
	signed   []SignedPrekey
	counters map[string]uint32
}

// NewCopy copies what an account has.
func NewCopy(tx *keystore.Tx) (c Copy, err error) {
	c.counters = map[string]uint32{CounterSigned: 0, CounterOneTime: 0}
	if c.signed, err = LoadSigned(tx); err != nil {
		return Copy{}, err
	}
	for name, last := range c.counters {
		if _, err := tables.Get(tx, tables.Counters, name, &last); err != nil {
			return Copy{}, err
		}
		c.counters[name] = last
	}
	return c, nil
}

// Put puts the copy into another account.
func (c Copy) Put(tx *keystore.Tx) error {
	for name, last := range c.counters {
		if err := tables.Put(tx, tables.Counters, name, last); err != nil {
			return err
		}
	}
	return SaveSigned(tx, c.signed)
}

// Backdate deletes the signed prekeys that are younger than a time. If all are, it keeps the oldest one and gives it
// that time.
func Backdate(tx *keystore.Tx, begun time.Time) error {
	signed, err := LoadSigned(tx)
	if err != nil {
		return err
	}
	for len(signed) > 1 && signed[0].CreatedAt.After(begun) {
		signed = signed[1:]
	}
	if signed[0].CreatedAt.After(begun) {
		signed[0].CreatedAt = begun
	}
	if err := tables.Put(tx, tables.Counters, CounterSigned, signed[0].ID); err != nil {
		return err
	}
	return SaveSigned(tx, signed)
}

// Private returns the newest signed prekey and the one-time prekey of a contact, with their private halves.
func Private(tx *keystore.Tx, contact sessionid.ID) (x3dh.SignedPrekey, x3dh.OneTimePrekey, error) {
	signed, err := LoadSigned(tx)
	if err != nil {
		return x3dh.SignedPrekey{}, x3dh.OneTimePrekey{}, err
	}
	id, _, err := OneTimeOf(tx, contact)
	if err != nil {
		return x3dh.SignedPrekey{}, x3dh.OneTimePrekey{}, err
	}
	key, _, err := LoadOneTime(tx, id)
	return x3dh.SignedPrekey{
		ID: signed[0].ID, KeyPair: signed[0].KeyPair(), Signature: [x3dh.SignatureSize]byte(signed[0].Signature),
	}, x3dh.OneTimePrekey{ID: id, KeyPair: key.KeyPair()}, err
}
