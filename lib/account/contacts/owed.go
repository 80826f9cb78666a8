package contacts

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x3dh"
)

// TableOwed has what the account owes to a contact.
const TableOwed keystore.Table = "owed"

// The minimum times between two answers that the account makes by itself to one contact. An answer that comes too early
// is owed: the account makes it later. So a contact that floods the account gets one answer for the whole flood.
//
// Of the other automatic messages, a reset has resetEvery of package account, an acceptance is made once for a contact,
// and acknowledgements travel in requests that the listener makes anyway.
const (
	// RenewEvery is for answers to the contact's bundles. The first RenewAtOnce new ones are answered at once: a friend
	// may lose its state twice. The same bundle is answered once in that time.
	RenewEvery  = time.Minute
	RenewAtOnce = 3
	// RemindAfter is for reminders that we listen, and likewise for answers to a new listening node.
	RemindAfter = 30 * time.Second
)

// MayRenew reports whether a bundle, fresh if it starts a session, may be answered now, and counts the answer.
func (c *Contact) MayRenew(fresh bool, now time.Time) bool {
	until := c.RenewedUntil
	if ahead := until.Sub(now); ahead < 0 || ahead > RenewAtOnce*RenewEvery { // the clock was set back
		until = now
	}
	if until.Sub(now) > (RenewAtOnce-1)*RenewEvery || !fresh && Early(now, c.RenewedAt, RenewEvery) {
		return false
	}
	c.RenewedAt, c.RenewedUntil = now, until.Add(RenewEvery)
	return true
}

// Owed is what the account owes to a contact: a session from the newest bundle, or a status.
type Owed struct {
	Bundle []byte `json:"bundle,omitempty"` // as package message encodes it
	Status bool   `json:"status,omitempty"`
}

// Early reports whether less than the minimum time has passed since a time. A time in the future, from before the clock
// was set back, does not count.
func Early(now, last time.Time, least time.Duration) bool {
	since := now.Sub(last)
	return since >= 0 && since < least
}

// Owe changes what the account owes to a contact.
func Owe(tx *keystore.Tx, id sessionid.ID, change func(*Owed)) error {
	var debt Owed
	if _, err := tables.Get(tx, TableOwed, id.String(), &debt); err != nil {
		return err
	}
	change(&debt)
	return tables.Put(tx, TableOwed, id.String(), debt)
}

// OweBundle makes the account answer a bundle later, instead of an earlier one.
func OweBundle(tx *keystore.Tx, id sessionid.ID, bundle x3dh.Bundle) error {
	return Owe(tx, id, func(o *Owed) { o.Bundle = message.Content{Bundle: &bundle}.Marshal() })
}
