package account

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

const (
	// rotateAfter is the age at which a signed prekey is replaced (signal-2020.md section 6.2).
	rotateAfter = 48 * time.Hour
	// keepPrekeys is how many signed prekeys are kept at any age; older ones are kept for keepPrekeysFor. The 2020
	// client deletes them after 7 days. A user who reads requests weekly would then accept with a bundle whose keys are
	// gone, so this package keeps them longer.
	keepPrekeys    = 3
	keepPrekeysFor = 30 * 24 * time.Hour
)

// signedPrekey is the stored form of x3dh.SignedPrekey.
type signedPrekey struct {
	ID        uint32    `json:"id"`
	Private   []byte    `json:"private"`
	Signature []byte    `json:"signature"`
	CreatedAt time.Time `json:"created_at"`
}

// oneTimePrekey is the stored form of x3dh.OneTimePrekey, with the contact that it was made for.
type oneTimePrekey struct {
	Private   []byte       `json:"private"`
	Contact   sessionid.ID `json:"contact"`
	CreatedAt time.Time    `json:"created_at"`
}

func (p signedPrekey) keyPair() x25519.KeyPair {
	return x25519.NewKeyPair(x25519.PrivateKey(p.Private))
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

// Prekeys lists the signed prekeys, newest first, then the unused one-time prekeys.
func (a *Account) Prekeys(ctx context.Context) (prekeys []Prekey, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		prekeys = nil
		signed, err := loadSignedPrekeys(tx)
		if err != nil {
			return err
		}
		for i, key := range signed {
			prekeys = append(prekeys, Prekey{
				ID: key.ID, Public: key.keyPair().Public, CreatedAt: key.CreatedAt, Current: i == 0,
			})
		}
		return tx.ForEach(tableOneTimePrekeys, func(name string, value []byte) error {
			id, err := strconv.ParseUint(name, 10, 32)
			if err != nil {
				return fmt.Errorf("%w: prekey id: %w", keystore.ErrCorrupt, err)
			}
			var key oneTimePrekey
			if err := decode(tableOneTimePrekeys, value, &key); err != nil {
				return err
			}
			prekeys = append(prekeys, Prekey{
				OneTime: true, ID: uint32(id), Public: x25519.PrivateKey(key.Private).Public(),
				CreatedAt: key.CreatedAt, For: key.Contact,
			})
			return nil
		})
	})
	return prekeys, err
}

// RotatePrekey replaces the signed prekey now, whatever its age.
func (a *Account) RotatePrekey(ctx context.Context) (Prekey, error) {
	var made signedPrekey
	err := a.store.Update(ctx, a.name, func(tx *keystore.Tx) (err error) {
		made, err = a.rotateSignedPrekey(tx)
		return err
	})
	if err != nil {
		return Prekey{}, err
	}
	return Prekey{ID: made.ID, Public: made.keyPair().Public, CreatedAt: made.CreatedAt, Current: true}, nil
}

// keepPrekeysFresh rotates the signed prekey when it is old.
func (a *Account) keepPrekeysFresh(tx *keystore.Tx) error {
	signed, err := loadSignedPrekeys(tx)
	if err != nil {
		return err
	}
	if len(signed) > 0 && a.env.Now().Sub(signed[0].CreatedAt) < rotateAfter {
		return nil
	}
	_, err = a.rotateSignedPrekey(tx)
	return err
}

func (a *Account) rotateSignedPrekey(tx *keystore.Tx) (signedPrekey, error) {
	signed, err := loadSignedPrekeys(tx)
	if err != nil {
		return signedPrekey{}, err
	}
	id, err := nextNumber(tx, counterSignedPrekeys)
	if err != nil {
		return signedPrekey{}, err
	}
	now := a.env.Now().UTC()
	made, err := x3dh.GenerateSignedPrekey(a.env.Random, a.keys.X25519, id, now)
	if err != nil {
		return signedPrekey{}, err
	}
	stored := signedPrekey{ID: id, Private: made.Private[:], Signature: made.Signature[:], CreatedAt: now}
	kept := []signedPrekey{stored}
	for _, old := range signed {
		if len(kept) < keepPrekeys || now.Sub(old.CreatedAt) < keepPrekeysFor {
			kept = append(kept, old)
		}
	}
	return stored, put(tx, tableSignedPrekeys, signedPrekeysKey, kept)
}

