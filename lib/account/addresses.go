package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/sessionid"
)

// errIgnored reports a message of a blocked or declined sender, which leaves no trace.
var errIgnored = errors.New("its sender is blocked, or its request was declined")

// Named returns the contact that has a name of the user's. If there is none, the error is an [addressbook.UnknownError].
func (a *Account) Named(ctx context.Context, name string) (id sessionid.ID, err error) {
	found := false
	err = a.view(ctx, func(tx *keystore.Tx) error {
		id, found, err = addressbook.Find(tx, name)
		return err
	})
	if err != nil || found {
		return id, err
	}
	return id, a.unknownName(ctx, name)
}

// unknownName returns the error for a name that no contact has.
func (a *Account) unknownName(ctx context.Context, name string) error {
	known, err := a.Contacts(ctx)
	if err != nil {
		return err
	}
	out := addressbook.NewUnknownError(name)
	for _, c := range known {
		out.Compare(c.ID, c.Name, c.DisplayName)
	}
	return out
}

// NameContact gives a contact a name of the user's, or takes it away if name is empty. An ID that is not a contact becomes
// one, unless known is set: then the error is [ErrUnknownContact]. Other errors are [ErrSelf] and those of
// [addressbook.Rename].
func (a *Account) NameContact(ctx context.Context, id sessionid.ID, name string, known bool) error {
	return a.changeAddress(ctx, id, known, func(tx *keystore.Tx, _ contacts.Contact) error {
		err := addressbook.Change(tx, id, forgive)
		return cmp.Or(err, addressbook.Rename(tx, id, name))
	})
}

func forgive(e *addressbook.Entry) { e.Declined = addressbook.Entry{}.Declined }

// Block makes the account ignore an ID from now on: what it sends is neither kept nor answered, its request is
// forgotten, and what waits for delivery from it is not delivered. What was delivered stays in the inbox. An ID that is
// not a contact becomes one. The error may be [ErrSelf].
func (a *Account) Block(ctx context.Context, id sessionid.ID) error {
	return a.changeAddress(ctx, id, false, func(tx *keystore.Tx, contact contacts.Contact) error {
		if contact.Incoming != nil && contact.FriendsSince.IsZero() {
			contact.Incoming = nil
			if err := contacts.Save(tx, contact); err != nil {
				return err
			}
		}
		err := addressbook.Change(tx, id, func(e *addressbook.Entry) {
			if !e.IsBlocked() {
				e.Blocked = a.env.Now().UTC()
			}
		})
		return cmp.Or(err, tx.Delete(contacts.TableOwed, id.String()), inbox.DropFrom(tx, id))
	})
}

// Unblock ends [Account.Block] for a contact, and makes the account forget that it declined a request of it. It returns
// [ErrUnknownContact] for an ID that is not a contact.
func (a *Account) Unblock(ctx context.Context, id sessionid.ID) error {
	return a.changeAddress(ctx, id, true, func(tx *keystore.Tx, _ contacts.Contact) error {
		return addressbook.Change(tx, id, func(e *addressbook.Entry) {
			forgive(e)
			e.Blocked = e.Declined
		})
	})
}

// changeAddress runs work for an ID, which becomes a contact if it is none and known is not set.
func (a *Account) changeAddress(ctx context.Context, id sessionid.ID, known bool,
	work func(tx *keystore.Tx, contact contacts.Contact) error) error {
	if id == a.ID() {
		return ErrSelf
	}
	return a.update(ctx, func(tx *keystore.Tx) error {
		contact, found, err := contacts.Load(tx, id)
		switch {
		case err != nil:
			return err
		case !found && known:
			return ErrUnknownContact
		case !found:
			contact = contacts.Contact{ID: id, Since: a.env.Now().UTC()}
			if err := contacts.Save(tx, contact); err != nil {
				return err
			}
		}
		return work(tx, contact)
	})
}

// ignores reports whether messages of an ID leave no trace: it is blocked, or its request was declined and the user has
// not dealt with it since.
func (a *Account) ignores(tx *keystore.Tx, id sessionid.ID) (bool, error) {
	entry, err := addressbook.Get(tx, id)
	if err != nil || entry.IsBlocked() || !entry.IsDeclined() {
		return entry.IsBlocked(), err
	}
	contact, _, err := contacts.Load(tx, id)
	return !contact.Known(), err
}

// refuseBlocked returns an error for a message to a blocked contact.
func refuseBlocked(tx *keystore.Tx, to sessionid.ID) error {
	entry, err := addressbook.Get(tx, to)
	if err == nil && entry.IsBlocked() {
		err = fmt.Errorf("%w: %s", addressbook.ErrBlocked, to)
	}
	return err
}

// nameSenders fills in the user's names of the senders of events.
func nameSenders(tx *keystore.Tx, events []inbox.Event) error {
	return inbox.NameSenders(events, func(from sessionid.ID) (string, error) {
		entry, err := addressbook.Get(tx, from)
		return entry.Name, err
	})
}
