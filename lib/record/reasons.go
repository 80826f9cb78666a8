package record

// Warning is what the sender of a message should know although it was sent.
type Warning string

// The warnings. Scripts may rely on the names.
const (
	WarnClock      Warning = "clock_corrected" // this machine's clock is wrong; the message has the network's time
	WarnUnanswered Warning = "unanswered"      // 1 500 messages or more have no answer; some clients then open no more
	WarnLong       Warning = "long_for_phones" // some phones cut texts of more than 2 000 characters
	WarnOldRequest Warning = "old_request"     // the accepted request was too old, so the answer is a request
	WarnOldList    Warning = "old_node_list"   // no seed answers; the list of service nodes is an old one
	WarnImported   Warning = "imported_list"   // the list of service nodes was imported and is signed by nobody
)

// Reason is why a message did not take the synchronous route.
type Reason string

// The reasons. Scripts may rely on the names.
const (
	ReasonNoStatus        Reason = "no_status"        // the recipient has sent no status: another client, or new
	ReasonProtocol        Reason = "protocol"         // the recipient has protocol session-v1, which has no such route
	ReasonOffline         Reason = "offline"          // the recipient reported it, or did not acknowledge last time
	ReasonStale           Reason = "stale"            // the recipient's latest status is too old
	ReasonNobodyListens   Reason = "nobody_listens"   // the listening node says so
	ReasonNotAcknowledged Reason = "not_acknowledged" // no acknowledgement came in time
	ReasonWrongAck        Reason = "wrong_ack"        // an acknowledgement came that the recipient did not make
	ReasonRefused         Reason = "refused"          // the recipient could not decrypt it, or the node refused it
	ReasonUnreachable     Reason = "unreachable"      // the listening node does not answer
	ReasonNoMethod        Reason = "no_method"        // the listening node has no synchronous route
	ReasonBusy            Reason = "busy"             // the listening node is overloaded
	ReasonWrongSwarm      Reason = "wrong_swarm"      // the listening node has left the recipient's swarm
	ReasonQueued          Reason = "queued"           // more messages to the recipient are on the way or follow at once
)
