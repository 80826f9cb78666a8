package account

import (
	"time"

	"sessiontool/lib/sessionid"
)

// EventKind is what an [Event] reports.
type EventKind string

// The kinds of events. A control event has nothing to show, a failure is a message that could not be opened, and an
// unknown one says something that this version does not know.
const (
	EventMessage       EventKind = "message"
	EventFriendRequest EventKind = "friend_request"
	EventDelivery      EventKind = "delivery"
	EventReset         EventKind = "session_reset" // the sender has begun a new session
	EventReaction      EventKind = "reaction"      // Text is the emoji
	EventTyping        EventKind = "typing"        // Text is started or stopped
	EventExtraction    EventKind = "extraction"    // Text is the message.ExtractionKind
	EventCall          EventKind = "call"          // Text is the message.CallStep
	EventTimer         EventKind = "timer_change"  // TimerSeconds are what messages get from now on
	EventUnsend        EventKind = "unsend"        // About is the message that its sender takes back
	EventUnknown       EventKind = "unknown"
	EventControl       EventKind = "control"
	EventFailure       EventKind = "failure"
)

// FailureCode says why a message could not be opened.
type FailureCode string

// The codes of failures.
const (
	CodeBadEnvelope      FailureCode = "bad_envelope"      // it is not what clients write
	CodeDecryptionFailed FailureCode = "decryption_failed" // it was changed, or is for another recipient
	CodeNewerProtocol    FailureCode = "newer_protocol"    // a newer version may read it
	CodeUnknownPrekey    FailureCode = "unknown_prekey"    // it starts a session with a prekey that the account has not
	CodeBadSignature     FailureCode = "bad_signature"     // its prekey bundle is not its sender's
	CodeNoSession        FailureCode = "no_session"        // it belongs to no session of the account
)

// Reference names a message by its timestamp and, where that is known, its author's Session ID.
type Reference struct {
	TimestampMS uint64
	Author      string
}

// Quote is the earlier message that a text answers, as its sender repeats it.
type Quote struct {
	Reference
	Text string
}

// Preview describes a link in a text, as the text's sender saw it.
type Preview struct {
	URL   string
	Title string
}

// Event is something that arrived. The inbox keeps it in the form of storedEvent.
type Event struct {
	Seq         uint64 // its place in the inbox; 0 if it is not kept there
	ID          string
	Kind        EventKind
	From        sessionid.ID
	Claimed     bool         // From stands in an envelope that anybody can write: only of failures
	To          sessionid.ID // only of what another device of this account sent
	DisplayName string
	Text        string // of a message or request; what a control or failure is about
	TimestampMS int64
	ReceivedAt  time.Time
	Route       Route
	Hash        string
	Attachments int
	Group       bool        // the message is about a group
	Invitation  bool        // to a community
	Asks        bool        // the message is the friend request of a stranger as well
	Timestamps  []uint64    // what a delivery acknowledges
	State       State       // of a friend request after it was handled
	Outgoing    bool        // the request was ours, and is accepted
	Code        FailureCode // of a failure
	Chain       uint32      // of its session, by number: see place
	Counter     uint32      // within the chain
	Overtook    bool        // when it came, earlier messages of its session had not; not kept

	// After TimerSeconds its sender wants the message gone: from when it is read, or from when it was sent.
	TimerSeconds     uint32
	TimerFromSending bool

	Quote    *Quote
	Previews []Preview
	About    *Reference // the message that a reaction, an extraction or an unsend is about
	Removed  bool       // a reaction is taken away
	CallID   string

	Unsent bool // the sender has taken the message back; nothing is left of what it said
}

// Shown reports whether an event is worth a record in a list of what is new.
func (e Event) Shown() bool { return e.Kind != EventControl }
