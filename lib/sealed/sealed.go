// Package sealed holds the two ciphers of Session clients of 2020 that need no session: sealed sender, which hides
// who sends a message (signal-2020.md section 9), and the cipher of friend requests, which works between strangers
// (signal-2020.md section 5.1).
//
// It promises the clients' bytes, that a sender is reported only if the holder of that Session ID's private key
// made the message, and that every failure to decrypt is the same error whatever failed. It is pure: randomness is
// passed in.
package sealed

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/internal/fields"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/proto/wirepb"
)

var (
	// ErrMalformed reports bytes that do not have the shape of a sealed message, outside or inside.
	ErrMalformed = errors.New("sealed message is malformed")
	// ErrDecrypt reports bytes that do not open: made for another key, or changed on the way.
	ErrDecrypt = errors.New("message does not decrypt")
	// ErrSender reports a sender's name that is not the Session ID of the key that made the message.
	ErrSender = errors.New("sealed sender is not who the certificate names")
)

// Type says what Inner.Content is. The numbers are those of the wire.
type Type int32

const (
	// PreKeyMessage is a ratchet message that also starts a session.
	PreKeyMessage = Type(wirepb.UnidentifiedSenderMessage_Message_PREKEY_MESSAGE)
	// Message is a ratchet message of an established session.
	Message = Type(wirepb.UnidentifiedSenderMessage_Message_MESSAGE)
	// FriendRequest is the result of EncryptFriendRequest.
	FriendRequest = Type(wirepb.UnidentifiedSenderMessage_Message_LOKI_FRIEND_REQUEST)
)

// String returns the type's name.
func (t Type) String() string {
	switch t {
	case PreKeyMessage:
		return "prekey-message"
	case Message:
		return "message"
	case FriendRequest:
		return "friend-request"
	}
	return fmt.Sprintf("type %d", int32(t))
}

// known reports whether t is one of the named types.
func (t Type) known() bool {
	switch t {
	case PreKeyMessage, Message, FriendRequest:
		return true
	}
	return false
}

// Inner is what a sealed message holds.
type Inner struct {
	Type    Type
	Sender  sessionid.ID
	Content []byte
}

const (
	version      = 0x11 // this version and the oldest one that can read it, a nibble each
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
// ErrSender if inner.Sender is not the Session ID of sender, ErrMalformed for an unknown type, x25519.ErrLowOrder for
// a recipient that is no real key, or random's error.
func Seal(random io.Reader, sender x25519.KeyPair, recipient x25519.PublicKey, inner Inner) ([]byte, error) {
	if inner.Sender != sessionid.FromPublicKey(sender.Public) {
		return nil, ErrSender
	}
	if !inner.Type.known() {
		return nil, fmt.Errorf("%w: type %d", ErrMalformed, int32(inner.Type))
	}
	ephemeral, err := x25519.GenerateKey(random)
	if err != nil {
		return nil, err
	}
	outer, chain, err := ephemeralKeys(ephemeral, recipient, recipient, ephemeral.Public)
	if err != nil {
		return nil, err
	}
	static, err := outer.encrypt(sender.Public.Encoded())
	if err != nil {
		return nil, err
	}
	inmost, err := staticKeys(sender, recipient, chain, static)
	if err != nil {
		return nil, err
	}
	message, err := inmost.encrypt(inner.marshal())
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, 0, len(message)+100)
	sealed = append(sealed, version)
	sealed = fields.AppendBytes(sealed, fieldEphemeralPublic, ephemeral.Public.Encoded())
	sealed = fields.AppendBytes(sealed, fieldEncryptedStatic, static)
	return fields.AppendBytes(sealed, fieldEncryptedMessage, message), nil
}

// Open decrypts what Seal made for recipient. It returns ErrMalformed, ErrDecrypt or ErrSender. The comparison
// behind ErrSender is stricter than the clients of 2020, which believe the name in the unsigned certificate; honest
// clients always name themselves.
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

// parse splits a sealed message into its three parts.
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
		return ephemeral, nil, nil, fmt.Errorf("%w: encrypted key of %d bytes", ErrMalformed, len(wire.GetEncryptedStatic()))
	}
	return ephemeral, wire.GetEncryptedStatic(), wire.GetEncryptedMessage(), nil
}

func (i Inner) marshal() []byte {
	certificate := fields.AppendBytes(nil, fieldSender, i.Sender.String())
	certificate = fields.AppendVarint(certificate, fieldSenderDevice, senderDevice)

	b := make([]byte, 0, len(i.Content)+len(certificate)+16)
	b = fields.AppendVarint(b, fieldType, uint64(i.Type))
	b = fields.AppendBytes(b, fieldCertificate, certificate)
	return fields.AppendBytes(b, fieldContent, i.Content)
}

func parseInner(plaintext []byte) (Inner, error) {
	var wire wirepb.UnidentifiedSenderMessage_Message
	if err := proto.Unmarshal(plaintext, &wire); err != nil {
		return Inner{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	inner := Inner{Type: Type(wire.GetType()), Content: wire.GetContent()}
	if !inner.Type.known() {
		return Inner{}, fmt.Errorf("%w: type %d", ErrMalformed, int32(inner.Type))
	}
	sender, err := sessionid.Parse(wire.GetSenderCertificate().GetSender())
	if err != nil {
		return Inner{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	inner.Sender = sender
	return inner, nil
}
