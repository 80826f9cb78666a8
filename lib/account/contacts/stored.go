package contacts

import (
	"encoding/json"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// Table is the table of contacts: Session ID -> storedContact, the on-disk format. The fields of [Contact] may change
// freely; the stored form may not.
const Table keystore.Table = "contacts"

// Version counts the forms of a contact. Each value has its number; one of a later form is [keystore.ErrVersion].
//
//	0: no number. Protocols are those of OldProtocols, or the words of form 1.
//	1: the number, and the words of the constants for protocols. All else is as before.
const Version = 1

// versionV2 is the form of a contact whose protocol is session-v2. Others have Version.
const versionV2 = 2

// storedContact is a Contact.
type storedContact struct {
	tables.Form
	ID            sessionid.ID  `json:"id"`
	DisplayName   string        `json:"display_name"`
	Since         time.Time     `json:"since"`
	FriendsSince  time.Time     `json:"friends_since,omitzero"`
	Verified      bool          `json:"verified,omitempty"`
	Incoming      *Request      `json:"incoming,omitempty"`
	Outgoing      *Request      `json:"outgoing,omitempty"`
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
	StampedMS     int64         `json:"stamped_ms,omitempty"`
}

type storedStatus struct {
	Node   string `json:"node,omitempty"`
	ToldMS int64  `json:"told_ms"`
}

// OldProtocols are the words of form 0 for protocols. The digests of drafts, which are stored too, still use them.
var OldProtocols = map[Protocol]string{
	ProtocolSignal: "2020", ProtocolSessionV1: "today", ProtocolSessionV2: "session-v2",
}

// Encode writes a contact in its stored form.
func Encode(c Contact) ([]byte, error) {
	version := Version
	if c.Protocol == ProtocolSessionV2 {
		version = versionV2
	}
	return json.Marshal(storedContact{
		Form: tables.Form{Version: version},
		ID:   c.ID, DisplayName: c.DisplayName, Since: c.Since, FriendsSince: c.FriendsSince, Verified: c.Verified,
		Incoming: c.Incoming, Outgoing: c.Outgoing, LastRequestMS: c.LastRequestMS, UsedBundles: c.UsedBundles,
		Status: (*storedStatus)(c.Status), RemindedAt: c.RemindedAt, ResetAt: c.ResetAt,
		MovedAt: c.MovedAt, RenewedAt: c.RenewedAt, RenewedUntil: c.RenewedUntil,
		Protocol: string(c.Protocol), Stale: c.Stale, StampedMS: c.StampedMS,
	})
}

// Decode reads a stored contact. The error wraps [keystore.ErrCorrupt] or [keystore.ErrVersion].
func Decode(value []byte) (Contact, error) {
	var s storedContact
	if err := tables.ReadForm(Table, value, versionV2, &s); err != nil {
		return Contact{}, err
	}
	out := Contact{
		ID: s.ID, DisplayName: s.DisplayName, Since: s.Since, FriendsSince: s.FriendsSince, Verified: s.Verified,
		Incoming: s.Incoming, Outgoing: s.Outgoing, LastRequestMS: s.LastRequestMS, UsedBundles: s.UsedBundles,
		Status: (*Status)(s.Status), RemindedAt: s.RemindedAt, ResetAt: s.ResetAt, Stale: s.Stale, StampedMS: s.StampedMS,
		MovedAt: s.MovedAt, RenewedAt: s.RenewedAt, RenewedUntil: s.RenewedUntil,
	}
	if s.Protocol == "" {
		return out, nil
	}
	for protocol, old := range OldProtocols {
		if s.Protocol == string(protocol) || s.Protocol == old {
			out.Protocol = protocol
			return out, nil
		}
	}
	return out, fmt.Errorf("%w: table %s: protocol %.20q", keystore.ErrCorrupt, Table, s.Protocol)
}

// Each calls visit with every contact.
func Each(tx *keystore.Tx, visit func(Contact) error) error {
	return tx.ForEach(Table, func(_ string, value []byte) error {
		c, err := Decode(value)
		if err != nil {
			return err
		}
		return visit(c)
	})
}

// Load returns a contact, and whether it is stored.
func Load(tx *keystore.Tx, id sessionid.ID) (c Contact, found bool, err error) {
	value, found, err := tx.Get(Table, id.String())
	if err != nil || !found {
		return Contact{}, false, err
	}
	c, err = Decode(value)
	return c, true, err
}

// For returns the stored contact, or a new one, of now, that is not stored yet.
func For(tx *keystore.Tx, id sessionid.ID, now time.Time) (Contact, error) {
	c, found, err := Load(tx, id)
	if err == nil && !found {
		c = Contact{ID: id, Since: now.UTC()}
	}
	return c, err
}

// Save stores a contact.
func Save(tx *keystore.Tx, c Contact) error {
	value, err := Encode(c)
	if err != nil {
		return err
	}
	return tx.Put(Table, c.ID.String(), value)
}
