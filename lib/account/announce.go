package account

import (
	"context"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// Friends lists the friends with whom the account has sessions: those to whom it can tell where it listens.
func (a *Account) Friends(ctx context.Context) (friends []sessionid.ID, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		friends = nil
		return a.eachContact(tx, func(c contactState) error {
			if a.announcesTo(c) {
				friends = append(friends, c.ID)
			}
			return nil
		})
	})
	return friends, err
}

// announcesTo reports whether a contact is a friend who can be told a status, which session-v1 does not have.
func (a *Account) announcesTo(c contactState) bool {
	return c.state(a.env.Now()) == StateFriends && c.knownProtocol() == ProtocolSignal
}

// Announce seals messages that say nothing but whether and where the account can be reached, and puts them into the
// outbox, each in place of an earlier one for that contact that nobody has sent yet. Contacts that are no friends any
// more are passed over. All is one transaction, so to should not be long.
func (a *Account) Announce(ctx context.Context, to ...sessionid.ID) (announced []Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		announced = nil
		for _, id := range to {
			contact, _, err := loadContact(tx, id)
			if err != nil {
				return err
			}
			if !a.announcesTo(contact) {
				continue
			}
			out, err := a.announce(tx, id, a.env.Owner)
			if err != nil {
				return err
			}
			announced = append(announced, out)
		}
		return nil
	})
	return announced, err
}

// remindAfter is how often a contact who stores its messages, though we listen, is told that we do.
const remindAfter = 30 * time.Second

// shakeHands tells a contact who understands it where this account listens, if it does, so that both know. That is
// called for when the contact has moved, and now and then when it stores texts instead of handing them over, be it
// online or not: then it does not know, or no longer believes, that somebody listens. A status is no reason to answer
// with a status, unless it brings news.
func (a *Account) shakeHands(tx *keystore.Tx, contact contactState, event *Event, moved bool) error {
	now := a.env.Now().UTC()
	moved = moved && contact.Status.Fresh(now)
	stored := contact.Status != nil && event.Kind == EventMessage && event.Route == RouteAsync &&
		now.Sub(contact.RemindedAt) >= remindAfter
	if !moved && !stored {
		return nil
	}
	at, err := a.listening(tx)
	if err != nil || at == nil || !moved && event.TimestampMS < at.Since.UnixMilli() {
		return err
	}
	contact.RemindedAt = now
	if err := saveContact(tx, contact); err != nil {
		return err
	}
	_, err = a.announce(tx, contact.ID, unowned)
	return err
}

// announce puts one status message for owner into the outbox.
func (a *Account) announce(tx *keystore.Tx, to sessionid.ID, owner string) (Outgoing, error) {
	out := Outgoing{Kind: KindStatus, To: to, TTLMillis: StatusFreshFor.Milliseconds(), Digest: "status " + to.String()}
	earlier, err := withDigest(tx, out.Digest)
	if err != nil {
		return Outgoing{}, err
	}
	for _, seq := range earlier {
		old, found, err := loadOutgoing(tx, seq)
		if err == nil && found && (old.Owner == a.env.Owner || a.env.StateOf(old.Owner) != presence.Alive) {
			err = remove(tx, old)
		}
		if err != nil {
			return Outgoing{}, err
		}
	}
	status, err := a.online(tx)
	if err != nil {
		return Outgoing{}, err
	}
	if err := a.sealRatcheted(tx, &out, message.Content{Body: status}); err != nil {
		return Outgoing{}, err
	}
	err = a.enqueue(tx, &out, owner)
	return out, err
}
