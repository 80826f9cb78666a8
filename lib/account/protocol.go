package account

import "sessiontool/lib/storage"

// Protocol says how messages to somebody are encrypted. Which storage RPC carries them is another matter: either kind
// lies in the same box of a swarm, and Receive understands both.
type Protocol string

const (
	// Protocol2020 is X3DH and the Double Ratchet. It takes a friend request that was accepted.
	Protocol2020 Protocol = "2020"
	// ProtocolToday is the sealed box of package sealedbox. It takes nothing but a Session ID.
	ProtocolToday Protocol = "today"
)

// Known reports whether p is one of the two.
func (p Protocol) Known() bool { return p == Protocol2020 || p == ProtocolToday }

// protocol decides how a draft is encrypted: as it says itself, else as its recipient did last, else as is usual on the
// network that it is for.
func (d Draft) protocol(contact contactState) Protocol {
	switch known := contact.knownProtocol(); {
	case d.Protocol != "":
		return d.Protocol
	case known != "":
		return known
	case d.Network == storage.Generation28:
		return ProtocolToday
	default:
		return Protocol2020
	}
}

// knownProtocol is how messages to a contact are encrypted as far as is known from earlier dealings; empty if there
// were none. Friends of a time when there was no other protocol have that of 2020.
func (c contactState) knownProtocol() Protocol {
	if c.Protocol == "" && !c.FriendsSince.IsZero() {
		return Protocol2020
	}
	return c.Protocol
}
