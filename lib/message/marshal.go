package message

import (
	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/internal/fields"
	"sessiontool/lib/x3dh"
	"sessiontool/proto/wirepb"
)

// Fields of Content, by number.
const (
	fieldData       = 1
	fieldSync       = 2
	fieldCall       = 3
	fieldNull       = 4
	fieldReceipt    = 5
	fieldTyping     = 6
	fieldExtraction = 8
	fieldUnsend     = 9
	fieldResponse   = 10

	fieldExpirationType  = 12
	fieldExpirationTimer = 13

	fieldSigTimestamp = 15
	fieldBundle       = 101
	fieldOnline       = 102
	fieldPairing      = 103
	// fieldExtension is this project's, see content.proto.
	fieldExtension = 1000 + fieldOnline
)

// Fields of the messages inside, by number.
const (
	fieldBody        = 1
	fieldFlags       = 4
	fieldExpireTimer = 5
	fieldProfileKey  = 6
	fieldTimestamp   = 7
	fieldQuote       = 8
	fieldPreview     = 10
	fieldReaction    = 11
	fieldProfile     = 101
	fieldSyncTarget  = 105

	fieldPreviewURL   = 1
	fieldPreviewTitle = 2

	fieldReactionID     = 1
	fieldReactionAuthor = 2
	fieldReactionEmoji  = 3
	fieldReactionAction = 4

	fieldQuoteID     = 1
	fieldQuoteAuthor = 2
	fieldQuoteText   = 3

	fieldDisplayName = 1

	fieldIdentityKey = 1
	fieldDeviceID    = 2
	fieldPreKeyID    = 3
	fieldSignedKeyID = 4
	fieldPreKey      = 5
	fieldSignedKey   = 6
	fieldSignature   = 7

	fieldAddress    = 1
	fieldPort       = 2
	fieldOnlineType = 3

	fieldReceiptType      = 1
	fieldReceiptTimestamp = 2

	fieldTypingTimestamp = 1
	fieldTypingAction    = 2

	fieldPadding = 1
)

// deviceID is the same for every device (signal-2020.md section 4.1).
const deviceID = 1

// Marshal encodes the content like the clients: fields in the order of their numbers, without empty fields. The enums
// of status, receipts and typing are also written if they are 0.
func (c Content) Marshal() []byte {
	var b []byte
	if c.Body != nil && c.Body.field() != 0 && c.Body.field() < fieldBundle {
		b = fields.AppendBytes(b, c.Body.field(), c.Body.marshal())
	}
	b = appendNumber(b, fieldSigTimestamp, c.SigTimestampMS)
	if c.Bundle != nil {
		b = fields.AppendBytes(b, fieldBundle, marshalBundle(*c.Bundle))
	}
	if c.Body != nil && c.Body.field() > fieldBundle {
		b = fields.AppendBytes(b, c.Body.field(), c.Body.marshal())
	}
	if c.Extension != nil {
		b = fields.AppendBytes(b, fieldExtension, c.Extension.marshal())
	}
	return b
}

func marshalBundle(bundle x3dh.Bundle) []byte {
	b := fields.AppendBytes(nil, fieldIdentityKey, bundle.IdentityKey.Encoded())
	b = fields.AppendVarint(b, fieldDeviceID, deviceID)
	if bundle.OneTimePrekey != nil {
		b = fields.AppendVarint(b, fieldPreKeyID, uint64(bundle.OneTimePrekeyID))
	}
	b = fields.AppendVarint(b, fieldSignedKeyID, uint64(bundle.SignedPrekeyID))
	if bundle.OneTimePrekey != nil {
		b = fields.AppendBytes(b, fieldPreKey, bundle.OneTimePrekey.Encoded())
	}
	b = fields.AppendBytes(b, fieldSignedKey, bundle.SignedPrekey.Encoded())
	return fields.AppendBytes(b, fieldSignature, bundle.Signature[:])
}

func (Data) field() protowire.Number { return fieldData }

