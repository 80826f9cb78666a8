package account

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/groupcommit"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x3dh"
)

// RequestFriend is [Account.BeginRequest] and Wait.
func (a *Account) RequestFriend(ctx context.Context, draft Draft, again bool) (out Outgoing, err error) {
	return a.BeginRequest(draft, again).Wait(ctx)
}

// BeginRequest seals a friend request and puts it into the outbox, as [Account.BeginSend] does with a text. The text may be empty, except with session-v1,
// whose request is its text ([ErrNoText]). Without again, it returns [ErrRequestPending] while an earlier request waits
// for an answer, [ErrAlreadyFriends] for a friend, and [ErrAskedAlready] if a request of the contact waits to be
// accepted.
//
// With again, the request is sent in all three cases. That reaches a friend that has lost its state, and makes friends
// after both sides have asked. A waiting request that is older than this keystore does not count either (see
// answersAnew).
func (a *Account) BeginRequest(draft Draft, again bool) *Sealing {
	if draft.To == a.ID() {
		return groupcommit.Failed[Outgoing](ErrSelf)
	}
	var err error
	if draft.Text != "" {
		err = draft.Complete()
	} else {
		err = draft.CompleteTTL()
	}
	if err != nil {
		return groupcommit.Failed[Outgoing](err)
	}
	return groupcommit.Make(a.group, func(tx *keystore.Tx) (Outgoing, error) { return a.requestIn(tx, draft, again) })
}

// requestIn is the transaction of BeginRequest.
func (a *Account) requestIn(tx *keystore.Tx, draft Draft, again bool) (out Outgoing, err error) {
	digest := draft.Digest(KindFriendRequest)
	out, found, err := a.outbox.Resume(tx, digest)
	if err != nil || found {
		return out, err
	}
	contact, err := contacts.For(tx, draft.To, a.env.Now())
	if err != nil {
		return out, err
	}
	switch state := contact.State(a.env.Now()); {
	case state == StateReceived && !again && !a.outdated(*contact.Incoming):
		return out, ErrAskedAlready
	case state == StateFriends && !again:
		return out, ErrAlreadyFriends
	case state == StateSent && !again:
		return out, fmt.Errorf("%w: it was sent at %s", ErrRequestPending, contact.Outgoing.At.Format(time.RFC3339))
	}
	if out, err = a.askFriend(tx, draft, contact); err != nil {
		return out, err
	}
	out.Digest, out.Fresh = digest, draft.TimestampMS == 0
	if err := a.outbox.Add(tx, &out, a.env.Owner); err != nil {
		return out, err
	}
	return out, a.leaveCopy(tx, draft, out)
}

// askFriend seals a friend request in the contact's protocol.
func (a *Account) askFriend(tx *keystore.Tx, draft Draft, contact contacts.Contact) (Outgoing, error) {
	if err := refuseBlocked(tx, draft.To); err != nil {
		return Outgoing{}, err
	}
	switch {
	case draft.ProtocolFor(contact) == ProtocolSignal:
		return a.sealRequest(tx, draft, &contact)
	case draft.Text == "":
		return Outgoing{}, ErrNoText
	}
	return a.sealOpen(tx, KindFriendRequest, draft)
}

// sealRequest encrypts a friend request with the static secret of the two identities and stores the request.
func (a *Account) sealRequest(tx *keystore.Tx, draft Draft, contact *contacts.Contact) (Outgoing, error) {
	bundle, err := a.maker().Bundle(tx, draft.To)
	if err != nil {
		return Outgoing{}, err
	}
	padded := message.Pad(message.FriendRequest(draft.Text, a.id.DisplayName, nil, bundle).Marshal())
	encrypted, err := friendrequest.Encrypt(a.env.Random, a.keys.X25519, draft.To.PublicKey(), padded)
	if err != nil {
		return Outgoing{}, err
	}
	out := Outgoing{
		Kind: KindFriendRequest, To: draft.To, Ref: draft.Ref, TimestampMS: draft.TimestampMS,
		TTLMillis: draft.TTLMillis,
	}
	if err := a.wrap(&out, ciphertext.FriendRequest, encrypted); err != nil {
		return Outgoing{}, err
	}
	contact.Outgoing = &contacts.Request{
		ID: inbox.ID(out.Data), Text: draft.Text, DisplayName: a.id.DisplayName,
		TimestampMS: out.TimestampMS, At: a.env.Now().UTC(),
	}
	return out, contacts.Save(tx, *contact)
}

// answersAnew reports whether a request with this timestamp must be answered with a request of our own. That is the
// case if it may be older than this keystore. An earlier installation with the same words may then have accepted it.
// The sender has deleted the bundle's one-time prekey after that, so a new session from the bundle would not open. A
// request of our own always works: a friend renews the session from its bundle, and a contact that waits for an answer
// becomes a friend at once (signal-2020.md section 5.3).
//
// Clocks differ: a request that is older by at most clockTolerance counts as new.
func (a *Account) answersAnew(timestampMS int64) bool {
	return timestampMS < a.id.CreatedAt.Add(-clockTolerance).UnixMilli()
}

// requestFreshFor is how long the bundle of a request surely begins a session. The 2020 client deletes a signed prekey
// after 7 days (signal-2020.md section 6.2).
const requestFreshFor = 7 * 24 * time.Hour

