package account

import "sessiontool/lib/storage"

// Protocol is the encryption of a message. It is independent of the storage RPC that carries the message: all messages
// are in the same box of a swarm, and [Account.Receive] opens both kinds.
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

// protocol returns the protocol for a draft: the draft's own, else the contact's last, else the default of the network.
// Session-v1 stands for both protocols of today's Session IDs: a draft without a protocol of its own takes session-v2
// if the recipient publishes a key.
func (d Draft) protocol(contact contactState) Protocol {
	switch known := contact.knownProtocol(); {
	case d.Protocol != "":
		return d.Protocol
	case known == ProtocolSessionV2:
		return ProtocolSessionV1
	case known != "":
		return known
	case d.Network == storage.Generation28:
		return ProtocolSessionV1
	default:
		return ProtocolSignal
	}
}

// knownProtocol returns the protocol of earlier messages with a contact, empty if there were none. Friends that were
// stored before session-v1 existed have signal.
func (c contactState) knownProtocol() Protocol {
	if c.Protocol == "" && !c.FriendsSince.IsZero() {
		return ProtocolSignal
	}
	return c.Protocol
}
