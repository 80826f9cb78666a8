package contacts

// Protocol is the encryption of a message. It is independent of the storage RPC that carries the message: all messages
// are in the same box of a swarm, and account.Receive opens both kinds.
type Protocol string

const (
	// ProtocolSignal is X3DH and the Double Ratchet, as in Session of 2020. It needs an accepted friend request.
	ProtocolSignal Protocol = "signal"
	// ProtocolSessionV1 is the sealed box of [sessiontool/lib/sealedbox]. It needs only a Session ID.
	ProtocolSessionV1 Protocol = "session-v1"
	// ProtocolSessionV2 is the message of [sessiontool/lib/v2message]. It needs only a Session ID, and for forward
	// secrecy a key that the recipient publishes.
	ProtocolSessionV2 Protocol = "session-v2"
)

// Known reports whether p is one of the three.
func (p Protocol) Known() bool {
	return p == ProtocolSignal || p == ProtocolSessionV1 || p == ProtocolSessionV2
}

// KnownProtocol returns the protocol of earlier messages with a contact, empty if there were none. Friends that were
// stored before session-v1 existed have signal.
func (c Contact) KnownProtocol() Protocol {
	if c.Protocol == "" && !c.FriendsSince.IsZero() {
		return ProtocolSignal
	}
	return c.Protocol
}
