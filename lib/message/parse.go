package message

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
	"sessiontool/proto/wirepb"
)

const (
	// MaxAddressBytes is the longest Online.Address: the longest domain name.
	MaxAddressBytes = 255
)

var (
	// ErrMalformed reports a Content that does not decode, or has a field of a wrong size.
	ErrMalformed = errors.New("message content is malformed")
	// ErrEmpty reports a Content without a bundle and without a known body.
	ErrEmpty = errors.New("message content is empty or of an unknown kind")
)

// Parse decodes an unpadded Content. Of several bodies it takes the one on which clients act, which is the first of:
// online status, pairing, sync, data, null, call, receipts, typing, and then the bodies of session-v1. It reads a
// bundle beside any body (signal-2020.md section 4.2). The error is one of this package's, wrapped with its cause.
func Parse(b []byte) (Content, error) {
	var wire wirepb.Content
	if err := proto.Unmarshal(b, &wire); err != nil {
		return Content{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var content Content
	var err error
	if content.Bundle, err = parseBundle(wire.GetPreKeyBundleMessage()); err != nil {
		return Content{}, err
	}
	if content.Body = parseBody(&wire); content.Body == nil && content.Bundle == nil {
		return Content{}, ErrEmpty
	}
	content.takeBeside(&wire)
	if content.Extension, err = parseExtension(wire.Extension); err != nil {
		return Content{}, err
	}
	return content, nil
}

// takeBeside decodes the session-v1 fields beside the body.
func (c *Content) takeBeside(wire *wirepb.Content) {
	c.SigTimestampMS = wire.GetSigTimestamp()
	c.timer = Timer{wire.GetExpirationTimer(), wire.GetExpirationType() == wirepb.Content_DELETE_AFTER_SEND}
}

// parseBeside decodes a session-v1 Content without a body that this package reads.
func parseBeside(b []byte) (Content, error) {
	var wire wirepb.Content
	if err := proto.Unmarshal(b, &wire); err != nil {
		return Content{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	content := Content{Body: Unknown{}}
	content.takeBeside(&wire)
	return content, nil
}

func parseBody(wire *wirepb.Content) Body {
	switch {
	case wire.LokiAddressMessage != nil:
		return parseOnline(wire.LokiAddressMessage)
	case wire.PairingAuthorisation != nil:
		return Pairing
	case wire.SyncMessage != nil:
		return Sync
	case wire.DataMessage != nil:
		return parseData(wire.DataMessage)
	case wire.NullMessage != nil:
		return Null{Padding: wire.NullMessage.GetPadding()}
	case wire.CallMessage != nil:
		return Call{Step: CallStep(wire.CallMessage.GetType()), ID: validText(wire.CallMessage.GetUuid())}
	case wire.ReceiptMessage != nil:
		return Receipts{
			Kind:         ReceiptKind(wire.ReceiptMessage.GetType()),
			TimestampsMS: wire.ReceiptMessage.GetTimestamp(),
		}
	case wire.TypingMessage != nil:
		return Typing{
			TimestampMS: wire.TypingMessage.GetTimestamp(),
			Stopped:     wire.TypingMessage.GetAction() == wirepb.TypingMessage_STOPPED,
		}
	}
	return parseV1Body(wire)
}

// parseBundle returns nil if wire is nil.
func parseBundle(wire *wirepb.PreKeyBundleMessage) (*x3dh.Bundle, error) {
	if wire == nil {
		return nil, nil
	}
	if wire.SignedKeyId == nil || len(wire.GetSignature()) != x3dh.SignatureSize {
		return nil, fmt.Errorf("%w: bundle without number or signature of its signed prekey", ErrMalformed)
	}
	identity, err := x25519.ParseEncoded(wire.GetIdentityKey())
	if err != nil {
		return nil, fmt.Errorf("%w: identity key: %w", ErrMalformed, err)
	}
	signed, err := x25519.ParseEncoded(wire.GetSignedKey())
	if err != nil {
		return nil, fmt.Errorf("%w: signed prekey: %w", ErrMalformed, err)
	}
	bundle := &x3dh.Bundle{
		IdentityKey:    identity,
		SignedPrekeyID: wire.GetSignedKeyId(),
		SignedPrekey:   signed,
		Signature:      [x3dh.SignatureSize]byte(wire.GetSignature()),
	}
	if wire.PreKey == nil {
		return bundle, nil
	}
	oneTime, err := x25519.ParseEncoded(wire.GetPreKey())
	if err != nil {
		return nil, fmt.Errorf("%w: one-time prekey: %w", ErrMalformed, err)
	}
	if wire.PreKeyId == nil {
		return nil, fmt.Errorf("%w: one-time prekey without number", ErrMalformed)
	}
	bundle.OneTimePrekeyID, bundle.OneTimePrekey = wire.GetPreKeyId(), &oneTime
	return bundle, nil
}

// parseOnline drops an invalid address. Clients of 2020 do not check addresses.
func parseOnline(wire *wirepb.LokiAddressMessage) Online {
	online := Online{
		Reachable: wire.Type != nil && wire.GetType() == wirepb.LokiAddressMessage_HOST_REACHABLE,
		Address:   wire.GetP2PAddress(),
		Port:      uint16(wire.GetP2PPort()),
	}
	usable := wire.GetP2PPort() <= math.MaxUint16 && len(online.Address) <= MaxAddressBytes &&
		utf8.ValidString(online.Address)
	if !online.Reachable || !usable {
		return Online{}
	}
	return online
}

func parseData(wire *wirepb.DataMessage) Data {
	data := Data{
		Text:               validText(wire.GetBody()),
		DisplayName:        cutName(validText(wire.GetProfile().GetDisplayName())),
		ProfileKey:         wire.GetProfileKey(),
		TimestampMS:        wire.GetTimestamp(),
		Flags:              Flags(wire.GetFlags()),
		ExpireTimerSeconds: wire.GetExpireTimer(),
		SyncTarget:         validText(wire.GetSyncTarget()),
		Attachments:        len(wire.GetAttachments()),
		Contacts:           len(wire.GetContact()),
		Group:              wire.Group != nil || wire.GroupUpdate != nil,
		Invitation:         wire.GroupInvitation != nil,
	}
	if quote := wire.GetQuote(); quote != nil {
		data.Quote = &Quote{
			TimestampMS: quote.GetId(),
			Author:      validText(quote.GetAuthor()),
			Text:        validText(quote.GetText()),
		}
	}
	for _, preview := range wire.GetPreview() {
		data.Previews = append(data.Previews,
			Preview{URL: validText(preview.GetUrl()), Title: validText(preview.GetTitle())})
	}
	if reaction := wire.GetReaction(); reaction != nil {
		data.Reaction = &Reaction{
			TimestampMS: reaction.GetId(),
			Author:      validText(reaction.GetAuthor()),
			Emoji:       validText(reaction.GetEmoji()),
			Remove:      reaction.GetAction() == wirepb.DataMessage_Reaction_REMOVE,
		}
	}
	return data
}

// validText replaces invalid UTF-8, like the clients.
func validText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// cutName shortens a name to MaxDisplayNameBytes, between characters.
func cutName(name string) string {
	if len(name) <= MaxDisplayNameBytes {
		return name
	}
	end := MaxDisplayNameBytes
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}
