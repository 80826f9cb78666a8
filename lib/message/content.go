// Package message builds and reads Content, what is inside the encryption of every message, and the padding around it
// (signal-2020.md sections 3.3 and 4; session-v1.md sections 4 and 5).
//
// It promises that what it builds is, byte for byte, what Session Desktop 1.0 builds, or what session-v1 clients read;
// that it reads what both write, in the client's order of precedence; and that it tells apart what it does not support
// from what is malformed. It is pure: bytes in, bytes out.
package message

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/x3dh"
)

// Content is one thing to say and what travels beside it.
type Content struct {
	// Body is what is said: a Data, Online, Receipts, Typing, Null, Call, Extraction, Unsend, Response, Unknown or
	// Unsupported. It is nil if there is only a bundle.
	Body Body
	// Bundle lets the receiver start a session with the sender. It is nil in most messages. Its signature has
	// not been checked.
	Bundle *x3dh.Bundle
	// Extension is what our own clients say beside Body. It is nil in messages of others.
	Extension *Extension
	// SigTimestampMS repeats the envelope's timestamp inside the encryption, where no node can change it. Clients
	// of session-v1 send it; 0 means that it is not there.
	SigTimestampMS uint64

	timer Timer // see Timer
}

// Timer is how long its sender wants a message to live. The zero Timer is for ever.
type Timer struct {
	Seconds     uint32
	FromSending bool // else it runs from when the message is read
}

// Timer returns how long the message shall live. Session-v1 clients say it beside what is said, those of 2020 within a
// Data. Marshal writes the latter only.
func (c Content) Timer() Timer {
	data, ok := c.Body.(Data)
	if c.timer.Seconds == 0 && ok {
		return Timer{Seconds: data.ExpireTimerSeconds}
	}
	return c.timer
}

// Body is the sum of the kinds of things to say.
type Body interface {
	// Name returns the name of this kind in lower case, such as "data" or "typing".
	Name() string
	// field returns the number of this kind's field in Content.
	field() protowire.Number
	// marshal encodes this kind's message.
	marshal() []byte
}

// Data is a text, or a flag that acts on the conversation.
type Data struct {
	Text string
	// DisplayName is the sender's name for people, at most MaxDisplayNameBytes.
	DisplayName string
	// ProfileKey is opaque here; clients send 32 bytes or none.
	ProfileKey []byte
	// TimestampMS is 0 if the sender left it out, as Session Desktop 1.0 does.
	TimestampMS uint64
	Flags       Flags
	// ExpireTimerSeconds is how long the message shall live once it is read, 0 for ever.
	ExpireTimerSeconds uint32
	Quote              *Quote
	Previews           []Preview
	// Reaction is to an earlier message. There is no text beside it.
	Reaction *Reaction
	// SyncTarget is the Session ID of the recipient in a copy that a session-v1 client sends to its own account, for
	// the account's other devices; empty in every other message.
	SyncTarget string

	// What follows is read only, to report what arrived; Marshal leaves it out.

	Attachments int  // files, on servers that we do not ask
	Contacts    int  // address book entries
	Group       bool // the message is meant for a group
	Invitation  bool // to a public group
}

// Quote names the message that a text answers.
type Quote struct {
	TimestampMS uint64
	Author      string
	Text        string
}

// Preview describes a link in the text, as its sender saw it.
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

// Flags change what a Data does. A Data with a flag is not a text for people, whatever its Text is.
type Flags uint32

// The flags that clients know.
const (
	EndSession            Flags = 1
	ExpirationTimerUpdate Flags = 2
	ProfileKeyUpdate      Flags = 4
	SessionRestore        Flags = 64
	UnpairingRequest      Flags = 128
	SessionRequest        Flags = 256

	knownFlags = EndSession | ExpirationTimerUpdate | ProfileKeyUpdate | SessionRestore | UnpairingRequest | SessionRequest
)

// String returns the names of the flags, joined by plus signs. Unknown ones are a number in hex.
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

// Online is the sender's status: whether and where it can be reached directly.
type Online struct {
	Reachable bool
	// Address and Port are empty unless Reachable. Address has at most MaxAddressBytes.
	Address string
	Port    uint16
}

// ReceiptKind says what a receipt acknowledges.
type ReceiptKind int32

const (
	// Delivery: the messages arrived.
	Delivery ReceiptKind = 0
	// Read: they were read.
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

// Receipts acknowledges messages by the timestamps of their envelopes.
type Receipts struct {
	Kind         ReceiptKind
	TimestampsMS []uint64
}

// Typing says that the sender started typing, or stopped. It counts only if TimestampMS is that of its envelope.
type Typing struct {
	TimestampMS uint64
	Stopped     bool
}

// Null says nothing. Padding hides that from an observer; together with a bundle it is the session request of clients
// from 1.1 on.
type Null struct {
	Padding []byte
}

// Unsupported is a kind that we recognise and do not read.
type Unsupported int

const (
	Sync    Unsupported = fieldSync    // between the devices of one account, in protocol signal
	Pairing Unsupported = fieldPairing // of a second device
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

// endSessionText stands in a Data with EndSession, for clients that do not know the flag.
const endSessionText = "TERMINATE"

// Text says text. displayName and profileKey may be empty. See CheckText and CheckDisplayName for what they may be.
func Text(text, displayName string, profileKey []byte) Content {
	return Content{Body: Data{Text: text, DisplayName: displayName, ProfileKey: profileKey}}
}

// FriendRequest is a Text that brings the sender's bundle along, so that the receiver can answer in a session
// (signal-2020.md section 5.2).
func FriendRequest(text, displayName string, profileKey []byte, bundle x3dh.Bundle) Content {
	content := Text(text, displayName, profileKey)
	content.Bundle = &bundle
	return content
}

// Reset asks the receiver to drop the session and to build another one from bundle (signal-2020.md section 5.6).
func Reset(bundle x3dh.Bundle) Content {
	return Content{Body: Data{Text: endSessionText, Flags: EndSession}, Bundle: &bundle}
}

// OnlineStatus says where the sender can be reached.
func OnlineStatus(address string, port uint16) Content {
	return Content{Body: Online{Reachable: true, Address: address, Port: port}}
}

// Background is the online status of somebody who cannot be reached. Clients send it where only the message
// itself matters: to accept a friend request and to confirm a session (signal-2020.md section 5.4).
func Background() Content {
	return Content{Body: Online{}}
}

// Receipt acknowledges messages by the timestamps of their envelopes.
func Receipt(kind ReceiptKind, timestampsMS ...uint64) Content {
	return Content{Body: Receipts{Kind: kind, TimestampsMS: timestampsMS}}
}
