package account

import (
	"crypto/aes"
	"errors"
	"slices"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/x3dh"
)

// handleRequest handles a friend request with a valid bundle (signal-2020.md section 5.3):
//
//   - from a stranger, it waits to be accepted or declined;
//   - if we have sent a request, too, both become friends at once;
//   - from a friend, it means that the friend has lost its state, and a new session starts.
//
// A request with the flag for the end of a session, as in "reset session" of Session Desktop, becomes a reset event
// without its text. A request older than this keystore starts no session: see answersAnew.
//
// A request that is older than the last one is late, and one with the same ciphertext is a copy. A node may have
// changed its timestamp, since nothing authenticates that of an envelope. Neither changes anything.
func (a *Account) handleRequest(tx *keystore.Tx, event *inbox.Event, ciphertext []byte,
	content message.Content) (o opening, err error) {
	contact, err := contacts.For(tx, event.From, a.env.Now())
	if err != nil {
		return o, err
	}
	// Leave out the initialisation vector: it is the only block that can be changed without garbling another.
	name := inbox.ID(string(ciphertext[aes.BlockSize:]))
	_, again, err := tx.Get(tableRequests, name)
	if err != nil {
		return o, err
	}
	if again || event.TimestampMS <= contact.LastRequestMS {
		event.Kind, event.Text = inbox.EventControl, "old friend request"
		return o, nil
	}
	if err := tx.Put(tableRequests, name, nil); err != nil {
		return o, err
	}
	o.trace = name
	contact.Protocol = ProtocolSignal
	contact.LastRequestMS = min(event.TimestampMS, a.env.Now().UnixMilli())
	event.Kind = inbox.EventFriendRequest
	data, _ := content.Body.(message.Data)
	reset := data.Flags&message.EndSession != 0
	if !reset {
		event.Text = data.Text
	}
	event.DisplayName = contact.TakeDisplayName(content)
	switch state := contact.State(a.env.Now()); {
	case state == StateFriends && reset:
		event.Kind = inbox.EventReset
		return o, a.renew(tx, contact, *content.Bundle)
	case (state == StateSent || state == StateExpired) && a.answersAnew(event.TimestampMS):
		event.State = state // our request is in flight, and its answer starts a session
		return o, contacts.Save(tx, contact)
	case state == StateNone || state == StateReceived:
		o.asks = state == StateNone
		contact.Incoming = &contacts.Request{
			ID: event.ID, Text: event.Text, DisplayName: event.DisplayName,
			TimestampMS: event.TimestampMS, At: event.ReceivedAt,
			Bundle: message.Content{Bundle: content.Bundle}.Marshal(),
		}
		event.State = StateReceived
		return o, contacts.Save(tx, contact)
	default:
		event.State = StateFriends
		return o, a.renew(tx, contact, *content.Bundle)
	}
}

// handleContent handles a message of a session. After a request of ours, any such message is the acceptance. A bundle
// in it asks for a new session.
func (a *Account) handleContent(tx *keystore.Tx, event *inbox.Event, content message.Content) error {
	contact, err := contacts.For(tx, event.From, a.env.Now())
	if err != nil {
		return err
	}
	event.DisplayName = contact.TakeDisplayName(content)
	accepted := contact.FriendsSince.IsZero()
	contact.Befriended(event.ReceivedAt)
	contact.Protocol = ProtocolSignal
	contact.Stale = event.TimestampMS < contact.LastRequestMS
	moved := contact.TakeStatus(content.Extension, a.env.Now())
	event.Describe(content)
	wordless := []inbox.EventKind{inbox.EventControl, inbox.EventReset, inbox.EventTyping}
	if accepted && slices.Contains(wordless, event.Kind) {
		describeAcceptance(event, contact)
	}
	if content.Bundle != nil {
		return a.renew(tx, contact, *content.Bundle)
	}
	if err := contacts.Save(tx, contact); err != nil {
		return err
	}
	if accepted {
		_, err = a.control(tx, contact.ID, outbox.Unowned)
		return err
	}
	return a.shakeHands(tx, contact, event, moved)
}

// renew starts a new session from a friend's bundle and sends a control message in it. A bundle serves once, because
// the first message uses up its one-time prekey. If the bundle comes again, the friend has not received that message
// yet; then the control message goes into the current session, unless the friend may have lost that. A bundle that
// comes too early is answered later, if no newer one comes: see renewEvery.
func (a *Account) renew(tx *keystore.Tx, contact contacts.Contact, bundle x3dh.Bundle) error {
	fresh := !contact.Used(bundle) || contact.Stale
	if !contact.MayRenew(fresh, a.env.Now().UTC()) {
		return errors.Join(contacts.Save(tx, contact), contacts.OweBundle(tx, contact.ID, bundle))
	}
	if fresh {
		_, err := a.befriend(tx, contact, bundle, outbox.Unowned)
		return err
	}
	if err := contacts.Save(tx, contact); err != nil {
		return err
	}
	_, err := a.control(tx, contact.ID, outbox.Unowned)
	return err
}

// describeAcceptance turns the first message of a session that we requested into an accepted request.
func describeAcceptance(event *inbox.Event, contact contacts.Contact) {
	event.Kind, event.State = inbox.EventFriendRequest, StateFriends
	if contact.Outgoing != nil {
		event.Text, event.Outgoing = contact.Outgoing.Text, true
	}
}
