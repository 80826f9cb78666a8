package account

import (
	"crypto/aes"

	"sessiontool/keystore"
	"sessiontool/lib/message"
	"sessiontool/lib/x3dh"
)

// handleRequest acts on a friend request whose bundle is its sender's (signal-2020.md section 5.3):
//
//   - from a stranger it waits to be accepted or declined;
//   - if we have asked too, both are friends at once;
//   - from a friend it means that the friend has lost everything: the session is built anew.
//
// One that is older than the last comes late, and one with the same ciphertext again: whoever stores it may have dated it
// anew, since nothing vouches for an envelope's timestamp. Neither changes anything.
func (a *Account) handleRequest(tx *keystore.Tx, event *Event, ciphertext []byte, content message.Content) error {
	contact, err := a.contactFor(tx, event.From)
	if err != nil {
		return err
	}
	// The initialisation vector does not count: of all blocks it alone can be changed without garbling another.
	name := dataID(string(ciphertext[aes.BlockSize:]))
	_, again, err := tx.Get(tableRequests, name)
	if err != nil {
		return err
	}
	if again || event.TimestampMS <= contact.LastRequestMS {
		event.Kind, event.Text = EventControl, "old friend request"
		return nil
	}
	if err := tx.Put(tableRequests, name, nil); err != nil {
		return err
	}
	contact.Protocol = Protocol2020
	contact.LastRequestMS = min(event.TimestampMS, a.env.Now().UnixMilli())
	event.Kind = EventFriendRequest
	if data, ok := content.Body.(message.Data); ok {
		event.Text = data.Text
	}
	takeDisplayName(&contact, event, content)
	switch contact.state(a.env.Now()) {
	case StateNone, StateReceived:
		contact.Incoming = &request{
			ID: event.ID, Text: event.Text, DisplayName: event.DisplayName,
			TimestampMS: event.TimestampMS, At: event.ReceivedAt, Bundle: message.Content{Bundle: content.Bundle}.Marshal(),
		}
		event.State = StateReceived
		return saveContact(tx, contact)
	default:
		event.State = StateFriends
		return a.renew(tx, contact, *content.Bundle)
	}
}

// handleContent acts on a message of a session. Any such message from somebody whom we have asked is the acceptance. A
// bundle asks for a new session.
func (a *Account) handleContent(tx *keystore.Tx, event *Event, content message.Content) error {
	contact, err := a.contactFor(tx, event.From)
	if err != nil {
		return err
	}
	takeDisplayName(&contact, event, content)
	accepted := contact.FriendsSince.IsZero()
	contact.befriended(event.ReceivedAt)
	contact.Protocol = Protocol2020
	contact.Stale = event.TimestampMS < contact.LastRequestMS
	moved := contact.takeStatus(content.Extension, a.env.Now())
	describeContent(event, content)
	if accepted && event.Kind == EventControl {
		describeAcceptance(event, contact)
	}
	if content.Bundle != nil {
		return a.renew(tx, contact, *content.Bundle)
	}
	if err := saveContact(tx, contact); err != nil {
		return err
	}
	if accepted {
		_, err = a.control(tx, contact.ID, nobody)
		return err
	}
	return a.shakeHands(tx, contact, event, moved)
}

// renew starts a new session from a bundle that a friend sent, and tells so in it. A bundle serves once, since the first
// session that is answered uses up its one-time prekey. When it comes again the friend has not heard of that session
// yet, and is told in the current one, unless that may be lost.
func (a *Account) renew(tx *keystore.Tx, contact contactState, bundle x3dh.Bundle) error {
	if !contact.used(bundle) || contact.Stale {
		_, err := a.befriend(tx, contact, bundle, nobody)
		return err
	}
	if err := saveContact(tx, contact); err != nil {
		return err
	}
	_, err := a.control(tx, contact.ID, nobody)
	return err
}

// describeContent says what arrived, for people.
func describeContent(event *Event, content message.Content) {
	event.Kind = EventControl
	switch body := content.Body.(type) {
	case nil:
		event.Text = "bundle"
	case message.Data:
		switch {
		case body.Flags != 0:
			event.Text = body.Flags.String()
		case body.Reaction:
			event.Text = "reaction"
		default:
			event.Kind, event.Text, event.Attachments = EventMessage, body.Text, body.Attachments
			event.Group, event.Invitation = body.Group, body.Invitation
			timer := content.Timer()
			event.TimerSeconds, event.TimerFromSending = timer.Seconds, timer.FromSending
		}
	case message.Receipts:
		event.Kind, event.Text, event.Timestamps = EventDelivery, body.Kind.String(), body.TimestampsMS
	default:
		event.Text = body.Name()
	}
}

// describeAcceptance turns the first message of a session that we asked for into the news that it is: the request
// that we sent was accepted.
func describeAcceptance(event *Event, contact contactState) {
	event.Kind, event.State = EventFriendRequest, StateFriends
	if contact.Outgoing != nil {
		event.Text, event.Outgoing = contact.Outgoing.Text, true
	}
}

// takeDisplayName remembers the name that a contact shows.
func takeDisplayName(contact *contactState, event *Event, content message.Content) {
	var shown string
	switch body := content.Body.(type) {
	case message.Data:
		shown = body.DisplayName
	case message.Response:
		shown = body.DisplayName
	}
	if shown != "" {
		contact.DisplayName = shown
	}
	event.DisplayName = contact.DisplayName
}
