// Package message encodes and decodes Content, the plaintext of every message, and its padding (signal-2020.md sections
// 3.3 and 4; session-v1.md sections 4 and 5).
//
// It promises to encode the bytes of Session Desktop 1.0, or bytes that clients of session-v1 read; to decode what both
// write, with the clients' precedence of bodies; and to distinguish unsupported bodies from malformed content. It is
// pure.
package message

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/x3dh"
)

// Content is the plaintext of a message: a body and optional fields.
type Content struct {
	// Body is a Data, Online, Receipts, Typing, Null, Call, Extraction, Unsend, Response, Unknown or Unsupported. It is
	// nil if the content is only a bundle.
	Body Body
	// Bundle lets the receiver start a session with the sender. It is nil in most messages. Parse does not verify its
	// signature.
	Bundle *x3dh.Bundle
	// Extension has the fields of this project's clients. It is nil in messages of other clients.
	Extension *Extension
	// SigTimestampMS is the envelope's timestamp inside the encryption, where no node can change it. Clients of
	// session-v1 send it. 0 means that it is absent.
	SigTimestampMS uint64

	timer Timer // see Timer
}

// Timer is the time after which clients delete a message. The zero Timer means never.
type Timer struct {
	Seconds     uint32
	FromSending bool // the timer starts when the message is sent, otherwise when it is read
}

// Timer returns the timer of the message. Clients of session-v1 write it beside the body, clients of 2020 inside a
// Data. Marshal writes only the latter.
func (c Content) Timer() Timer {
	data, ok := c.Body.(Data)
	if c.timer.Seconds == 0 && ok {
		return Timer{Seconds: data.ExpireTimerSeconds}
	}
	return c.timer
}

// Body is one of the kinds of body.
type Body interface {
	// Name returns the name of the kind in lower case, such as "data" or "typing".
	Name() string
	// field returns the number of the field of Content.
	field() protowire.Number
	// marshal encodes the message in that field.
	marshal() []byte
}

// Data is a text, or a flag that acts on the conversation.
type Data struct {
	Text string
	// DisplayName is the sender's display name, at most MaxDisplayNameBytes.
	DisplayName string
	// ProfileKey is opaque. Clients send 32 bytes or none.
	ProfileKey []byte
	// TimestampMS is 0 if it is absent, as in messages of Session Desktop 1.0.
	TimestampMS uint64
	Flags       Flags
	// ExpireTimerSeconds is the time after reading at which clients delete the message. 0 means never.
	ExpireTimerSeconds uint32
	Quote              *Quote
	Previews           []Preview
	// Reaction is the reaction to an earlier message. A Data with a reaction has no text.
	Reaction *Reaction
	// SyncTarget is the Session ID of the recipient in a copy that a session-v1 client sends to its own account, for
	// the account's other devices; empty in every other message.
	SyncTarget string

	// Parse reads the following fields to report their presence. Marshal does not write them.

	Attachments int  // number of files, which are on file servers
	Contacts    int  // number of address book entries
	Group       bool // the message is to a group
	Invitation  bool // the message invites to a public group
}

// Quote identifies the message that a text answers.
type Quote struct {
	TimestampMS uint64
	Author      string
	Text        string
}

// Preview is the sender's preview of a link in the text.
type Preview struct {
	URL   string
	Title string
}

// Reaction adds an emoji to the message that Author sent at TimestampMS, or removes it.
type Reaction struct {
	TimestampMS uint64
	Author      string
	Emoji       string
	Remove      bool
}

// Flags are the control flags of a Data. A Data with a flag is a control message and its Text is not shown.
type Flags uint32

// The flags of the clients.
const (
	EndSession            Flags = 1
	ExpirationTimerUpdate Flags = 2
	ProfileKeyUpdate      Flags = 4
	SessionRestore        Flags = 64
	UnpairingRequest      Flags = 128
	SessionRequest        Flags = 256

	knownFlags = EndSession | ExpirationTimerUpdate | ProfileKeyUpdate | SessionRestore | UnpairingRequest |
		SessionRequest
)

// Known reports whether clients act on one of the flags. Of others the text beside them is what counts.
func (f Flags) Known() bool { return f&knownFlags != 0 }

