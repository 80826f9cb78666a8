// Package sealedsender is sealed sender, as Session clients of 2020 use it: it hides the sender of a message from nodes
// (signal-2020.md section 9).
//
// It promises the clients' bytes, that a sender is reported only if the holder of that Session ID's private key made
// the message, and the same error for every failure to decrypt. It is pure: randomness is passed in.
package sealedsender

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/fields"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/proto/wirepb"
)

var (
	// ErrMalformed reports bytes that are not a sealed message, or whose decrypted content is not an inner message.
	ErrMalformed = errors.New("sealed message is malformed")
	// ErrDecrypt reports a message that does not decrypt: made for another key, or changed on the way.
	ErrDecrypt = errors.New("message does not decrypt")
	// ErrSender reports a certificate that names another Session ID than that of the key that made the message.
	ErrSender = errors.New("sender's certificate names another Session ID than its key")
)

// The type numbers of the inner message, which are not those of [ciphertext.Kind].
const (
	typePreKeyMessage = uint64(wirepb.UnidentifiedSenderMessage_Message_PREKEY_MESSAGE)
	typeMessage       = uint64(wirepb.UnidentifiedSenderMessage_Message_MESSAGE)
	typeFriendRequest = uint64(wirepb.UnidentifiedSenderMessage_Message_LOKI_FRIEND_REQUEST)
)

// typeOf returns the type number of a kind of ciphertext. It returns false for a kind that a sealed message cannot
// hold.
func typeOf(kind ciphertext.Kind) (uint64, bool) {
	switch kind {
	case ciphertext.PreKeyWhisper:
		return typePreKeyMessage, true
	case ciphertext.Whisper:
		return typeMessage, true
	case ciphertext.FriendRequest:
		return typeFriendRequest, true
	}
	return 0, false
}

// kindOf reverses typeOf.
func kindOf(number wirepb.UnidentifiedSenderMessage_Message_Type) (ciphertext.Kind, bool) {
	for _, kind := range []ciphertext.Kind{ciphertext.PreKeyWhisper, ciphertext.Whisper, ciphertext.FriendRequest} {
		if own, _ := typeOf(kind); own == uint64(number) {
			return kind, true
		}
	}
	return 0, false
}

// Inner is the content of a sealed message.
type Inner struct {
	// Kind is the kind of Content: Whisper, PreKeyWhisper or FriendRequest.
	Kind    ciphertext.Kind
	Sender  sessionid.ID
	Content []byte
}

const (
	version      = 0x11 // a nibble each: this version, and the oldest version that can read it
	saltPrefix   = "UnidentifiedDelivery"
	keySize      = 32
	macSize      = 10
	staticSize   = x25519.EncodedSize + macSize
	senderDevice = 1 // always (signal-2020.md section 9)
)

// Fields of the messages, by number.
const (
	fieldEphemeralPublic  = 1
	fieldEncryptedStatic  = 2
	fieldEncryptedMessage = 3

	fieldType        = 1
	fieldCertificate = 2
	fieldContent     = 3

	fieldSender       = 1
	fieldSenderDevice = 2
)

// Seal encrypts inner for recipient. An ephemeral private key, 32 bytes, is drawn from random and clamped. It returns
// ErrSender if inner.Sender is not the Session ID of sender, ErrMalformed for a kind that a sealed message cannot hold,
// x25519.ErrLowOrder for a recipient's key of low order, or random's error.
func Seal(random io.Reader, sender x25519.KeyPair, recipient x25519.PublicKey, inner Inner) ([]byte, error) {
	return seal(random, sender.Public, recipient, inner, sender, recipient)
}

// Forge encrypts inner for the owner of recipient in the name of sender, whose public key it has alone. The result is
// what [Seal] makes with the private key of sender: the innermost key is the shared secret of the two identities, which
// either of them computes. Errors are those of Seal.
func Forge(random io.Reader, sender x25519.PublicKey, recipient x25519.KeyPair, inner Inner) ([]byte, error) {
	return seal(random, sender, recipient.Public, inner, recipient, sender)
}

