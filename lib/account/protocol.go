package account

import (
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/draft"
	"sessiontool/lib/storage"
)

// The protocols.
const (
	ProtocolSignal    = contacts.ProtocolSignal
	ProtocolSessionV1 = contacts.ProtocolSessionV1
	ProtocolSessionV2 = contacts.ProtocolSessionV2
)

// Draft is a text to be sent, and CopyFor says for which ones the account leaves a copy for its other devices.
type (
	Draft   = draft.Draft
	CopyFor = draft.CopyFor
)

// The values of CopyFor, and bounds of a draft.
const (
	CopyUsual  = draft.CopyUsual
	CopyAlways = draft.CopyAlways
	CopyNever  = draft.CopyNever
	MinTTL     = draft.MinTTL
	MaxIDBytes = draft.MaxIDBytes
)

// controlTTL is the time to live in milliseconds of messages without a text: the maximum of every network. The
// acceptance of the 2020 client expires after a minute.
const controlTTL = storage.MaxTTLMillis20
