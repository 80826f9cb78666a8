package inbox

import (
	"time"

	"sessiontool/lib/account/strangers"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// EventKind is what an [Event] reports.
type EventKind string

// The kinds of events. A control event shows nothing to the user. A failure is a message that could not be opened. An
// unknown event has content that this version does not know.
const (
	EventMessage       EventKind = "message"
	EventFriendRequest EventKind = "friend_request"
	EventDelivery      EventKind = "delivery"
	EventReset         EventKind = "session_reset" // the sender has begun a new session
	EventReaction      EventKind = "reaction"      // Text is the emoji
	EventTyping        EventKind = "typing"        // Text is started or stopped
	EventExtraction    EventKind = "extraction"    // Text is the message.ExtractionKind
	EventCall          EventKind = "call"          // Text is the message.CallStep
	EventTimer         EventKind = "timer_change"  // TimerSeconds applies to messages from now on
	EventUnsend        EventKind = "unsend"        // About is the message that its sender deletes
	EventUnknown       EventKind = "unknown"
	EventGap           EventKind = "gap" // the account was not polled from TimestampMS until ReceivedAt
	EventControl       EventKind = "control"
	EventFailure       EventKind = "failure"
	// EventStrangers is not in the inbox: Report says what was not kept of strangers.
	EventStrangers EventKind = "strangers"
)

// FailureCode is the reason why a message could not be opened.
type FailureCode string

// The failure codes.
const (
	CodeBadEnvelope      FailureCode = "bad_envelope"      // not the format that clients write
	CodeDecryptionFailed FailureCode = "decryption_failed" // changed, or for another recipient
	CodeNewerProtocol    FailureCode = "newer_protocol"    // a newer version may read it
	// starts a session with a prekey that the account does not have
	CodeUnknownPrekey FailureCode = "unknown_prekey"
	CodeBadSignature  FailureCode = "bad_signature" // the prekey bundle is not the sender's
	CodeNoSession     FailureCode = "no_session"    // belongs to no session of the account
	// no key of the account opens it; one that arrives later may
	CodeUnknownKey FailureCode = "unknown_key"
	// another message has used the same message key: a copy of the sender's keystore is likely
	CodeKeyReused FailureCode = "key_reused"
	// another program has sent messages with this account's sessions
	CodeKeystoreCopied FailureCode = "keystore_copied"
	// a message to To waited in the outbox and was given up
	CodeDropped FailureCode = "dropped"
)

// Failure is the reason why a message could not be opened.
type Failure struct {
	Code FailureCode
	Err  error
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Failure) Unwrap() error { return f.Err }

// Fail returns a [Failure].
func Fail(code FailureCode, err error) error { return &Failure{code, err} }

// Reference names a message by its timestamp in milliseconds and, where it is known, its author's Session ID.
type Reference struct {
	TimestampMS uint64
	Author      string
}

// Quote is the earlier message that a text answers, as quoted by the sender.
type Quote struct {
	Reference
	Text string
}

// Preview describes a link in a text, as composed by the sender.
type Preview struct {
	URL   string
	Title string
}

// Event is a received message after it was handled. The inbox keeps it in the form of storedEvent.
type Event struct {
	Seq         uint64 // sequence number in the inbox; 0 if it is not stored there
	ID          string
	Kind        EventKind
	From        sessionid.ID
	Claimed     bool         // From is not authenticated; only of failures
	To          sessionid.ID // recipient; only of messages from another device of this account
	DisplayName string
	Name        string // that the user gave the sender; not stored here
	Text        string // of a message or request; the subject of a control event or failure
	TimestampMS int64
	ReceivedAt  time.Time
	Route       message.Route
	Hash        string
	Attachments int
	Group       bool                // the message belongs to a group
	Invitation  bool                // the message invites to a community
	Asks        bool                // the message is also a stranger's friend request
	Timestamps  []uint64            // of the messages that a delivery receipt acknowledges
	State       friendrequest.State // friend state after a request was handled
	Outgoing    bool                // the request was ours, and the contact accepted it
	Code        FailureCode         // of a failure
	Chain       uint32              // number of the ratchet chain, see [Place]
	Counter     uint32              // of the message within the chain
	Overtook    bool                // it arrived before earlier messages of its session; not stored

	// Attempt counts the deliveries that were begun, this one among them. SetAside reports that there were too many:
	// the event is not delivered, but set aside. Both are of this delivery and not stored here.
	Attempt  int
	SetAside bool

	// TimerSeconds is after how long the message disappears, counted from reading or from sending.
	TimerSeconds     uint32
	TimerFromSending bool

	Quote    *Quote
	Previews []Preview
	About    *Reference // the message that a reaction, an extraction or an unsend is about
	Removed  bool       // the sender removed a reaction
	CallID   string

	Unsent bool // the sender deleted the message; its content is gone

	Report *strangers.Report // only of EventStrangers

	// Protocol is the word of the protocol of a message that opened, empty if an earlier version received it. ForwardSecrecy
	// reports that nobody who gets the recipient's long-term key later can open the message.
	Protocol       string
	ForwardSecrecy bool
}

// Shown reports whether an event belongs in a list of new messages.
func (e Event) Shown() bool { return e.Kind != EventControl }

// TakeTimer copies the disappearing-message timer.
func (e *Event) TakeTimer(timer message.Timer) {
	e.TimerSeconds, e.TimerFromSending = timer.Seconds, timer.FromSending
}
