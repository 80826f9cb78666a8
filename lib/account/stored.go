package account

import (
	"encoding/json"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// This file is the on-disk format of contacts. The
// fields of those types may change freely; the stored forms may not. All values are JSON. The other tables store
// unexported types directly: see tables.go.

// storedVersion counts the forms of these values. Each value has its number; one of a later form is
// [keystore.ErrVersion].
//
//	0: no number. A receipt has a type. Protocols are those of oldProtocols, or the words of form 1.
//	1: the number, no type, and the words of the constants for protocols. All else is as before.
const storedVersion = 1

// contactVersion is the form of a contact whose protocol is session-v2. Others have storedVersion.
const contactVersion = 2

// storedContact is a contactState.
type storedContact struct {
	tables.Form
	ID            sessionid.ID  `json:"id"`
	DisplayName   string        `json:"display_name"`
	Since         time.Time     `json:"since"`
	FriendsSince  time.Time     `json:"friends_since,omitzero"`
	Verified      bool          `json:"verified,omitempty"`
	Incoming      *request      `json:"incoming,omitempty"`
	Outgoing      *request      `json:"outgoing,omitempty"`
	LastRequestMS int64         `json:"last_request_ms,omitempty"`
	UsedBundles   []string      `json:"used_bundles,omitempty"`
	Status        *storedStatus `json:"status,omitempty"`
	RemindedAt    time.Time     `json:"reminded_at,omitzero"`
	MovedAt       time.Time     `json:"moved_at,omitzero"`
	RenewedAt     time.Time     `json:"renewed_at,omitzero"`
	RenewedUntil  time.Time     `json:"renewed_until,omitzero"`
	ResetAt       time.Time     `json:"reset_at,omitzero"`
	Protocol      string        `json:"protocol,omitempty"` // the word of the constant, or empty
	Stale         bool          `json:"stale,omitempty"`
}

type storedStatus struct {
	Node   string `json:"node,omitempty"`
	ToldMS int64  `json:"told_ms"`
}

// oldProtocols are the words of form 0 for protocols. The digests of drafts, which are stored too, still use them.
var oldProtocols = map[Protocol]string{
	ProtocolSignal: "2020", ProtocolSessionV1: "today", ProtocolSessionV2: "session-v2",
}

func encodeContact(c contactState) ([]byte, error) {
	version := storedVersion
	if c.Protocol == ProtocolSessionV2 {
		version = contactVersion
	}
	return json.Marshal(storedContact{
		Form: tables.Form{Version: version},
		ID:   c.ID, DisplayName: c.DisplayName, Since: c.Since, FriendsSince: c.FriendsSince, Verified: c.Verified,
		Incoming: c.Incoming, Outgoing: c.Outgoing, LastRequestMS: c.LastRequestMS, UsedBundles: c.UsedBundles,
		Status: (*storedStatus)(c.Status), RemindedAt: c.RemindedAt, ResetAt: c.ResetAt,
		MovedAt: c.MovedAt, RenewedAt: c.RenewedAt, RenewedUntil: c.RenewedUntil,
		Protocol: string(c.Protocol), Stale: c.Stale,
	})
}

func decodeContact(value []byte) (contactState, error) {
	var s storedContact
	if err := tables.ReadForm(tableContacts, value, contactVersion, &s); err != nil {
		return contactState{}, err
	}
	out := contactState{
		ID: s.ID, DisplayName: s.DisplayName, Since: s.Since, FriendsSince: s.FriendsSince, Verified: s.Verified,
		Incoming: s.Incoming, Outgoing: s.Outgoing, LastRequestMS: s.LastRequestMS, UsedBundles: s.UsedBundles,
		Status: (*Status)(s.Status), RemindedAt: s.RemindedAt, ResetAt: s.ResetAt, Stale: s.Stale,
		MovedAt: s.MovedAt, RenewedAt: s.RenewedAt, RenewedUntil: s.RenewedUntil,
	}
	if s.Protocol == "" {
		return out, nil
	}
	for protocol, old := range oldProtocols {
		if s.Protocol == string(protocol) || s.Protocol == old {
			out.Protocol = protocol
			return out, nil
		}
	}
	return out, fmt.Errorf("%w: table %s: protocol %.20q", keystore.ErrCorrupt, tableContacts, s.Protocol)
}