func (d Data) marshal() []byte {
	b := appendText(nil, fieldBody, d.Text)
	b = appendNumber(b, fieldFlags, uint64(d.Flags))
	b = appendNumber(b, fieldExpireTimer, uint64(d.ExpireTimerSeconds))
	if len(d.ProfileKey) > 0 {
		b = fields.AppendBytes(b, fieldProfileKey, d.ProfileKey)
	}
	b = appendNumber(b, fieldTimestamp, d.TimestampMS)
	if d.Quote != nil {
		b = fields.AppendBytes(b, fieldQuote, d.Quote.marshal())
	}
	for _, preview := range d.Previews {
		b = fields.AppendBytes(b, fieldPreview, preview.marshal())
	}
	if d.Reaction != nil {
		b = fields.AppendBytes(b, fieldReaction, d.Reaction.marshal())
	}
	if d.DisplayName != "" {
		b = fields.AppendBytes(b, fieldProfile, appendText(nil, fieldDisplayName, d.DisplayName))
	}
	return appendText(b, fieldSyncTarget, d.SyncTarget)
}

func (p Preview) marshal() []byte {
	b := fields.AppendBytes(nil, fieldPreviewURL, p.URL)
	return appendText(b, fieldPreviewTitle, p.Title)
}

func (r Reaction) marshal() []byte {
	action := wirepb.DataMessage_Reaction_REACT
	if r.Remove {
		action = wirepb.DataMessage_Reaction_REMOVE
	}
	b := fields.AppendVarint(nil, fieldReactionID, r.TimestampMS)
	b = fields.AppendBytes(b, fieldReactionAuthor, r.Author)
	b = appendText(b, fieldReactionEmoji, r.Emoji)
	return fields.AppendVarint(b, fieldReactionAction, uint64(action))
}

func (q Quote) marshal() []byte {
	b := appendNumber(nil, fieldQuoteID, q.TimestampMS)
	b = appendText(b, fieldQuoteAuthor, q.Author)
	return appendText(b, fieldQuoteText, q.Text)
}

func (Online) field() protowire.Number { return fieldOnline }

func (o Online) marshal() []byte {
	b := appendText(nil, fieldAddress, o.Address)
	b = appendNumber(b, fieldPort, uint64(o.Port))
	reachability := wirepb.LokiAddressMessage_HOST_UNREACHABLE
	if o.Reachable {
		reachability = wirepb.LokiAddressMessage_HOST_REACHABLE
	}
	return fields.AppendVarint(b, fieldOnlineType, uint64(reachability))
}

func (Receipts) field() protowire.Number { return fieldReceipt }

func (r Receipts) marshal() []byte {
	b := fields.AppendVarint(nil, fieldReceiptType, uint64(r.Kind))
	for _, timestamp := range r.TimestampsMS {
		b = fields.AppendVarint(b, fieldReceiptTimestamp, timestamp)
	}
	return b
}

func (Typing) field() protowire.Number { return fieldTyping }

func (t Typing) marshal() []byte {
	action := wirepb.TypingMessage_STARTED
	if t.Stopped {
		action = wirepb.TypingMessage_STOPPED
	}
	b := fields.AppendVarint(nil, fieldTypingTimestamp, t.TimestampMS)
	return fields.AppendVarint(b, fieldTypingAction, uint64(action))
}

func (Null) field() protowire.Number { return fieldNull }

func (n Null) marshal() []byte {
	if len(n.Padding) == 0 {
		return nil
	}
	return fields.AppendBytes(nil, fieldPadding, n.Padding)
}

func (u Unsupported) field() protowire.Number { return protowire.Number(u) }

// marshal returns an empty message. The presence of its field identifies the kind.
func (Unsupported) marshal() []byte { return nil }

// appendText appends text unless it is empty.
func appendText(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return fields.AppendBytes(b, field, text)
}

// appendNumber appends value unless it is 0.
func appendNumber(b []byte, field protowire.Number, value uint64) []byte {
	if value == 0 {
		return b
	}
	return fields.AppendVarint(b, field, value)
}