func loadSignedPrekeys(tx *keystore.Tx) (signed []signedPrekey, err error) {
	_, err = get(tx, tableSignedPrekeys, signedPrekeysKey, &signed)
	return signed, err
}

// bundleFor builds the bundle for a contact from the newest signed prekey and the contact's one-time prekey.
func (a *Account) bundleFor(tx *keystore.Tx, contact sessionid.ID) (x3dh.Bundle, error) {
	signed, err := loadSignedPrekeys(tx)
	if err != nil {
		return x3dh.Bundle{}, err
	}
	id, key, err := a.oneTimePrekeyFor(tx, contact)
	if err != nil {
		return x3dh.Bundle{}, err
	}
	newest := x3dh.SignedPrekey{
		ID: signed[0].ID, KeyPair: signed[0].keyPair(),
		Signature: [x3dh.SignatureSize]byte(signed[0].Signature), CreatedAt: signed[0].CreatedAt,
	}
	oneTime := x3dh.OneTimePrekey{ID: id, KeyPair: x25519.NewKeyPair(x25519.PrivateKey(key.Private))}
	return x3dh.NewBundle(a.keys.X25519.Public, newest, &oneTime), nil
}

func (a *Account) oneTimePrekeyFor(tx *keystore.Tx, contact sessionid.ID) (uint32, oneTimePrekey, error) {
	var id uint32
	var key oneTimePrekey
	found, err := get(tx, tablePrekeyOf, contact.String(), &id)
	if err != nil {
		return 0, key, err
	}
	if found {
		found, err = get(tx, tableOneTimePrekeys, prekeyName(id), &key)
		if err != nil || found {
			return id, key, err
		}
	}
	if id, err = nextNumber(tx, counterOneTimePrekeys); err != nil {
		return 0, key, err
	}
	made, err := x3dh.GenerateOneTimePrekey(a.env.Random, id)
	if err != nil {
		return 0, key, err
	}
	key = oneTimePrekey{Private: made.Private[:], Contact: contact, CreatedAt: a.env.Now().UTC()}
	if err := put(tx, tableOneTimePrekeys, prekeyName(id), key); err != nil {
		return 0, key, err
	}
	return id, key, put(tx, tablePrekeyOf, contact.String(), id)
}

func prekeyName(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

// deleteOneTimePrekey deletes a used one-time prekey: it must never serve again.
func deleteOneTimePrekey(tx *keystore.Tx, id uint32, contact sessionid.ID) error {
	if err := tx.Delete(tableOneTimePrekeys, prekeyName(id)); err != nil {
		return err
	}
	return tx.Delete(tablePrekeyOf, contact.String())
}

// prekeys implements [ratchet.Prekeys] within one transaction, for one message. It finds a one-time prekey only for the
// contact that it was made for. A message that starts a session must name one: the gate on the first
// PreKeyWhisperMessage (signal-2020.md section 5.5).
type prekeys struct {
	tx     *keystore.Tx
	sender sessionid.ID
	named  bool  // the message names a one-time prekey
	err    error // of the keystore, not of the message
}

// SignedPrekey returns the signed prekey with that number.
func (p *prekeys) SignedPrekey(id uint32) (x25519.KeyPair, error) {
	if !p.named {
		return x25519.KeyPair{}, fmt.Errorf("%w: the message names no one-time prekey", ratchet.ErrUnknownPrekey)
	}
	signed, err := loadSignedPrekeys(p.tx)
	if err != nil {
		p.err = err
		return x25519.KeyPair{}, err
	}
	for _, key := range signed {
		if key.ID == id {
			return key.keyPair(), nil
		}
	}
	return x25519.KeyPair{}, ratchet.ErrUnknownPrekey
}

// OneTimePrekey returns the one-time prekey with that number if it was made for the sender.
func (p *prekeys) OneTimePrekey(id uint32) (x25519.KeyPair, error) {
	var key oneTimePrekey
	found, err := get(p.tx, tableOneTimePrekeys, prekeyName(id), &key)
	if err != nil {
		p.err = err
		return x25519.KeyPair{}, err
	}
	if !found || key.Contact != p.sender {
		return x25519.KeyPair{}, ratchet.ErrUnknownPrekey
	}
	return x25519.NewKeyPair(x25519.PrivateKey(key.Private)), nil
}
