package account

import "sessiontool/lib/storage"

// Protocol says how messages to somebody are encrypted. Which storage RPC carries them is another matter: either kind
// lies in the same box of a swarm, and Receive understands both.
type Protocol string

const (
	// ProtocolSignal is X3DH and the Double Ratchet, as Session had them in 2020. It takes an accepted friend request.
	ProtocolSignal Protocol = "signal"
	// ProtocolSessionV1 is the sealed box of package sealedbox. It takes nothing but a Session ID.
	ProtocolSessionV1 Protocol = "session-v1"
)

// Known reports whether p is one of the two.
func (p Protocol) Known() bool { return p == ProtocolSignal || p == ProtocolSessionV1 }

// protocol decides how a draft is encrypted: as it says itself, else as its recipient did last, else as is usual on the
// network that it is for.
func (d Draft) protocol(contact contactState) Protocol {
	switch known := contact.knownProtocol(); {
	case d.Protocol != "":
		return d.Protocol
	case known != "":
		return known
	case d.Network == storage.Generation28:
		return ProtocolSessionV1
	default:
		return ProtocolSignal
	}
}

// knownProtocol is how messages to a contact are encrypted as far as is known from earlier dealings; empty if there
// were none. Friends from a time when there was no other protocol have
// signal.
func (c contactState) knownProtocol() Protocol {
	if c.Protocol == "" && !c.FriendsSince.IsZero() {
		return ProtocolSignal
	}
	return c.Protocol
}