// String returns the names of the flags, joined by plus signs. Unknown flags are a hex number.
func (f Flags) String() string {
	var names []string
	if unknown := f &^ knownFlags; unknown != 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(unknown)))
	}
	for _, flag := range []struct {
		Flags
		name string
	}{
		{EndSession, "end_session"}, {ExpirationTimerUpdate, "expiration_timer_update"},
		{ProfileKeyUpdate, "profile_key_update"}, {SessionRestore, "session_restore"},
		{UnpairingRequest, "unpairing_request"}, {SessionRequest, "session_request"},
	} {
		if f&flag.Flags != 0 {
			names = append(names, flag.name)
		}
	}
	return strings.Join(names, "+")
}

// Online is the sender's online status: whether and where it is reachable directly.
type Online struct {
	Reachable bool
	// Address and Port are empty unless Reachable. Address has at most MaxAddressBytes.
	Address string
	Port    uint16
}

// ReceiptKind is the kind of a receipt.
type ReceiptKind int32

const (
	// Delivery acknowledges that messages arrived.
	Delivery ReceiptKind = 0
	// Read acknowledges that messages were read.
	Read ReceiptKind = 1
)

// String returns the kind's name.
func (k ReceiptKind) String() string {
	switch k {
	case Delivery:
		return "delivery"
	case Read:
		return "read"
	}
	return fmt.Sprintf("kind_%d", int32(k))
}

// Receipts is a receipt for messages, which it identifies by their envelope timestamps.
type Receipts struct {
	Kind         ReceiptKind
	TimestampsMS []uint64
}

// Typing reports that the sender started or stopped typing. It is valid only if TimestampMS is the timestamp of its
// envelope.
type Typing struct {
	TimestampMS uint64
	Stopped     bool
}

// Null has no content. Its padding hides that. With a bundle it is the session request of clients since 1.1.
type Null struct {
	Padding []byte
}

// Unsupported is a kind of body that Parse recognises and does not decode.
type Unsupported int

const (
	Sync    Unsupported = fieldSync    // between the devices of an account, in 2020
	Pairing Unsupported = fieldPairing // links a second device
)

// The names of the kinds.
func (Data) Name() string     { return "data" }
func (Online) Name() string   { return "online" }
func (Receipts) Name() string { return "receipts" }
func (Typing) Name() string   { return "typing" }
func (Null) Name() string     { return "null" }
func (u Unsupported) Name() string {
	switch u {
	case Sync:
		return "sync"
	case Pairing:
		return "pairing"
	}
	return fmt.Sprintf("field %d", int(u))
}

// endSessionText is the text of a Data with EndSession, for clients without the flag.
const endSessionText = "TERMINATE"

// Text returns a text message. displayName and profileKey may be empty. [CheckText] and [CheckDisplayName] check the
// limits.
func Text(text, displayName string, profileKey []byte) Content {
	return Content{Body: Data{Text: text, DisplayName: displayName, ProfileKey: profileKey}}
}

// FriendRequest returns a text message with the sender's bundle, so that the receiver can start a session
// (signal-2020.md section 5.2).
func FriendRequest(text, displayName string, profileKey []byte, bundle x3dh.Bundle) Content {
	content := Text(text, displayName, profileKey)
	content.Bundle = &bundle
	return content
}

// Reset asks the receiver to replace the session by a new one from bundle (signal-2020.md section 5.6).
func Reset(bundle x3dh.Bundle) Content {
	return Content{Body: Data{Text: endSessionText, Flags: EndSession}, Bundle: &bundle}
}

// OnlineStatus returns the online status of a sender that is reachable at an address.
func OnlineStatus(address string, port uint16) Content {
	return Content{Body: Online{Reachable: true, Address: address, Port: port}}
}

// Background returns the online status of a sender that is not reachable. Clients send it to accept a friend request
// and to confirm a session (signal-2020.md section 5.4).
func Background() Content {
	return Content{Body: Online{}}
}

// Receipt returns a receipt for the messages with these envelope timestamps.
func Receipt(kind ReceiptKind, timestampsMS ...uint64) Content {
	return Content{Body: Receipts{Kind: kind, TimestampsMS: timestampsMS}}
}
