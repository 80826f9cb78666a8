package outbox

import (
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// Reason is why a message did not take the synchronous route.
type Reason string

// The reasons.
const (
	// the contact never sent a status: another client, or a new friend
	ReasonNoStatus Reason = "no_status"
	ReasonProtocol Reason = "protocol" // the contact's protocol has no such route
	// the contact's status says so, or it did not listen the last time
	ReasonOffline         Reason = "offline"
	ReasonStale           Reason = "stale"            // the contact's last status is too old
	ReasonNobodyListens   Reason = "nobody_listens"   // the listening node knows no listener
	ReasonNotAcknowledged Reason = "not_acknowledged" // no acknowledgement came in time
	ReasonWrongAck        Reason = "wrong_ack"        // the acknowledgement is not the recipient's
	ReasonRefused         Reason = "refused"          // the recipient cannot open the message, or the node refused it
	ReasonUnreachable     Reason = "unreachable"      // the listening node does not answer
	ReasonNoMethod        Reason = "no_method"        // the listening node has no synchronous route
	ReasonBusy            Reason = "busy"             // the listening node has too much to do
	ReasonWrongSwarm      Reason = "wrong_swarm"      // the listening node has left the recipient's swarm
	ReasonQueued          Reason = "queued"           // other messages to the recipient are on the way
)

// Receipt is the result of sending one message. On the synchronous route nothing is stored: MessageHash is empty, Nodes
// has only the listening node, and RoundTripMS is the time in milliseconds from sending to the recipient's
// acknowledgement. On the asynchronous route Reason is why the synchronous one was not taken, empty if it was not
// wanted.
type Receipt struct {
	OK            bool
	To            sessionid.ID
	Route         message.Route
	Reason        Reason
	RoundTripMS   float64
	MessageHash   string
	TimestampMS   int64
	TTLMillis     int64
	Difficulty    int64
	Stored        int // number of nodes that have the message
	Nodes         []NodeResult
	Resumed       bool // an earlier run of the command sealed the message
	Repeated      bool // an earlier run has sent it, and this one has sent nothing; not stored
	Ref           string
	ClockOffsetMS int64 // milliseconds by which the network's clock is ahead of this machine's

	Protocol       string // of the message, as in Entry
	ForwardSecrecy bool
	Warnings       []Warning
}

// Warning is what the sender of a message should know although it was sent.
type Warning string

// The warnings.
const (
	WarnClock      Warning = "clock_corrected" // this machine's clock is wrong; the message has the network's time
	WarnUnanswered Warning = "unanswered"      // 1 500 messages or more have no answer
	WarnOldRequest Warning = "old_request"     // the accepted request was too old, so the answer is a request
	WarnLong       Warning = "long_for_phones" // some phones cut the text: it is longer than message.PhoneChars
	WarnOldList    Warning = "old_node_list"   // no seed answers; the list of service nodes is an old one
	WarnImported   Warning = "imported_list"   // the list of service nodes was imported and is signed by nobody
)

// NodeResult is the answer of one node to a store, or the report of another node about it. OK means that the node has
// the message, Already that it had the message before. Pending means that the answer was late: the node may have the
// message.
type NodeResult struct {
	PubkeyEd25519 string // hex
	OK            bool
	Already       bool
	Pending       bool
	Status        int
	Error         string
	Millis        int64
}
