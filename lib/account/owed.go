package account

import (
	"context"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x3dh"
)

// The minimum times between two answers that the account makes by itself to one contact. An answer that comes too early
// is owed: AnswerOwed makes it later. So a contact that floods the account gets one answer for the whole flood.
//
// Of the other automatic messages, a reset has resetEvery, an acceptance is made once for a contact, and
// acknowledgements travel in requests that the listener makes anyway.
const (
	// renewEvery is for answers to the contact's bundles. The first renewAtOnce new ones are answered at once: a friend
	// may lose its state twice. The same bundle is answered once in that time.
	renewEvery  = time.Minute
	renewAtOnce = 3
	// remindAfter is for reminders that we listen, and likewise for answers to a new listening node.
	remindAfter = 30 * time.Second
)

// mayRenew reports whether a bundle, fresh if it starts a session, may be answered now, and counts the answer.
func (c *contactState) mayRenew(fresh bool, now time.Time) bool {
	until := c.RenewedUntil
	if ahead := until.Sub(now); ahead < 0 || ahead > renewAtOnce*renewEvery { // the clock was set back
		until = now
	}
	if until.Sub(now) > (renewAtOnce-1)*renewEvery || !fresh && early(now, c.RenewedAt, renewEvery) {
		return false
	}
	c.RenewedAt, c.RenewedUntil = now, until.Add(renewEvery)
	return true
}

// owed is what the account owes to a contact: a session from the newest bundle, or a status.
type owed struct {
	Bundle []byte `json:"bundle,omitempty"` // as package message encodes it
	Status bool   `json:"status,omitempty"`
}

// early reports whether less than the minimum time has passed since a time. A time in the future, from before the clock
// was set back, does not count.
func early(now, last time.Time, least time.Duration) bool {
	since := now.Sub(last)
	return since >= 0 && since < least
}

// owe changes what the account owes to a contact.
func owe(tx *keystore.Tx, id sessionid.ID, change func(*owed)) error {
	var debt owed
	if _, err := tables.Get(tx, tableOwed, id.String(), &debt); err != nil {
		return err
	}
	change(&debt)
	return tables.Put(tx, tableOwed, id.String(), debt)
}

// oweBundle makes the account answer a bundle later, instead of an earlier one.
func oweBundle(tx *keystore.Tx, id sessionid.ID, bundle x3dh.Bundle) error {
	return owe(tx, id, func(o *owed) { o.Bundle = message.Content{Bundle: &bundle}.Marshal() })
}

// AnswerOwed puts into the outbox the answers that were owed and are due now.
func (a *Account) AnswerOwed(ctx context.Context) error {
	var any bool
	err := a.view(ctx, func(tx *keystore.Tx) error {
		any = false
		return tx.ForEach(tableOwed, func(string, []byte) error {
			any = true
			return nil
		})
	})
	if err != nil || !any {
		return err
	}
	return a.update(ctx, func(tx *keystore.Tx) error {
		return tx.ForEach(tableOwed, func(name string, value []byte) error {
			var debt owed
			if err := tables.Decode(tableOwed, value, &debt); err != nil {
				return err
			}
			id, err := sessionid.Parse(name)
			if err == nil {
				debt, err = a.answerOwed(tx, id, debt)
			}
			if err != nil {
				return err
			}
			if debt.Bundle == nil && !debt.Status {
				return tx.Delete(tableOwed, name)
			}
			return tables.Put(tx, tableOwed, name, debt)
		})
	})
}

// answerOwed answers what is due of a debt, and returns the rest. Nothing is owed to a contact that is no friend.
func (a *Account) answerOwed(tx *keystore.Tx, id sessionid.ID, debt owed) (rest owed, err error) {
	contact, _, err := loadContact(tx, id)
	now := a.env.Now().UTC()
	if err != nil || contact.state(now) != StateFriends {
		return owed{}, err
	}
	if debt.Bundle != nil {
		content, err := message.Parse(debt.Bundle)
		if err != nil || content.Bundle == nil {
			return owed{}, err
		}
		fresh := !contact.used(*content.Bundle) || contact.Stale
		if probe := contact; !probe.mayRenew(fresh, now) {
			return a.answerOwedStatus(tx, contact, debt)
		}
		if err := a.renew(tx, contact, *content.Bundle); err != nil {
			return owed{}, err
		}
		debt.Bundle = nil
		if contact, _, err = loadContact(tx, id); err != nil {
			return owed{}, err
		}
	}
	return a.answerOwedStatus(tx, contact, debt)
}

// answerOwedStatus announces the account's listening node if that is owed and due, and returns the rest of the debt.
func (a *Account) answerOwedStatus(tx *keystore.Tx, contact contactState, debt owed) (rest owed, err error) {
	now := a.env.Now().UTC()
	if debt.Status && !early(now, contact.MovedAt, remindAfter) {
		contact.MovedAt, debt.Status = now, false
		if err := saveContact(tx, contact); err != nil {
			return owed{}, err
		}
		announces, err := a.announcesTo(tx, contact)
		if err != nil || !announces {
			return debt, err
		}
		if at, err := a.listening(tx); err != nil || at == nil {
			return debt, err
		}
		if _, err := a.announce(tx, contact.ID, outbox.Unowned); err != nil {
			return owed{}, err
		}
	}
	return debt, nil
}
