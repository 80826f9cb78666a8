package v2message

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// The outer form (session-v2.md section 6): two bytes of version, the key indicator, the ephemeral key,
// the ML-KEM ciphertext, and the encrypted dict with its tag.
const (
	versionFirst  = 0x00
	versionSecond = 0x02

	indicatorAt  = 2
	ephemeralAt  = indicatorAt + len(accountkeys.Prefix{})
	ciphertextAt = ephemeralAt + x25519.Size
	bodyAt       = ciphertextAt + accountkeys.CiphertextSize
)

// errDecrypt reports that a key does not open a message. Another may.
var errDecrypt = errors.New("the key does not open the message")

// header is the part of a message in front of the encryption, while the message is made.
type header struct {
	ephemeral  x25519.KeyPair
	indicator  accountkeys.Prefix
	ciphertext [accountkeys.CiphertextSize]byte
}

// encapsulate fills the header for the recipient's account key.
func (h *header) encapsulate(random io.Reader, to sessionid.ID, key accountkeys.Public) (secretKeys, error) {
	masking, err := h.ephemeral.DH(to.PublicKey())
	if err != nil {
		return secretKeys{}, err
	}
	h.indicator = xor(key.Prefix(), kiss(masking, h.ephemeral.Public, to.PublicKey()))
	dh, err := h.ephemeral.DH(key.X25519())
	if err != nil {
		return secretKeys{}, err
	}
	var kem secret
	if kem, h.ciphertext, err = key.Encapsulate(random); err != nil {
		return secretKeys{}, err
	}
	return pfsKeys(kem, dh, h.ephemeral.Public, key.X25519()), nil
}

// fill makes the header look like one for an account key.
func (h *header) fill(random io.Reader, to sessionid.ID) (secretKeys, error) {
	dh, err := h.ephemeral.DH(to.PublicKey())
	if err != nil {
		return secretKeys{}, err
	}
	for _, part := range [][]byte{h.indicator[:], h.ciphertext[:]} {
		if _, err := io.ReadFull(random, part); err != nil {
			return secretKeys{}, fmt.Errorf("reading randomness: %w", err)
		}
	}
	return plainKeys(dh, h.ephemeral.Public, to.PublicKey()), nil
}

// seal writes the message that finish makes the header and the keys of.
func seal(
	random io.Reader, sender sessionid.Keys, draft Draft, finish func(*header) (secretKeys, error),
) ([]byte, error) {
	if len(draft.Content) > MaxSize {
		return nil, ErrTooLong
	}
	room := make([]byte, bodyAt, paddedSize(bodyAt+len(draft.Content)+innerRoom))
	message := appendInner(room, sender, draft)
	total := paddedSize(len(message) + chacha20poly1305.Overhead)
	if total > MaxSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrTooLong, len(draft.Content))
	}
	ephemeral, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, err
	}
	h := header{ephemeral: ephemeral}
	keys, err := finish(&h)
	if err != nil {
		return nil, err
	}
	message[0], message[1] = versionFirst, versionSecond
	copy(message[indicatorAt:], h.indicator[:])
	copy(message[ephemeralAt:], h.ephemeral.Public[:])
	copy(message[ciphertextAt:], h.ciphertext[:])

	aead, err := chacha20poly1305.NewX(keys.key[:])
	if err != nil {
		return nil, err
	}
	padded := message[bodyAt : total-chacha20poly1305.Overhead] // zeros follow the dict
	return aead.Seal(message[:bodyAt], keys.nonce[:], padded, nil), nil
}

// paddedSize returns the length of the message in which size bytes fit.
func paddedSize(size int) int {
	return max(MinSize, (size+sizeStep-1)/sizeStep*sizeStep)
}

// opener is a message on the way to be opened.
type opener struct {
	recipient sessionid.Keys
	message   []byte // at least MinSize bytes
	ephemeral x25519.PublicKey
	shared    secret // of the ephemeral and of the long-term key
}

// newOpener checks the outer form. The error is ErrFormat, ErrNotV2 or ErrVersion.
func newOpener(recipient sessionid.Keys, message []byte) (*opener, error) {
	switch {
	case len(message) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	case message[0] != versionFirst:
		return nil, ErrNotV2
	case len(message) == 1 || message[1] != versionSecond:
		return nil, ErrVersion
	case len(message) < MinSize:
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrFormat, len(message))
	}
	o := &opener{recipient: recipient, message: message, ephemeral: x25519.PublicKey(message[ephemeralAt:ciphertextAt])}
	var err error
	if o.shared, err = recipient.X25519.DH(o.ephemeral); err != nil {
		return nil, fmt.Errorf("%w: ephemeral key: %w", ErrFormat, err)
	}
	return o, nil
}

// prefix returns the beginning of the ML-KEM key that the key indicator names.
func (o *opener) prefix() accountkeys.Prefix {
	indicator := accountkeys.Prefix(o.message[indicatorAt:ephemeralAt])
	return xor(indicator, kiss(o.shared, o.ephemeral, o.recipient.X25519.Public))
}

// withKey opens the form with forward secrecy. The error is errDecrypt or ErrFormat.
func (o *opener) withKey(key *accountkeys.Key) (Message, error) {
	dh, err := key.Agree(o.ephemeral)
	if err != nil {
		return Message{}, fmt.Errorf("%w: ephemeral key: %w", ErrFormat, err)
	}
	kem := key.Decapsulate((*[accountkeys.CiphertextSize]byte)(o.message[ciphertextAt:bodyAt]))
	opened, err := o.open(pfsKeys(kem, dh, o.ephemeral, key.Public().X25519()))
	opened.ForwardSecrecy = err == nil
	return opened, err
}

// withoutPFS opens the form without forward secrecy. The error is errDecrypt or ErrFormat.
func (o *opener) withoutPFS() (Message, error) {
	return o.open(plainKeys(o.shared, o.ephemeral, o.recipient.X25519.Public))
}

func (o *opener) open(keys secretKeys) (Message, error) {
	aead, err := chacha20poly1305.NewX(keys.key[:])
	if err != nil {
		return Message{}, err
	}
	padded, err := aead.Open(nil, keys.nonce[:], o.message[bodyAt:], nil)
	if err != nil {
		return Message{}, errDecrypt
	}
	return parseInner(o.recipient.ID(), padded)
}