// seal encrypts inner from sender for recipient. own and other are the two identities, one of them with its private
// key.
func seal(
	random io.Reader, sender, recipient x25519.PublicKey, inner Inner, own x25519.KeyPair, other x25519.PublicKey,
) ([]byte, error) {
	if inner.Sender != sessionid.FromPublicKey(sender) {
		return nil, ErrSender
	}
	plaintext, err := inner.marshal()
	if err != nil {
		return nil, err
	}
	ephemeral, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, err
	}
	outer, chain, err := ephemeralKeys(ephemeral, recipient, recipient, ephemeral.Public)
	if err != nil {
		return nil, err
	}
	static, err := outer.encrypt(sender.Encoded())
	if err != nil {
		return nil, err
	}
	inmost, err := staticKeys(own, other, chain, static)
	if err != nil {
		return nil, err
	}
	message, err := inmost.encrypt(plaintext)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 0, len(message)+100)
	sealed = append(sealed, version)
	sealed = fields.AppendBytes(sealed, fieldEphemeralPublic, ephemeral.Public.Encoded())
	sealed = fields.AppendBytes(sealed, fieldEncryptedStatic, static)
	return fields.AppendBytes(sealed, fieldEncryptedMessage, message), nil
}

// Open decrypts what [Seal] made for recipient. It returns ErrMalformed, ErrDecrypt or ErrSender. Clients of 2020
// accept any name in the unsigned certificate. Open is stricter and returns ErrSender for another name than the
// sender's own, which no honest client sends.
func Open(recipient x25519.KeyPair, data []byte) (Inner, error) {
	ephemeral, static, message, err := parse(data)
	if err != nil {
		return Inner{}, err
	}
	outer, chain, err := ephemeralKeys(recipient, ephemeral, recipient.Public, ephemeral)
	if err != nil {
		return Inner{}, ErrDecrypt
	}
	encoded, err := outer.decrypt(static)
	if err != nil {
		return Inner{}, err
	}
	sender, err := x25519.ParseEncoded(encoded)
	if err != nil {
		return Inner{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	inmost, err := staticKeys(recipient, sender, chain, static)
	if err != nil {
		return Inner{}, ErrDecrypt
	}
	plaintext, err := inmost.decrypt(message)
	if err != nil {
		return Inner{}, err
	}
	inner, err := parseInner(plaintext)
	if err != nil {
		return Inner{}, err
	}
	if inner.Sender != sessionid.FromPublicKey(sender) {
		return Inner{}, ErrSender
	}
	return inner, nil
}

// parse decodes a sealed message into its three parts.
func parse(data []byte) (ephemeral x25519.PublicKey, static, message []byte, err error) {
	if len(data) == 0 || data[0] != version {
		return ephemeral, nil, nil, fmt.Errorf("%w: unknown version", ErrMalformed)
	}
	var wire wirepb.UnidentifiedSenderMessage
	if err := proto.Unmarshal(data[1:], &wire); err != nil {
		return ephemeral, nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	ephemeral, err = x25519.ParseEncoded(wire.GetEphemeralPublic())
	if err != nil {
		return ephemeral, nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(wire.GetEncryptedStatic()) != staticSize {
		return ephemeral, nil, nil, fmt.Errorf("%w: encrypted key of %d bytes", ErrMalformed,
			len(wire.GetEncryptedStatic()))
	}
	return ephemeral, wire.GetEncryptedStatic(), wire.GetEncryptedMessage(), nil
}

// marshal returns the encoded inner message, or ErrMalformed for a kind that it cannot hold.
func (i Inner) marshal() ([]byte, error) {
	number, ok := typeOf(i.Kind)
	if !ok {
		return nil, fmt.Errorf("%w: a %s ciphertext inside", ErrMalformed, i.Kind)
	}
	certificate := fields.AppendBytes(nil, fieldSender, i.Sender.String())
	certificate = fields.AppendVarint(certificate, fieldSenderDevice, senderDevice)

	b := make([]byte, 0, len(i.Content)+len(certificate)+16)
	b = fields.AppendVarint(b, fieldType, number)
	b = fields.AppendBytes(b, fieldCertificate, certificate)
	return fields.AppendBytes(b, fieldContent, i.Content), nil
}

func parseInner(plaintext []byte) (Inner, error) {
	var wire wirepb.UnidentifiedSenderMessage_Message
	if err := proto.Unmarshal(plaintext, &wire); err != nil {
		return Inner{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	kind, ok := kindOf(wire.GetType())
	if !ok {
		return Inner{}, fmt.Errorf("%w: inner type %d", ErrMalformed, int32(wire.GetType()))
	}
	sender, err := sessionid.Parse(wire.GetSenderCertificate().GetSender())
	if err != nil {
		return Inner{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return Inner{Kind: kind, Sender: sender, Content: wire.GetContent()}, nil
}
