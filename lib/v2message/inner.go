package v2message

import (
	"bytes"
	"fmt"

	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/internal/blake2b"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/xeddsa"
)

// The dict inside the encryption (session-v2.md section 9).
const (
	senderKey    = "S"
	contentKey   = "c"
	signatureKey = "~"
	proKey       = "~P"

	signaturePersonal = "SessionV2Message"
)

// signedHash returns what the sender signs: a hash of text that the recipient is part of, so that a signature is not
// worth anything to another recipient.
func signedHash(to sessionid.ID, text []byte) []byte {
	return blake2b.Sum(64, to[:], signaturePersonal, text)
}

// innerRoom is more than the inner dict and the tag of the encryption are longer than the content.
const innerRoom = 256

// appendInner appends the signed dict of draft to dst.
func appendInner(dst []byte, sender sessionid.Keys, draft Draft) []byte {
	public := sender.Ed25519Public()
	start := len(dst)
	dst = bencode.AppendPair(append(dst, 'd'), senderKey, public[:])
	dst = bencode.AppendPair(dst, contentKey, draft.Content)
	signature := sender.Sign(signedHash(draft.To, dst[start:]))
	dst = bencode.AppendPair(dst, signatureKey, signature[:])
	if draft.Pro != nil {
		signature = draft.Pro.Sign(dst[start:])
		dst = bencode.AppendPair(dst, proKey, signature[:])
	}
	return append(dst, 'e')
}

// parseInner reads a padded dict that was sent to recipient. The error is ErrFormat.
func parseInner(recipient sessionid.ID, padded []byte) (Message, error) {
	dict := bencode.Open(bytes.TrimRight(padded, "\x00"))
	message := Message{SenderEd25519: [32]byte(dict.Sized(senderKey, 32))}
	message.Content = dict.Bytes(contentKey)
	signed := dict.Before(signatureKey)
	signature := [xeddsa.SignatureSize]byte(dict.Sized(signatureKey, xeddsa.SignatureSize))
	if dict.Find(proKey) {
		message.ProSignature = dict.Sized(proKey, xeddsa.SignatureSize)
	}
	if err := dict.Finish(); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !xeddsa.VerifyStrict(message.SenderEd25519, signedHash(recipient, signed), signature) {
		return Message{}, fmt.Errorf("%w: the signature is not the sender's", ErrFormat)
	}
	x, err := sessionid.PublicKeyFromEd25519(message.SenderEd25519)
	if err != nil {
		return Message{}, fmt.Errorf("%w: sender: %w", ErrFormat, err)
	}
	message.Sender = sessionid.FromPublicKey(x)
	return message, nil
}
