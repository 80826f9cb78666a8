package account

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// sentByKnown reports whether the sender of a message is authenticated and is the account itself or known. A failure
// and a control event of a message whose sender is only claimed are anybody's.
func (a *Account) sentByKnown(tx *keystore.Tx, event inbox.Event, claimed bool) (bool, error) {
	switch {
	case event.From.IsZero(), claimed && (event.Kind == inbox.EventFailure || event.Kind == inbox.EventControl):
		return false, nil
	case event.From == a.ID():
		return true, nil
	}
	contact, found, err := contacts.Load(tx, event.From)
	return found && contact.Known(), err
}

// takeFromStranger handles a message that a stranger could send, and reports whether it is kept. Only requests and
// texts are, and of one stranger no more than package strangers has room for. Everything else becomes a control event.
func (a *Account) takeFromStranger(tx *keystore.Tx, book *strangers.Book, event *inbox.Event, o opening,
	how way) (kept bool, err error) {
	contacts := strangerContacts{a, tx, book}
	keep := event.Kind == inbox.EventFriendRequest || event.Kind == inbox.EventMessage
	switch {
	case keep && (o.asks || event.Asks):
		if err := book.Ask(event.From, contacts); err != nil {
			return false, err
		}
	case keep:
		most := strangers.MaxKept
		if event.Kind == inbox.EventFriendRequest {
			most = strangers.MaxAsked
		}
		if keep, err = book.Room(event.From, most, contacts); err != nil {
			return false, err
		}
		if !keep {
			err = book.Dropped(0, 1)
		}
	case event.Kind == inbox.EventUnsend:
		err = takeBack(tx, book, *event, contacts)
	}
	if err != nil {
		return false, err
	}
	if !keep {
		if event.Kind != inbox.EventControl {
			event.Kind, event.Text = inbox.EventControl, string(event.Kind)
		}
		if err := forgetTrace(tx, o.trace); err != nil {
			return false, err
		}
		return false, inbox.Ignore(book, event.ID)
	}
	if err := a.keepEvent(tx, event, how == aside); err != nil {
		return false, err
	}
	size, err := inbox.Size(tx, event.Seq)
	if err != nil {
		return false, err
	}
	return true, book.Keep(event.From, strangers.Message{Seq: event.Seq, Trace: o.trace}, size, contacts)
}

// takeBack deletes the content of a kept message that its sender unsends.
func takeBack(tx *keystore.Tx, book *strangers.Book, event inbox.Event, contacts strangerContacts) error {
	if event.About.Author != event.From.String() {
		return nil
	}
	kept, err := book.KeptOf(event.From, contacts)
	if err != nil {
		return err
	}
	for _, one := range kept {
		if err := inbox.UnsendStored(tx, one.Seq, event.From, event.About.TimestampMS); err != nil {
			return err
		}
	}
	return nil
}

// forgetTrace makes a repetition of a message count as new.
func forgetTrace(tx *keystore.Tx, trace string) error {
	if trace == "" {
		return nil
	}
	if err := tx.Delete(tableRequests, trace); err != nil {
		return err
	}
	return tx.Delete(tableBoxes, trace)
}

// strangerContacts implements [strangers.Contacts].
type strangerContacts struct {
	*Account
	tx   *keystore.Tx
	book *strangers.Book
}

// waits reports whether the user has not dealt with a contact whose request waits.
func (a *Account) waits(tx *keystore.Tx, c contacts.Contact) (bool, error) {
	if c.State(a.env.Now()) != StateReceived || c.Known() || c.Verified {
		return false, nil
	}
	entry, err := addressbook.Get(tx, c.ID)
	return entry.Name == "", err
}

// Waits implements [strangers.Contacts].
func (s strangerContacts) Waits(id sessionid.ID) (bool, error) {
	contact, found, err := contacts.Load(s.tx, id)
	if err != nil || !found {
		return false, err
	}
	return s.waits(s.tx, contact)
}

// AllWaiting implements [strangers.Contacts].
func (s strangerContacts) AllWaiting() (ids []sessionid.ID, err error) {
	type waiting struct {
		id sessionid.ID
		at time.Time
	}
	var all []waiting
	err = contacts.Each(s.tx, func(c contacts.Contact) error {
		waits, err := s.waits(s.tx, c)
		if waits {
			all = append(all, waiting{c.ID, c.Incoming.At})
		}
		return err
	})
	slices.SortFunc(all, func(x, y waiting) int {
		return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.id.String(), y.id.String()))
	})
	for _, one := range all {
		ids = append(ids, one.id)
	}
	return ids, err
}

// Forget implements [strangers.Contacts].
func (s strangerContacts) Forget(stranger strangers.Stranger) error {
	for _, kept := range stranger.Kept {
		removed, found, err := inbox.Remove(s.tx, kept.Seq)
		if err == nil && found {
			err = inbox.Ignore(s.book, removed.ID)
		}
		if err == nil {
			err = forgetTrace(s.tx, kept.Trace)
		}
		if err != nil {
			return err
		}
	}
	return deleteContact(s.tx, stranger.ID)
}

// book returns what is kept of strangers.
func (a *Account) book(tx *keystore.Tx) *strangers.Book {
	return strangers.Open(tx, a.env.Now(), a.life, inbox.ReaderVersion)
}

// ClaimReport returns the event that reports what was not kept of strangers, and whether there is one, and claims it
// for this process. [Account.ReportDelivered] takes it out of the next report.
func (a *Account) ClaimReport(ctx context.Context) (event inbox.Event, found bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		found, err = a.book(tx).Waiting()
		return err
	})
	if err != nil || !found {
		return inbox.Event{}, false, err
	}
	mine, err := a.claim()
	if err != nil {
		return inbox.Event{}, false, err
	}
	err = a.update(ctx, func(tx *keystore.Tx) error {
		book := a.book(tx)
		report, err := book.Claim(mine, a.deliverable)
		if err != nil {
			return err
		}
		event = inbox.Event{
			Kind: inbox.EventStrangers, Route: message.RouteAsync, ReceivedAt: a.env.Now().UTC(), Report: &report,
		}
		found = !report.Empty()
		return book.Save()
	})
	return event, found, err
}

// ReportDelivered records that an event of [Account.ClaimReport] was written to its reader.
func (a *Account) ReportDelivered(ctx context.Context, event inbox.Event) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		book := a.book(tx)
		if err := book.Delivered(*event.Report); err != nil {
			return err
		}
		return book.Save()
	})
}
