package account

import (
	"sessiontool/keystore"
	"sessiontool/lib/message"
	"sessiontool/lib/x3dh"
)

// handleRequest acts on a friend request whose bundle is its sender's (client notes, section 5):
//
//   - from a stranger it waits to be accepted or declined;
//   - if we have asked too, both are friends at once;
//   - from a friend it means that the friend has lost everything: the session is built anew.
//
// A request that is not newer than the last one comes late or again, and changes nothing.
func (a *Account) handleRequest(tx *keystore.Tx, event *Event, content message.Content) error {
	contact, err := a.contactFor(tx, event.From)
	if err != nil {
		return err
	}
	if event.TimestampMS <= contact.LastRequestMS {
		event.Kind, event.Text = EventControl, "old friend request"
		return nil
	}
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
		return a.rebuild(tx, contact, *content.Bundle)
	}
}

// handleContent acts on a message of a session. Any such message from somebody whom we have asked is the acceptance.
func (a *Account) handleContent(tx *keystore.Tx, event *Event, content message.Content) error {
	contact, err := a.contactFor(tx, event.From)
	if err != nil {
		return err
	}
	takeDisplayName(&contact, event, content)
	accepted := contact.FriendsSince.IsZero()
	contact.befriended(event.ReceivedAt)
	describeContent(event, content)
	if accepted && event.Kind == EventControl {
		describeAcceptance(event, contact)
	}
	if content.Bundle != nil {
		return a.rebuild(tx, contact, *content.Bundle)
	}
	if err := saveContact(tx, contact); err != nil || !accepted {
		return err
	}
	_, err = a.control(tx, contact.ID, nobody)
	return err
}

// describeContent says what arrived, for people.
func describeContent(event *Event, content message.Content) {
	event.Kind = EventControl
	switch body := content.Body.(type) {
	case nil:
		event.Text = "bundle"
	case message.Data:
		if body.Flags == 0 {
			event.Kind, event.Text, event.Attachments = EventMessage, body.Text, body.Attachments
		} else {
			event.Text = body.Flags.String()
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

// rebuild starts a new session from a bundle that a contact sent, and tells it so. A bundle serves once: its one-time
// prekey is gone when the first session was answered. When it comes again, in a request that was repeated or that a
// node replays under another timestamp, the contact is only told of the session that there is.
func (a *Account) rebuild(tx *keystore.Tx, contact contactState, bundle x3dh.Bundle) error {
	if !contact.used(bundle) {
		_, err := a.befriend(tx, contact, bundle, nobody)
		return err
	}
	if err := saveContact(tx, contact); err != nil {
		return err
	}
	_, err := a.control(tx, contact.ID, nobody)
	return err
}

// takeDisplayName remembers the name that a contact shows.
func takeDisplayName(contact *contactState, event *Event, content message.Content) {
	if data, ok := content.Body.(message.Data); ok && data.DisplayName != "" {
		contact.DisplayName = data.DisplayName
	}
	event.DisplayName = contact.DisplayName
}
