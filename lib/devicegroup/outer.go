package devicegroup

import (
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// The device group message (session-v2.md section 11).
const (
	groupIDKey     = "@"
	ephemeralKey   = "A"
	ciphertextsKey = "C"
	keyEntriesKey  = "K"
	linkKeyKey     = "X"
	bodyKey        = "d"
	kickedKey      = "k"
	signatureKey   = "~"

	indexSize    = 2
	keyEntrySize = indexSize + 32
	kickedSize   = 16
	slotUnit     = 4

	bodyNoncePersonal  = "SessionDevDNonce"
	keyNoncePersonal   = "SessionDevKNonce"
	keyPersonal        = "SessionDevKeyKey"
	keyIndexPersonal   = "SessionDevKeyIdx"
	kickedPersonal     = "SessionDevKicked"
	groupKeyPersonal   = "SessionDvGrpID_K"
	groupNoncePersonal = "SessionDvGrpID_N"
)

// bodyNonce returns the nonce of the encrypted group.
func bodyNonce(ephemeral x25519.PublicKey, ciphertexts []byte) []byte {
	return blake2b.Sum(chacha20poly1305.NonceSizeX, ephemeral[:], bodyNoncePersonal, ciphertexts)
}

// kickedEntry returns what stands in a message for a kicked device. Only the account's devices can compute it.
func kickedEntry(account sessionid.Keys, ephemeral x25519.PublicKey, id DeviceID) []byte {
	return blake2b.Sum(kickedSize, ephemeral[:], kickedPersonal, rootSeed(account), id[:])
}

// rootSeed returns the Ed25519 seed of account.
func rootSeed(account sessionid.Keys) []byte { return account.Ed25519[:32] }

// recipient is a device with the secrets that one message shares with it.
type recipient struct {
	public     accountkeys.Public
	dh, kem    [accountkeys.SecretSize]byte
	ciphertext [accountkeys.CiphertextSize]byte
}

// crypt encrypts or decrypts the key of the body. It has no authentication: the body has.
func (r *recipient) crypt(ephemeral x25519.PublicKey, body []byte, in [32]byte) (out [32]byte, err error) {
	x, m := r.public.X25519(), r.public.KEM()
	nonce := blake2b.Sum(chacha20.NonceSizeX, ephemeral[:], keyNoncePersonal, r.ciphertext[:], body)
	key := blake2b.Sum(chacha20.KeySize, nil, keyPersonal, r.dh[:], ephemeral[:], x[:], r.kem[:], m[:])
	cipher, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		return out, err
	}
	cipher.XORKeyStream(out[:], in[:])
	return out, nil
}

// index returns the mark by which the device finds its entry.
func (r *recipient) index(ephemeral x25519.PublicKey, sealed [32]byte) []byte {
	x, m := r.public.X25519(), r.public.KEM()
	return blake2b.Sum(indexSize, nil, keyIndexPersonal, ephemeral[:], x[:], m[:], r.ciphertext[:], sealed[:])
}

// wrap returns the key entry of the device.
func (r *recipient) wrap(ephemeral x25519.PublicKey, body []byte, keyBase [32]byte) ([]byte, error) {
	sealed, err := r.crypt(ephemeral, body, keyBase)
	if err != nil {
		return nil, err
	}
	return append(r.index(ephemeral, sealed), sealed[:]...), nil
}

// Sealed is a device group message whose signature is verified.
type Sealed struct {
	ephemeral   x25519.PublicKey
	ciphertexts []byte
	keyEntries  []byte
	body        []byte
	kicked      []byte
	groupID     *GroupID // encrypted; nil if absent
	linkKey     *x25519.PublicKey
}

