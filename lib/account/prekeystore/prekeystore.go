// Package prekeystore keeps the signed prekeys and the one-time prekeys of an account in the keystore (signal-2020.md
// section 6): libsignal's PreKeyStore and SignedPreKeyStore.
//
// A one-time prekey is made for one contact, and deleted when that contact's first message has used it.
package prekeystore

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

const (
	// RotateAfter is the age at which a signed prekey is replaced (signal-2020.md section 6.2).
	RotateAfter = 48 * time.Hour
	// keepCount is how many signed prekeys are kept at any age; older ones are kept for KeepFor, by the clock of
	// package lifetime. The 2020 client deletes them after 7 days. A user who reads requests weekly would then accept
	// with a bundle whose keys are gone, so this package keeps them longer. A machine whose clock jumps rotates with
	// each jump: keepMost bounds what is kept.
	keepCount = 3
	KeepFor   = 30 * 24 * time.Hour
	keepMost  = 100
)

// The tables of the prekeys, and their counters.
const (
	TableSigned   keystore.Table = "signed_prekeys"  // signedKey -> []SignedPrekey, newest first
	TableOneTime  keystore.Table = "onetime_prekeys" // id -> OneTimePrekey
	TableContacts keystore.Table = "prekey_of"       // contact -> id of the one-time prekey that was made for it

	CounterSigned  = "signed_prekey"
	CounterOneTime = "onetime_prekey"
)

const signedKey = "all"

// SignedPrekey is the stored form of x3dh.SignedPrekey.
type SignedPrekey struct {
	ID        uint32    `json:"id"`
	Private   []byte    `json:"private"`
	Signature []byte    `json:"signature"`
	CreatedAt time.Time `json:"created_at"`
	// Since is CreatedAt by the clock of package lifetime. It is zero in keys of versions that did not have it.
	Since time.Time `json:"since,omitzero"`
}

// since returns CreatedAt by the clock of package lifetime, which began at the machine's time.
func (p SignedPrekey) since() time.Time {
	if p.Since.IsZero() {
		return p.CreatedAt
	}
	return p.Since
}

// OneTimePrekey is the stored form of x3dh.OneTimePrekey, with the contact that it was made for.
type OneTimePrekey struct {
	Private   []byte       `json:"private"`
	Contact   sessionid.ID `json:"contact"`
	CreatedAt time.Time    `json:"created_at"`
}

// KeyPair returns the key pair.
func (p SignedPrekey) KeyPair() x25519.KeyPair {
	return x25519.NewKeyPair(x25519.PrivateKey(p.Private))
}

// KeyPair returns the key pair.
func (p OneTimePrekey) KeyPair() x25519.KeyPair {
	return x25519.NewKeyPair(x25519.PrivateKey(p.Private))
}

// Format prints a placeholder whatever the verb is.
func (p SignedPrekey) Format(f fmt.State, _ rune) {
	io.WriteString(f, "prekeystore.SignedPrekey(redacted)")
}

// Format prints a placeholder whatever the verb is.
func (p OneTimePrekey) Format(f fmt.State, _ rune) {
	io.WriteString(f, "prekeystore.OneTimePrekey(redacted)")
}

// Describe returns what may be shown of a prekey.
func (p SignedPrekey) Describe(current bool) Prekey {
	return Prekey{ID: p.ID, Public: p.KeyPair().Public, CreatedAt: p.CreatedAt, Current: current}
}

// Prekey describes one of the account's prekeys. For is the contact of a one-time prekey. Current marks the signed
// prekey that new bundles carry.
type Prekey struct {
	OneTime   bool
	ID        uint32
	Public    x25519.PublicKey
	CreatedAt time.Time
	Current   bool
	For       sessionid.ID
}

// List returns the signed prekeys, newest first, then the unused one-time prekeys.
func List(tx *keystore.Tx) (prekeys []Prekey, err error) {
	signed, err := LoadSigned(tx)
	if err != nil {
		return nil, err
	}
	for i, key := range signed {
		prekeys = append(prekeys, key.Describe(i == 0))
	}
	err = tx.ForEach(TableOneTime, func(name string, value []byte) error {
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			return fmt.Errorf("%w: prekey id: %w", keystore.ErrCorrupt, err)
		}
		var key OneTimePrekey
		if err := tables.Decode(TableOneTime, value, &key); err != nil {
			return err
		}
		prekeys = append(prekeys, Prekey{
			OneTime: true, ID: uint32(id), Public: x25519.PrivateKey(key.Private).Public(),
			CreatedAt: key.CreatedAt, For: key.Contact,
		})
		return nil
	})
	return prekeys, err
}

// Maker makes prekeys of the account with this identity key.
type Maker struct {
	Identity x25519.KeyPair
	Random   io.Reader
	Now      func() time.Time
}

// KeepFresh replaces the signed prekey if it is older than 48 hours, or made by a clock that far ahead.
func (m Maker) KeepFresh(tx *keystore.Tx) error {
	signed, err := LoadSigned(tx)
	if err != nil {
		return err
	}
	if len(signed) > 0 && m.Now().Sub(signed[0].CreatedAt).Abs() < RotateAfter {
		return nil
	}
	_, err = m.Rotate(tx)
	return err
}

