package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/record"
	"sessiontool/lib/rpc"
	"sessiontool/lib/sessionid"
)

// Protocol says how messages to somebody are encrypted. Which storage RPC carries them is another matter: either kind
// lies in the same box of a swarm, and Receive understands both.
type Protocol string

const (
	// Protocol2020 is X3DH and the Double Ratchet. It takes a friend request that was accepted.
	Protocol2020 Protocol = record.Generation2020
	// ProtocolToday is the sealed box of package sealedbox. It takes nothing but a Session ID.
	ProtocolToday Protocol = record.GenerationToday
)

// Known reports whether p is one of the two.
func (p Protocol) Known() bool { return p == Protocol2020 || p == ProtocolToday }

// protocol decides how a draft is encrypted: as it says itself, else as its recipient did last, else as is usual on the
// network that it is for.
func (d Draft) protocol(contact contactState) Protocol {
	switch {
	case d.Protocol != "":
		return d.Protocol
	case contact.Protocol != "":
		return contact.Protocol
	case !contact.FriendsSince.IsZero():
		return Protocol2020 // friends of a time when there was no other
	case d.Network == rpc.GenerationToday:
		return ProtocolToday
	default:
		return Protocol2020
	}
}

// KnownProtocol returns how messages to somebody are encrypted as far as is known from earlier dealings; empty if there
// were none.
func (a *Account) KnownProtocol(ctx context.Context, id sessionid.ID) (known Protocol, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		contact, _, err := loadContact(tx, id)
		known = contact.Protocol
		if known == "" && !contact.FriendsSince.IsZero() {
			known = Protocol2020
		}
		return err
	})
	return known, err
}
