package outbox

import (
	"time"

	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// Kind is the purpose of an outgoing message.
type Kind string

// The kinds of outgoing messages. A control message shows nothing to the user: it is an acceptance or confirms a
// session. A status message says only whether the account is online. A copy is of a text, for the account's own devices.
const (
	KindText          Kind = "text"
	KindFriendRequest Kind = "friend_request"
	KindControl       Kind = "control"
	KindStatus        Kind = "status"
	KindCopy          Kind = "copy"
)

// Stage is the progress of an entry.
type Stage int

// The stages of an entry, in order. An entry starts as Claimed by the process that made it and sends it, or as Queued
// for any process. Release and the end of its process return it to Queued, unless it is Sent.
//
//	Add -> Queued or Claimed          in the transaction that seals the message
//	Claimed: Claim, ClaimEarlier, Resume
//	Solved:  the proof of work is stored before the bytes leave, so that a retry sends the same
//	Sent:    a node has the message, and the entry has the receipt
//	Reported: the caller has the receipt
//	gone:    Remove, or Tidy and Claim once no rerun can ask for the receipt
const (
	Queued   Stage = iota // any process may claim it
	Claimed               // a process works on it
	Solved                // its process has the proof of work
	Sent                  // a node has it; the receipt is not reported yet
	Reported              // kept until the reporting process has ended cleanly
)

// String names the stage.
func (s Stage) String() string {
	return [...]string{"queued", "claimed", "solved", "sent", "reported"}[s]
}

// Entry is a message with its progress. It stays in the outbox until its receipt was reported and the reporting process
// has ended cleanly.
type Entry struct {
	Seq         uint64
	Kind        Kind
	To          sessionid.ID
	Ref         string
	Digest      string // of the draft, of its idempotency key, or the purpose of a control message
	DraftID     string // the idempotency key; empty if the draft has none
	Content     string // digest of what an idempotency key stands for; empty without one
	TimestampMS int64
	TTLMillis   int64
	Data        string // store data, base64
	// Ack is the acknowledgement that proves delivery to the recipient; empty for a message that carries no key.
	Ack      []byte
	AckKey   []byte // makes Ack from Data
	Undated  bool   // the time may be changed: neither the draft has chosen it nor has the sender signed it
	OnlySync bool
	// Protocol is the word of the message's protocol, empty if an earlier version has sealed it. ForwardSecrecy
	// reports that nobody who gets the recipient's long-term key later can open the message.
	Protocol       string
	ForwardSecrecy bool
	// StampMS, Nonce and Difficulty are the timestamp in milliseconds and the proof of work of the store request, once
	// it is solved. They are stored so that a retry sends the same bytes, which nodes recognise.
	StampMS    int64
	Nonce      string
	Difficulty int64
	QueuedAt   time.Time
	Owner      string    // the process that works on it; empty means Unowned
	Claimed    bool      // Owner did not make the entry but claimed it
	Receipt    *Receipt  // set once a node has the message; what sending needs is gone from then on
	StoredAt   time.Time // when Receipt was set, or a rerun last asked for it
	Reported   bool      // the receipt was reported
	Resumed    bool
	Fresh      bool // it was sealed just now with the current time
	Again      bool // it was sealed again, see Before
	Behind     bool // an older entry may wait for the recipient, see ClaimEarlier
	// Unanswered is how many messages of the same chain the recipient had not answered when this process sealed
	// this one.
	Unanswered uint32
	Warnings   []Warning // for the receipt
}

// Stage returns the progress of an entry.
func (e Entry) Stage() Stage {
	switch {
	case e.Reported:
		return Reported
	case e.Receipt != nil:
		return Sent
	case e.Owner == Unowned:
		return Queued
	case e.Nonce != "":
		return Solved
	}
	return Claimed
}

// Acknowledged reports whether claimed is the acknowledgement of this message, which only the recipient can make.
func (e Entry) Acknowledged(claimed []byte) bool {
	return len(e.Ack) == len(message.Acknowledgement{}) && message.Acknowledgement(e.Ack).Equal(claimed)
}

// ReportedFor is how long the outbox keeps the entries of a process that did not come to the end of its work, counted
// from the last receipt of that process. A rerun within that time gets the receipts or continues, instead of sending a
// text twice.
const ReportedFor = time.Hour

// Expires returns until when an unsent message may be sent, and false if it waits without an end: its time to live
// counts from when it is first sent. One for the synchronous route alone waits for a rerun, and no longer than that gets
// receipts.
func (e Entry) Expires() (at time.Time, ends bool) { return e.QueuedAt.Add(ReportedFor), e.OnlySync }

// claimable reports whether any process may claim an unsent entry. A rerun of its own command sends a message that is
// for the synchronous route alone.
func (e Entry) claimable() bool { return e.Stage() < Sent && !e.OnlySync }
