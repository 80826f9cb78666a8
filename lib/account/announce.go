package account

import (
	"context"
	"errors"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
)

// Friends lists the friends with whom the account has sessions: the possible recipients of [Account.Announce].
func (a *Account) Friends(ctx context.Context) (friends []sessionid.ID, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		friends = nil
		return contacts.Each(tx, func(c contacts.Contact) error {
			announces, err := a.announcesTo(tx, c)
			if announces {
				friends = append(friends, c.ID)
			}
			return err
		})
	})
	return friends, err
}

// announcesTo reports whether a contact is a friend with a session, which can carry a status. Session-v1 cannot. A
// blocked friend learns no status.
func (a *Account) announcesTo(tx *keystore.Tx, c contacts.Contact) (bool, error) {
	if c.State(a.env.Now()) != StateFriends || c.KnownProtocol() != ProtocolSignal {
		return false, nil
	}
	entry, err := addressbook.Get(tx, c.ID)
	return !entry.IsBlocked(), err
}

// Announce seals messages that say only whether and where the account can be reached. It puts them into the outbox,
// each in place of an earlier unsent one for the same contact. It skips contacts that are not friends. All is one
// transaction, so to should be short.
func (a *Account) Announce(ctx context.Context, to ...sessionid.ID) (announced []Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		announced = nil
		for _, id := range to {
			contact, _, err := contacts.Load(tx, id)
			if err != nil {
				return err
			}
			if announces, err := a.announcesTo(tx, contact); err != nil {
				return err
			} else if !announces {
				continue
			}
			out, err := a.announce(tx, id, a.env.Owner)
			if errors.Is(err, ratchet.ErrNoSession) { // in keystores of older versions, see wrote
				continue
			}
			if err != nil {
				return err
			}
			announced = append(announced, out)
		}
		return nil
	})
	return announced, err
}

// shakeHands sends a contact the status of this account if the account listens and the contact does not seem to know.
// That is the case if the contact has moved, or if it stores texts instead of delivering them. A status is answered
// with a status only if it is new, and later if the contact moves too often.
func (a *Account) shakeHands(tx *keystore.Tx, contact contacts.Contact, event *inbox.Event, moved bool) error {
	now := a.env.Now().UTC()
	moved = moved && contact.Status.Fresh(now)
	stored := contact.Status != nil && event.Kind == inbox.EventMessage && event.Route == message.RouteAsync &&
		!contacts.Early(now, contact.RemindedAt, contacts.RemindAfter)
	if !moved && !stored {
		return nil
	}
	at, err := a.listening(tx)
	if err != nil || at == nil || !moved && event.TimestampMS < at.Since.UnixMilli() {
		return err
	}
	if moved {
		if contacts.Early(now, contact.MovedAt, contacts.RemindAfter) {
			return contacts.Owe(tx, contact.ID, func(o *contacts.Owed) { o.Status = true })
		}
		contact.MovedAt = now
	}
	contact.RemindedAt = now
	if err := contacts.Save(tx, contact); err != nil {
		return err
	}
	_, err = a.announce(tx, contact.ID, outbox.Unowned)
	return err
}

// announce puts one status message for owner into the outbox.
func (a *Account) announce(tx *keystore.Tx, to sessionid.ID, owner string) (Outgoing, error) {
	out := Outgoing{Kind: KindStatus, To: to, TTLMillis: StatusFreshFor.Milliseconds(), Digest: "status " + to.String()}
	if err := a.outbox.Replace(tx, out.Digest); err != nil {
		return Outgoing{}, err
	}
	status, err := a.online(tx)
	if err != nil {
		return Outgoing{}, err
	}
	if err := a.sealRatcheted(tx, &out, message.Content{Body: status}); err != nil {
		return Outgoing{}, err
	}
	err = a.outbox.Add(tx, &out, owner)
	return out, err
}
