package message

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
	"sessiontool/proto/wirepb"
)

const (
	// MaxReceipts is how many messages one Receipts may acknowledge.
	MaxReceipts = 4096
	// MaxAddressBytes is the longest Online.Address, that of a domain name.
	MaxAddressBytes = 255
)

var (
	// ErrMalformed reports a Content that does not decode or has a part of the wrong size.
	ErrMalformed = errors.New("message content is malformed")
	// ErrEmpty reports a Content with neither a bundle nor anything known to say.
	ErrEmpty = errors.New("message content is empty or of an unknown kind")
	// ErrFlags reports a Data with flags of which none is known (signal-2020.md section 4.3).
	ErrFlags = errors.New("message has unknown flags")
)

// Parse reads an unpadded Content. Of several things to say it takes the one that clients would act on: online
// status, pairing, sync, data, null, call, receipts, typing, in this order; a bundle counts whatever else is there
// (signal-2020.md section 4.2). What today's clients alone say comes last. The error is one of this package's, with its
// cause.
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
	if content.Body, err = parseBody(&wire); err != nil {
		return Content{}, err
	}
	if content.Body == nil && content.Bundle == nil {
		return Content{}, ErrEmpty
	}
	content.SigTimestampMS = wire.GetSigTimestamp()
	content.timer = Timer{wire.GetExpirationTimer(), wire.GetExpirationType() == wirepb.Content_DELETE_AFTER_SEND}
	if content.Extension, err = parseExtension(wire.Extension); err != nil {
		return Content{}, err
	}
	return content, nil
}

func parseBody(wire *wirepb.Content) (Body, error) {
	switch {
	case wire.LokiAddressMessage != nil:
		return parseOnline(wire.LokiAddressMessage)
	case wire.PairingAuthorisation != nil:
		return Pairing, nil
	case wire.SyncMessage != nil:
		return Sync, nil
	case wire.DataMessage != nil:
		return parseData(wire.DataMessage)
	case wire.NullMessage != nil:
		return Null{Padding: wire.NullMessage.GetPadding()}, nil
	case wire.CallMessage != nil:
		return Call, nil
	case wire.ReceiptMessage != nil:
		return parseReceipts(wire.ReceiptMessage)
	case wire.TypingMessage != nil:
		return Typing{
			TimestampMS: wire.TypingMessage.GetTimestamp(),
			Stopped:     wire.TypingMessage.GetAction() == wirepb.TypingMessage_STOPPED,
		}, nil
	}
	return parseToday(wire)
}

// parseBundle returns nil for no bundle.
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

func parseOnline(wire *wirepb.LokiAddressMessage) (Online, error) {
	online := Online{
		Reachable: wire.Type != nil && wire.GetType() == wirepb.LokiAddressMessage_HOST_REACHABLE,
		Address:   wire.GetP2PAddress(),
		Port:      uint16(wire.GetP2PPort()),
	}
	if wire.GetP2PPort() > math.MaxUint16 || len(online.Address) > MaxAddressBytes || !utf8.ValidString(online.Address) {
		return Online{}, fmt.Errorf("%w: address or port", ErrMalformed)
	}
	if !online.Reachable {
		return Online{}, nil
	}
	return online, nil
}

func parseReceipts(wire *wirepb.ReceiptMessage) (Receipts, error) {
	receipts := Receipts{Kind: ReceiptKind(wire.GetType()), TimestampsMS: wire.GetTimestamp()}
	if receipts.Kind != Delivery && receipts.Kind != Read {
		return Receipts{}, fmt.Errorf("%w: receipt of %s", ErrMalformed, receipts.Kind)
	}
	if len(receipts.TimestampsMS) > MaxReceipts {
		return Receipts{}, fmt.Errorf("%w: %d receipts, at most %d", ErrMalformed, len(receipts.TimestampsMS), MaxReceipts)
	}
	return receipts, nil
}

func parseData(wire *wirepb.DataMessage) (Data, error) {
	data := Data{
		Text:               wire.GetBody(),
		DisplayName:        wire.GetProfile().GetDisplayName(),
		ProfileKey:         wire.GetProfileKey(),
		TimestampMS:        wire.GetTimestamp(),
		Flags:              Flags(wire.GetFlags()),
		ExpireTimerSeconds: wire.GetExpireTimer(),
		Attachments:        len(wire.GetAttachments()),
		Contacts:           len(wire.GetContact()),
		Group:              wire.Group != nil || wire.GroupUpdate != nil,
		Invitation:         wire.GroupInvitation != nil,
		Reaction:           wire.Reaction != nil,
	}
	if data.Flags != 0 && data.Flags&knownFlags == 0 {
		return Data{}, fmt.Errorf("%w: %#x", ErrFlags, uint32(data.Flags))
	}
	if quote := wire.GetQuote(); quote != nil {
		data.Quote = &Quote{TimestampMS: quote.GetId(), Author: quote.GetAuthor(), Text: quote.GetText()}
		if !utf8.ValidString(data.Quote.Author) || !utf8.ValidString(data.Quote.Text) {
			return Data{}, fmt.Errorf("%w: quote is not UTF-8", ErrMalformed)
		}
	}
	if !utf8.ValidString(data.Text) || !utf8.ValidString(data.DisplayName) {
		return Data{}, fmt.Errorf("%w: text or name is not UTF-8", ErrMalformed)
	}
	data.DisplayName = cutName(data.DisplayName)
	return data, nil
}

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
