package outbox

import (
	"time"

	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// Kind is the purpose of an outgoing message.
type Kind string

// The kinds of outgoing messages. A control message shows nothing to the user: it is an acceptance or confirms a
// session. A status message says only whether the account is online.
const (
	KindText          Kind = "text"
	KindFriendRequest Kind = "friend_request"
	KindControl       Kind = "control"
	KindStatus        Kind = "status"
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
	Digest      string // of the draft, or the purpose of a control message
	TimestampMS int64
	TTLMillis   int64
	Data        string // store data, base64
	// Ack is the acknowledgement that proves delivery to the recipient; empty for a message that carries no key.
	Ack      []byte
	OnlySync bool
	// StampMS, Nonce and Difficulty are the timestamp in milliseconds and the proof of work of the store request, once
	// it is solved. They are stored so that a retry sends the same bytes, which nodes recognise.
	StampMS    int64
	Nonce      string
	Difficulty int64
	QueuedAt   time.Time
	Owner      string   // the process that works on it; empty means Unowned
	Claimed    bool     // Owner did not make the entry but claimed it
	Receipt    *Receipt // set once a node has the message
	StoredAt   time.Time
	Reported   bool // the receipt was reported
	Resumed    bool
	Fresh      bool // it was sealed just now with the current time
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

// ReportedFor is how long the outbox keeps an entry whose process died before it reported the receipt. A rerun within
// that time gets the receipt or continues, instead of sending the text twice.
const ReportedFor = time.Hour

// over reports whether an entry has expired: its message was not sent within its time to live, or no rerun asked for
// its receipt in time. The message's own timestamp does not count, since a draft may choose any.
func (e Entry) over(now time.Time) bool {
	switch {
	case e.Receipt != nil:
		return now.Sub(e.StoredAt) >= ReportedFor
	case e.OnlySync:
		return now.Sub(e.QueuedAt) >= ReportedFor // only a rerun may send it
	}
	return now.Sub(e.QueuedAt) > time.Duration(e.TTLMillis)*time.Millisecond
}

// claimable reports whether any process may claim an unsent entry. A rerun of its own command sends a message that is
// for the synchronous route alone.
func (e Entry) claimable() bool { return e.Stage() < Sent && !e.OnlySync }