// Parse reads a message and verifies that account, an Ed25519 public key, signed it. The error is ErrMalformed.
func Parse(account [32]byte, message []byte) (*Sealed, error) {
	s := new(Sealed)
	dict := bencode.Open(message)
	dict.Bytes(kindKey)
	if dict.Find(groupIDKey) {
		id := GroupID(dict.Sized(groupIDKey, len(GroupID{})))
		s.groupID = &id
	}
	s.ephemeral = x25519.PublicKey(dict.Sized(ephemeralKey, x25519.Size))
	s.ciphertexts = dict.Bytes(ciphertextsKey)
	s.keyEntries = dict.Bytes(keyEntriesKey)
	if dict.Find(linkKeyKey) {
		key := x25519.PublicKey(dict.Sized(linkKeyKey, x25519.Size))
		s.linkKey = &key
	}
	s.body = dict.Bytes(bodyKey)
	if dict.Find(kickedKey) {
		s.kicked = dict.Bytes(kickedKey)
	}
	signed := dict.Before(signatureKey)
	signature := [xeddsa.SignatureSize]byte(dict.Sized(signatureKey, xeddsa.SignatureSize))
	if err := dict.Finish(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !xeddsa.VerifyStrict(account, signed, signature) {
		return nil, fmt.Errorf("%w: the signature is not the account's", ErrMalformed)
	}
	places := len(s.ciphertexts) / accountkeys.CiphertextSize
	if len(s.ciphertexts) != places*accountkeys.CiphertextSize || len(s.keyEntries) != places*keyEntrySize {
		return nil, fmt.Errorf("%w: %d bytes of ciphertexts, %d of keys", ErrMalformed, len(s.ciphertexts),
			len(s.keyEntries))
	}
	if len(s.body) <= chacha20poly1305.Overhead {
		return nil, fmt.Errorf("%w: an encrypted group of %d bytes", ErrMalformed, len(s.body))
	}
	return s, nil
}

// LinkKey returns the X25519 key that a new device encrypts its link request for, and whether the message has one.
func (s *Sealed) LinkKey() (x25519.PublicKey, bool) {
	if s.linkKey == nil {
		return x25519.PublicKey{}, false
	}
	return *s.linkKey, true
}

// HasKicked reports whether the message says that the device id was removed.
func (s *Sealed) HasKicked(account sessionid.Keys, id DeviceID) bool {
	entry, found := kickedEntry(account, s.ephemeral, id), 0
	for rest := s.kicked; len(rest) >= kickedSize; rest = rest[kickedSize:] {
		found |= subtle.ConstantTimeCompare(rest[:kickedSize], entry)
	}
	return found == 1
}

// Open decrypts the group with whichever device key opens it. The error is ErrNotMember or ErrPayload.
func (s *Sealed) Open(keys ...*accountkeys.Key) (Group, error) {
	for _, key := range keys {
		dh, err := key.Agree(s.ephemeral)
		if err != nil {
			return Group{}, fmt.Errorf("%w: ephemeral key: %w", ErrNotMember, err)
		}
		for at := 0; at < len(s.keyEntries)/keyEntrySize; at++ {
			if text, ok := s.openPlace(at, key, dh); ok {
				return decode(text)
			}
		}
	}
	return Group{}, ErrNotMember
}

// openPlace decrypts with the key entry at one place, if that entry is for key.
func (s *Sealed) openPlace(at int, key *accountkeys.Key, dh [accountkeys.SecretSize]byte) ([]byte, bool) {
	r := recipient{public: key.Public(), dh: dh}
	r.ciphertext = [accountkeys.CiphertextSize]byte(s.ciphertexts[at*accountkeys.CiphertextSize:])
	entry := s.keyEntries[at*keyEntrySize:][:keyEntrySize]
	sealed := [32]byte(entry[indexSize:])
	if subtle.ConstantTimeCompare(r.index(s.ephemeral, sealed), entry[:indexSize]) != 1 {
		return nil, false
	}
	r.kem = key.Decapsulate(&r.ciphertext)
	keyBase, err := r.crypt(s.ephemeral, s.body, sealed)
	if err != nil {
		return nil, false
	}
	aead, err := chacha20poly1305.NewX(keyBase[:])
	if err != nil {
		return nil, false
	}
	text, err := aead.Open(nil, bodyNonce(s.ephemeral, s.ciphertexts), s.body, nil)
	return text, err == nil
}