// outdated reports whether a request is answered with a request of our own, because a session from its bundle may not
// open: see answersAnew and requestFreshFor.
func (a *Account) outdated(r contacts.Request) bool {
	now := time.UnixMilli(a.stamp())
	age := max(now.Sub(time.UnixMilli(r.TimestampMS)), a.env.Now().Sub(r.At))
	return age > requestFreshFor || a.answersAnew(r.TimestampMS)
}

// clockTolerance is the assumed difference between the clocks of two accounts. Nodes allow as much in store requests.
const clockTolerance = 10 * time.Second

// Accept accepts a request, named by Session ID or request id. It starts a session from the request's bundle, if there
// is one, and puts the acceptance into the outbox. For a request older than a week, or than this keystore, it sends a
// request instead (see outdated), and the contact becomes a friend when it answers. Accept returns [ErrRequestNotFound] if no such
// request waits. If a killed run left its acceptance in the outbox, Accept takes that over.
func (a *Account) Accept(ctx context.Context, name string) (out Outgoing, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		contact, err := a.findRequest(tx, name)
		if err != nil {
			return err
		}
		if contact.State(a.env.Now()) == StateReceived {
			out, err = a.accept(tx, contact)
			return err
		}
		var found bool
		out, found, err = a.outbox.Resume(tx, acceptance(contact.ID))
		if err == nil && !found {
			err = fmt.Errorf("%w: %s is a friend already", ErrRequestNotFound, contact.ID)
		}
		return err
	})
	return out, err
}

// acceptance is the outbox digest of the message that accepts a contact's request.
func acceptance(contact sessionid.ID) string { return "acceptance " + contact.String() }

// Decline deletes a request, named as for [Account.Accept]. It sends nothing, so the sender does not learn of it. What
// the sender sends from then on is ignored, until the user writes to it, names it, or calls [Account.Unblock].
func (a *Account) Decline(ctx context.Context, name string) (declined FriendRequest, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		contact, err := a.findRequest(tx, name)
		if err != nil {
			return err
		}
		if contact.State(a.env.Now()) != StateReceived {
			return fmt.Errorf("%w: %s is a friend already", ErrRequestNotFound, contact.ID)
		}
		was := contact.Incoming
		contact.Incoming = nil
		declined = a.describeRequest(contact, was, true)
		err = addressbook.Change(tx, contact.ID, func(e *addressbook.Entry) { e.Declined = a.env.Now().UTC() })
		return cmp.Or(err, contacts.Save(tx, contact))
	})
	return declined, err
}

// findRequest finds the contact that sent a request, by Session ID or request id.
func (a *Account) findRequest(tx *keystore.Tx, name string) (found contacts.Contact, err error) {
	if id, err := sessionid.Parse(name); err == nil {
		contact, _, err := contacts.Load(tx, id)
		if err == nil && contact.Incoming == nil {
			err = fmt.Errorf("%w: %s", ErrRequestNotFound, id)
		}
		return contact, err
	}
	err = contacts.Each(tx, func(c contacts.Contact) error {
		if c.Incoming != nil && c.Incoming.ID == name {
			found = c
		}
		return nil
	})
	if err == nil && found.Incoming == nil {
		err = ErrRequestNotFound
	}
	return found, err
}

// accept accepts a waiting request. A request of session-v1 has no bundle.
func (a *Account) accept(tx *keystore.Tx, contact contacts.Contact) (Outgoing, error) {
	if len(contact.Incoming.Bundle) == 0 {
		return a.approve(tx, contact)
	}
	content, err := message.Parse(contact.Incoming.Bundle)
	if err != nil {
		return Outgoing{}, err
	}
	if content.Bundle == nil {
		return Outgoing{}, fmt.Errorf("%w: the stored request has no prekey bundle", keystore.ErrCorrupt)
	}
	if a.outdated(*contact.Incoming) {
		return a.askBack(tx, contact)
	}
	return a.befriend(tx, contact, *content.Bundle, a.env.Owner)
}

// askBack answers a contact's request with a request of ours, and puts it into the outbox.
func (a *Account) askBack(tx *keystore.Tx, contact contacts.Contact) (Outgoing, error) {
	draft := Draft{To: contact.ID}
	if err := draft.CompleteTTL(); err != nil {
		return Outgoing{}, err
	}
	out, err := a.sealRequest(tx, draft, &contact)
	if err != nil {
		return Outgoing{}, err
	}
	out.Digest, out.Warnings = acceptance(contact.ID), append(out.Warnings, outbox.WarnOldRequest)
	err = a.outbox.Add(tx, &out, a.env.Owner)
	return out, err
}

// befriend starts a session from a contact's bundle, makes the contact a friend, and puts an acceptance into the outbox
// for owner.
func (a *Account) befriend(tx *keystore.Tx, contact contacts.Contact, bundle x3dh.Bundle, owner string) (Outgoing, error) {
	if err := a.startSession(tx, contact.ID, bundle); err != nil {
		return Outgoing{}, err
	}
	contact.Befriended(a.env.Now().UTC())
	contact.Use(bundle)
	if err := contacts.Save(tx, contact); err != nil {
		return Outgoing{}, err
	}
	return a.control(tx, contact.ID, owner)
}

// startSession runs X3DH as the initiator. It archives an earlier session, which still opens messages in flight.
func (a *Account) startSession(tx *keystore.Tx, contact sessionid.ID, bundle x3dh.Bundle) error {
	record, err := sessions.Load(tx, contact)
	if err != nil {
		return err
	}
	session, err := ratchet.NewInitiator(a.env.Random, a.local(), bundle)
	if err != nil {
		return err
	}
	record.Add(session)
	return sessions.Save(tx, contact, record)
}
