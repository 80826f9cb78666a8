package devicegroup

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/xeddsa"
)

// The link request (session-v2.md section 14).
const (
	linkDeviceKey = "I"
	linkRecordKey = "i"

	linkEphemeralKey = "E"
	linkBodyKey      = "L"
	linkIndicatorKey = "i"

	linkKissPersonal = "SessionDvGrpKISS"
	linkPersonal     = "SessionDvGrpLink"
)

// LinkRequest is the wish of a device to join the group.
type LinkRequest struct {
	Device Device // Pending
	text   []byte // what the emoji are computed from
}

// RequestLink returns the message in which device asks to join the group of account, encrypted for linkKey, the link
// key of the newest device group message, and the request itself. It reads 32 bytes from random. It returns
// x25519.ErrLowOrder if linkKey is of low order, or random's error.
func RequestLink(
	random io.Reader, account sessionid.Keys, linkKey x25519.PublicKey, device Device,
) ([]byte, LinkRequest, error) {
	device.State = Pending
	text := bencode.AppendPair([]byte("d"), linkDeviceKey, device.ID[:])
	text = device.Record.append(bencode.AppendBytes(text, []byte(linkRecordKey)))
	signature := account.Sign(text)
	text = append(bencode.AppendPair(text, signatureKey, signature[:]), 'e')

	ephemeral, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, LinkRequest{}, err
	}
	shared, err := ephemeral.DH(account.X25519.Public)
	if err != nil {
		return nil, LinkRequest{}, err
	}
	dh, err := ephemeral.DH(linkKey)
	if err != nil {
		return nil, LinkRequest{}, err
	}
	aead, nonce := linkCipher(dh, ephemeral.Public, linkKey)
	body := aead.Seal(nil, nonce, text, nil)
	indicator := linkKiss(shared, ephemeral.Public, account.X25519.Public)
	subtle.XORBytes(indicator, indicator, linkKey[:2])

	message := bencode.AppendPair([]byte("d"), kindKey, []byte{byte(KindLink)})
	message = bencode.AppendPair(message, linkEphemeralKey, ephemeral.Public[:])
	message = bencode.AppendPair(message, linkBodyKey, body)
	message = bencode.AppendPair(message, linkIndicatorKey, indicator)
	return append(message, 'e'), LinkRequest{Device: device, text: text}, nil
}

// OpenLink reads a link request for account with whichever account key opens it. The error is ErrNotMember if none
// does, ErrMalformed if the request is malformed or not signed by the account, or accountkeys.ErrPublicKey if the key
// of the device cannot be used.
func OpenLink(account sessionid.Keys, keys []*accountkeys.Key, message []byte) (LinkRequest, error) {
	dict := bencode.Open(message)
	dict.Bytes(kindKey)
	ephemeral := x25519.PublicKey(dict.Sized(linkEphemeralKey, x25519.Size))
	body := dict.Bytes(linkBodyKey)
	indicator := dict.Sized(linkIndicatorKey, 2)
	if err := dict.Finish(); err != nil {
		return LinkRequest{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	shared, err := account.X25519.DH(ephemeral)
	if err != nil {
		return LinkRequest{}, fmt.Errorf("%w: ephemeral key: %w", ErrMalformed, err)
	}
	prefix := linkKiss(shared, ephemeral, account.X25519.Public)
	subtle.XORBytes(prefix, prefix, indicator)
	for _, key := range keys {
		linkKey := key.Public().X25519()
		if !bytes.HasPrefix(linkKey[:], prefix) {
			continue
		}
		dh, err := key.Agree(ephemeral)
		if err != nil {
			return LinkRequest{}, fmt.Errorf("%w: ephemeral key: %w", ErrMalformed, err)
		}
		aead, nonce := linkCipher(dh, ephemeral, linkKey)
		if text, err := aead.Open(nil, nonce, body, nil); err == nil {
			return parseLink(account.Ed25519Public(), text)
		}
	}
	return LinkRequest{}, ErrNotMember
}

// parseLink reads a decrypted request.
func parseLink(account [32]byte, text []byte) (LinkRequest, error) {
	dict := bencode.Open(text)
	device := Device{State: Pending, ID: DeviceID(dict.Sized(linkDeviceKey, len(DeviceID{})))}
	record := dict.Value(linkRecordKey)
	signed := dict.Before(signatureKey)
	signature := [xeddsa.SignatureSize]byte(dict.Sized(signatureKey, xeddsa.SignatureSize))
	if err := dict.Finish(); err != nil {
		return LinkRequest{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !xeddsa.VerifyStrict(account, signed, signature) {
		return LinkRequest{}, fmt.Errorf("%w: the request is not signed by the account", ErrMalformed)
	}
	var err error
	if device.Record, err = parseRecord(record); err != nil {
		return LinkRequest{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := device.Record.Public(); err != nil {
		return LinkRequest{}, err
	}
	return LinkRequest{Device: device, text: text}, nil
}

// linkKiss returns the mask of the indicator of a link request.
func linkKiss(shared [32]byte, ephemeral, longTerm x25519.PublicKey) []byte {
	return blake2b.Sum(2, shared[:], linkKissPersonal, ephemeral[:], longTerm[:])
}

// linkCipher returns the encryption of a request, with its nonce.
func linkCipher(dh [32]byte, ephemeral, linkKey x25519.PublicKey) (cipher.AEAD, []byte) {
	derived := blake2b.Sum(chacha20poly1305.KeySize+chacha20poly1305.NonceSizeX, nil, linkPersonal,
		dh[:], ephemeral[:], linkKey[:])
	aead, err := chacha20poly1305.NewX(derived[:chacha20poly1305.KeySize])
	if err != nil {
		panic("devicegroup: " + err.Error()) // only for a wrong length
	}
	return aead, derived[chacha20poly1305.KeySize:]
}
