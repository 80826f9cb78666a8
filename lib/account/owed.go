package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// AnswerOwed puts into the outbox the answers that were owed and are due now.
func (a *Account) AnswerOwed(ctx context.Context) error {
	var any bool
	err := a.view(ctx, func(tx *keystore.Tx) error {
		any = false
		return tx.ForEach(contacts.TableOwed, func(string, []byte) error {
			any = true
			return nil
		})
	})
	if err != nil || !any {
		return err
	}
	return a.update(ctx, func(tx *keystore.Tx) error {
		return tx.ForEach(contacts.TableOwed, func(name string, value []byte) error {
			var debt contacts.Owed
			if err := tables.Decode(contacts.TableOwed, value, &debt); err != nil {
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
				return tx.Delete(contacts.TableOwed, name)
			}
			return tables.Put(tx, contacts.TableOwed, name, debt)
		})
	})
}

// answerOwed answers what is due of a debt, and returns the rest. Nothing is owed to a contact that is no friend.
func (a *Account) answerOwed(tx *keystore.Tx, id sessionid.ID, debt contacts.Owed) (rest contacts.Owed, err error) {
	contact, _, err := contacts.Load(tx, id)
	now := a.env.Now().UTC()
	if err != nil || contact.State(now) != StateFriends {
		return contacts.Owed{}, err
	}
	if debt.Bundle != nil {
		content, err := message.Parse(debt.Bundle)
		if err != nil || content.Bundle == nil {
			return contacts.Owed{}, err
		}
		fresh := !contact.Used(*content.Bundle) || contact.Stale
		if probe := contact; !probe.MayRenew(fresh, now) {
			return a.answerOwedStatus(tx, contact, debt)
		}
		if err := a.renew(tx, contact, *content.Bundle); err != nil {
			return contacts.Owed{}, err
		}
		debt.Bundle = nil
		if contact, _, err = contacts.Load(tx, id); err != nil {
			return contacts.Owed{}, err
		}
	}
	return a.answerOwedStatus(tx, contact, debt)
}

// answerOwedStatus announces the account's listening node if that is owed and due, and returns the rest of the debt.
func (a *Account) answerOwedStatus(tx *keystore.Tx, contact contacts.Contact, debt contacts.Owed) (rest contacts.Owed, err error) {
	now := a.env.Now().UTC()
	if debt.Status && !contacts.Early(now, contact.MovedAt, contacts.RemindAfter) {
		contact.MovedAt, debt.Status = now, false
		if err := contacts.Save(tx, contact); err != nil {
			return contacts.Owed{}, err
		}
		announces, err := a.announcesTo(tx, contact)
		if err != nil || !announces {
			return debt, err
		}
		if at, err := a.listening(tx); err != nil || at == nil {
			return debt, err
		}
		if _, err := a.announce(tx, contact.ID, outbox.Unowned); err != nil {
			return contacts.Owed{}, err
		}
	}
	return debt, nil
}
