package record

// Reason says why a message did not travel over the synchronous route.
type Reason string

// The reasons. Scripts may rely on the names.
const (
	ReasonNoStatus        Reason = "no_status"        // the recipient never told its status: a client of others, or a new friend
	ReasonProtocol        Reason = "protocol"         // the recipient has protocol session-v1, which has no such route
	ReasonOffline         Reason = "offline"          // the recipient said so, or was not there the last time
	ReasonStale           Reason = "stale"            // the recipient's last word is too old
	ReasonNobodyListens   Reason = "nobody_listens"   // the listening node says so
	ReasonNotAcknowledged Reason = "not_acknowledged" // no acknowledgement came in time
	ReasonWrongAck        Reason = "wrong_ack"        // an acknowledgement came that the recipient did not make
	ReasonRefused         Reason = "refused"          // the recipient could not open the message, or the node did not take it
	ReasonUnreachable     Reason = "unreachable"      // the listening node does not answer
	ReasonNoMethod        Reason = "no_method"        // the listening node has no synchronous route
	ReasonBusy            Reason = "busy"             // the listening node has too much to do
	ReasonWrongSwarm      Reason = "wrong_swarm"      // the listening node has left the recipient's swarm
)
