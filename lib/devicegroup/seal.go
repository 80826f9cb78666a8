package devicegroup

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// choices is everything random in a message.
type choices struct {
	ephemeral   x25519.PrivateKey
	keyBase     [32]byte
	slots       []int     // the place of each recipient, in the order of device IDs
	kickedSlots []int     // the place of each kicked device, in the order of device IDs
	coins       io.Reader // for the encapsulations, in the order of device IDs

	ciphertexts, keys, kicked []byte // what stands in the places that stay free; the others are overwritten
}

// roundUp returns the number of places for count entries: a multiple of 4, to hide the count.
func roundUp(count int) int { return (count + slotUnit - 1) / slotUnit * slotUnit }

// choose draws the choices for a message to recipients with kicked devices.
func choose(random io.Reader, recipients, kicked int) (*choices, error) {
	places, kickedPlaces := roundUp(recipients), roundUp(kicked)
	c := &choices{
		ciphertexts: make([]byte, places*accountkeys.CiphertextSize),
		keys:        make([]byte, places*keyEntrySize),
		kicked:      make([]byte, kickedPlaces*kickedSize),
	}
	for _, fill := range [][]byte{c.ephemeral[:], c.keyBase[:], c.ciphertexts, c.keys, c.kicked} {
		if _, err := io.ReadFull(random, fill); err != nil {
			return nil, fmt.Errorf("reading randomness: %w", err)
		}
	}
	var err error
	if c.slots, err = shuffle(random, places); err != nil {
		return nil, err
	}
	if c.kickedSlots, err = shuffle(random, kickedPlaces); err != nil {
		return nil, err
	}
	c.coins = random
	return c, nil
}

// shuffle returns the numbers below n in an order that is uniform up to 2^-32.
func shuffle(random io.Reader, n int) ([]int, error) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		var draw [8]byte
		if _, err := io.ReadFull(random, draw[:]); err != nil {
			return nil, fmt.Errorf("reading randomness: %w", err)
		}
		j := int(binary.LittleEndian.Uint64(draw[:]) % uint64(i+1))
		order[i], order[j] = order[j], order[i]
	}
	return order, nil
}

// Seal returns group as a message of account that the registered devices open. It reads from random what it needs. It
// returns ErrPayload if group has no active account key, accountkeys.ErrPublicKey if the key of a registered device
// cannot be used, or random's error.
func Seal(random io.Reader, account sessionid.Keys, id GroupID, group Group) ([]byte, error) {
	c, err := choose(random, len(group.with(Registered)), len(group.with(Kicked)))
	if err != nil {
		return nil, err
	}
	return assemble(account, id, group, c)
}

// assemble is Seal with the choices made. It overwrites the used places in c.
func assemble(account sessionid.Keys, id GroupID, group Group, c *choices) ([]byte, error) {
	payload, err := group.encode()
	if err != nil {
		return nil, err
	}
	ephemeral := x25519.NewKeyPair(c.ephemeral)
	recipients, err := encapsulate(ephemeral, group.with(Registered), c)
	if err != nil {
		return nil, err
	}
	padded := make([]byte, paddedPayload(len(payload)))
	copy(padded, payload)
	aead, err := chacha20poly1305.NewX(c.keyBase[:])
	if err != nil {
		return nil, err
	}
	body := aead.Seal(nil, bodyNonce(ephemeral.Public, c.ciphertexts), padded, nil)
	for i, r := range recipients {
		entry, err := r.wrap(ephemeral.Public, body, c.keyBase)
		if err != nil {
			return nil, err
		}
		copy(c.keys[c.slots[i]*keyEntrySize:], entry)
	}
	for i, device := range group.with(Kicked) {
		copy(c.kicked[c.kickedSlots[i]*kickedSize:], kickedEntry(account, ephemeral.Public, device.ID))
	}
	active, _ := accountkeys.Active(group.Keys) // encode found one
	linkKey := active.Seed.AccountKey().Public().X25519()
	sealedID := id.crypt(account, ephemeral.Public)

	message := bencode.AppendPair([]byte("d"), kindKey, []byte{byte(KindGroup)})
	message = bencode.AppendPair(message, groupIDKey, sealedID[:])
	message = bencode.AppendPair(message, ephemeralKey, ephemeral.Public[:])
	message = bencode.AppendPair(message, ciphertextsKey, c.ciphertexts)
	message = bencode.AppendPair(message, keyEntriesKey, c.keys)
	message = bencode.AppendPair(message, linkKeyKey, linkKey[:])
	message = bencode.AppendPair(message, bodyKey, body)
	if len(c.kicked) > 0 {
		message = bencode.AppendPair(message, kickedKey, c.kicked)
	}
	signature := account.Sign(message)
	return append(bencode.AppendPair(message, signatureKey, signature[:]), 'e'), nil
}

// encapsulate puts a ciphertext for each device into its place and returns what the key entries are made of.
func encapsulate(ephemeral x25519.KeyPair, devices []Device, c *choices) (recipients []recipient, err error) {
	for i, device := range devices {
		public, err := device.Record.Public()
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", device.ID, err)
		}
		r := recipient{public: public}
		if r.dh, err = ephemeral.DH(public.X25519()); err != nil {
			return nil, fmt.Errorf("device %s: %w", device.ID, err)
		}
		if r.kem, r.ciphertext, err = public.Encapsulate(c.coins); err != nil {
			return nil, err
		}
		copy(c.ciphertexts[c.slots[i]*accountkeys.CiphertextSize:], r.ciphertext[:])
		recipients = append(recipients, r)
	}
	return slices.Clip(recipients), nil
}