// Rotate replaces the signed prekey now, and forgets those that are too old.
func (m Maker) Rotate(tx *keystore.Tx) (SignedPrekey, error) {
	signed, err := LoadSigned(tx)
	if err != nil {
		return SignedPrekey{}, err
	}
	id, err := tables.Next(tx, CounterSigned)
	if err != nil {
		return SignedPrekey{}, err
	}
	now := m.Now().UTC()
	made, err := x3dh.GenerateSignedPrekey(m.Random, m.Identity, id, now)
	if err != nil {
		return SignedPrekey{}, err
	}
	since, err := lifetime.Now(tx, now)
	if err != nil {
		return SignedPrekey{}, err
	}
	stored := SignedPrekey{ID: id, Private: made.Private[:], Signature: made.Signature[:], CreatedAt: now, Since: since}
	kept := []SignedPrekey{stored}
	for _, old := range signed {
		if len(kept) < keepCount || len(kept) < keepMost && since.Sub(old.since()) < KeepFor {
			kept = append(kept, old)
		}
	}
	return stored, SaveSigned(tx, kept)
}

// LoadSigned returns the signed prekeys, newest first.
func LoadSigned(tx *keystore.Tx) (signed []SignedPrekey, err error) {
	_, err = tables.Get(tx, TableSigned, signedKey, &signed)
	return signed, err
}

// SaveSigned replaces the signed prekeys, newest first.
func SaveSigned(tx *keystore.Tx, signed []SignedPrekey) error {
	return tables.Put(tx, TableSigned, signedKey, signed)
}

// OneTimeOf returns the number of the one-time prekey that was made for a contact, and whether there was one.
func OneTimeOf(tx *keystore.Tx, contact sessionid.ID) (id uint32, found bool, err error) {
	found, err = tables.Get(tx, TableContacts, contact.String(), &id)
	return id, found, err
}

// LoadOneTime returns the one-time prekey with that number.
func LoadOneTime(tx *keystore.Tx, id uint32) (key OneTimePrekey, found bool, err error) {
	found, err = tables.Get(tx, TableOneTime, name(id), &key)
	return key, found, err
}

// Bundle builds the bundle for a contact from the newest signed prekey and the contact's one-time prekey.
func (m Maker) Bundle(tx *keystore.Tx, contact sessionid.ID) (x3dh.Bundle, error) {
	signed, err := LoadSigned(tx)
	if err != nil {
		return x3dh.Bundle{}, err
	}
	id, key, err := m.oneTime(tx, contact)
	if err != nil {
		return x3dh.Bundle{}, err
	}
	newest := x3dh.SignedPrekey{
		ID: signed[0].ID, KeyPair: signed[0].KeyPair(),
		Signature: [x3dh.SignatureSize]byte(signed[0].Signature), CreatedAt: signed[0].CreatedAt,
	}
	oneTime := x3dh.OneTimePrekey{ID: id, KeyPair: key.KeyPair()}
	return x3dh.NewBundle(m.Identity.Public, newest, &oneTime), nil
}

// oneTime returns the one-time prekey of a contact, and makes it if there is none.
func (m Maker) oneTime(tx *keystore.Tx, contact sessionid.ID) (uint32, OneTimePrekey, error) {
	id, found, err := OneTimeOf(tx, contact)
	if err != nil {
		return 0, OneTimePrekey{}, err
	}
	var key OneTimePrekey
	if found {
		if key, found, err = LoadOneTime(tx, id); err != nil || found {
			return id, key, err
		}
	}
	if id, err = tables.Next(tx, CounterOneTime); err != nil {
		return 0, key, err
	}
	made, err := x3dh.GenerateOneTimePrekey(m.Random, id)
	if err != nil {
		return 0, key, err
	}
	key = OneTimePrekey{Private: made.Private[:], Contact: contact, CreatedAt: m.Now().UTC()}
	if err := tables.Put(tx, TableOneTime, name(id), key); err != nil {
		return 0, key, err
	}
	return id, key, tables.Put(tx, TableContacts, contact.String(), id)
}

func name(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

// DeleteOneTime deletes a used one-time prekey: it must never serve again.
func DeleteOneTime(tx *keystore.Tx, id uint32, contact sessionid.ID) error {
	if err := tx.Delete(TableOneTime, name(id)); err != nil {
		return err
	}
	return tx.Delete(TableContacts, contact.String())
}

// DropOneTime deletes the one-time prekey that was made for a contact, if there is one.
func DropOneTime(tx *keystore.Tx, contact sessionid.ID) error {
	id, found, err := OneTimeOf(tx, contact)
	if err != nil || !found {
		return err
	}
	return DeleteOneTime(tx, id, contact)
}

// Lookup implements [ratchet.Prekeys] within one transaction, for one message. It finds a one-time prekey only for the
// contact that it was made for. A message that starts a session must name one: the gate on the first
// PreKeyWhisperMessage (signal-2020.md section 5.5).
type Lookup struct {
	Tx     *keystore.Tx
	Sender sessionid.ID
	Named  bool  // the message names a one-time prekey
	Err    error // of the keystore, not of the message
}

// SignedPrekey returns the signed prekey with that number.
func (p *Lookup) SignedPrekey(id uint32) (x25519.KeyPair, error) {
	if !p.Named {
		return x25519.KeyPair{}, fmt.Errorf("%w: the message names no one-time prekey", ratchet.ErrUnknownPrekey)
	}
	signed, err := LoadSigned(p.Tx)
	if err != nil {
		p.Err = err
		return x25519.KeyPair{}, err
	}
	for _, key := range signed {
		if key.ID == id {
			return key.KeyPair(), nil
		}
	}
	return x25519.KeyPair{}, ratchet.ErrUnknownPrekey
}

// OneTimePrekey returns the one-time prekey with that number if it was made for the sender.
func (p *Lookup) OneTimePrekey(id uint32) (x25519.KeyPair, error) {
	key, found, err := LoadOneTime(p.Tx, id)
	if err != nil {
		p.Err = err
		return x25519.KeyPair{}, err
	}
	if !found || key.Contact != p.Sender {
		return x25519.KeyPair{}, ratchet.ErrUnknownPrekey
	}
	return key.KeyPair(), nil
}
