package account

import (
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/storage"
)

// The protocols.
const (
	ProtocolSignal    = contacts.ProtocolSignal
	ProtocolSessionV1 = contacts.ProtocolSessionV1
	ProtocolSessionV2 = contacts.ProtocolSessionV2
)

// protocol returns the protocol for a draft: the draft's own, else the contact's last, else the default of the network.
// Session-v1 stands for both protocols of today's Session IDs: a draft without a protocol of its own takes session-v2
// if the recipient publishes a key.
func (d Draft) protocol(contact contacts.Contact) Protocol {
	switch known := contact.KnownProtocol(); {
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
