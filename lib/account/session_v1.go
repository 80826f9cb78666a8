package account

import (
	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/storage"
)

// This file is protocol session-v1 (session-v1.md section 6). It has no friend requests of its own: the first message
// of a stranger is one, which session-v1 clients call a message request. A message with the approval flag accepts it,
// and so does any answer. So the friend states mean the same as in protocol signal, except that writing does not
// require them.

// sealBox encrypts content with protocol session-v1 and fills in out. The content carries the envelope's timestamp,
// because some clients refuse messages without it.
func (a *Account) sealBox(out *Outgoing, content message.Content) error {
	if out.TimestampMS == 0 {
		out.TimestampMS = a.stamp()
	}
	content.SigTimestampMS = uint64(out.TimestampMS)
	out.Protocol = string(ProtocolSessionV1)
	data, err := layers.PackBox(a.env.Random, a.keys, out.To.PublicKey(), content.SigTimestampMS, content.Marshal())
	out.Data = data
	return err
}

// sealOpen seals a draft with session-v1 or session-v2, which need no session. It accepts the request of a contact that
// has asked. To a stranger it is a request, and the answer makes friends.
func (a *Account) sealOpen(tx *keystore.Tx, kind Kind, draft Draft) (Outgoing, error) {
	contact, err := contacts.For(tx, draft.To, a.env.Now())
	if err != nil {
		return Outgoing{}, err
	}
	if draft.OnlySync {
		return Outgoing{}, ErrOnlyAsync
	}
	out := Outgoing{Kind: kind, To: draft.To, Ref: draft.Ref, TimestampMS: draft.TimestampMS,
		TTLMillis: draft.TTLMillis}
	if out.TimestampMS == 0 {
		out.TimestampMS = contact.Stamp(a.stamp())
	}
	if err := a.sealFor(tx, &out, message.Text(draft.Text, a.id.DisplayName, nil), draft); err != nil {
		return Outgoing{}, err
	}
	if message.Length(draft.Text) > message.PhoneChars {
		out.Warnings = append(out.Warnings, outbox.WarnLong)
	}
	if kind == KindFriendRequest && contact.State(a.env.Now()) != StateReceived {
		contact.Outgoing = nil
	}
	contact.Wrote(Protocol(out.Protocol), contacts.Request{
		ID: inbox.ID(out.Data), Text: draft.Text, DisplayName: a.id.DisplayName, TimestampMS: out.TimestampMS,
		At: a.env.Now().UTC(),
	})
	return out, contacts.Save(tx, contact)
}

// approve makes the sender of a message request a friend, and puts the approval into the outbox.
func (a *Account) approve(tx *keystore.Tx, contact contacts.Contact) (Outgoing, error) {
	contact.Befriended(a.env.Now().UTC())
	if err := contacts.Save(tx, contact); err != nil {
		return Outgoing{}, err
	}
	out := Outgoing{Kind: KindControl, To: contact.ID, TTLMillis: controlTTL, Digest: acceptance(contact.ID)}
	approval := message.Content{Body: message.Response{Approved: true, DisplayName: a.id.DisplayName}}
	if err := a.sealFor(tx, &out, approval, Draft{To: contact.ID, Network: storage.Generation28}); err != nil {
		return Outgoing{}, err
	}
	err := a.outbox.Add(tx, &out, a.env.Owner)
	return out, err
}

// openBox handles a message of protocol session-v1.
//
// A box is handled once, for ever, because nothing else distinguishes a copy in a new envelope, with any timestamp,
// from a new message. The exception is a box whose content this version does not know: a newer version reads it again.
//
// The event has the timestamp that the sender signed, if there is one: a node can change that of the envelope.
func (a *Account) openBox(tx *keystore.Tx, event *inbox.Event, box, padded []byte) (o opening, err error) {
	content, err := message.ParseV1(padded)
	if err != nil {
		return o, inbox.Fail(inbox.CodeBadEnvelope, err)
	}
	event.Protocol = string(ProtocolSessionV1)
	return a.handleBox(tx, event, layers.BoxName(box), content)
}

// handleBox handles the content of a message of session-v1 or session-v2. Name is the same for all copies of it.
func (a *Account) handleBox(tx *keystore.Tx, event *inbox.Event, name string,
	content message.Content) (o opening, err error) {
	_, again, err := tx.Get(tableBoxes, name)
	if err != nil {
		return o, err
	}
	if again {
		event.Kind, event.Text = inbox.EventControl, "duplicate"
		return o, nil
	}
	if content.SigTimestampMS != 0 {
		event.TimestampMS = int64(content.SigTimestampMS)
	}
	if _, unknown := content.Body.(message.Unknown); unknown {
		event.Kind = inbox.EventUnknown
		if event.From == a.ID() {
			event.To = a.ID()
		}
		return o, nil
	}
	if err := tx.Put(tableBoxes, name, nil); err != nil {
		return o, err
	}
	o.trace = name
	if event.From == a.ID() {
		return o, a.handleOwn(tx, event, content)
	}
	return o, a.handleOpen(tx, event, content)
}

// handleOwn handles a message from another device of this account: a copy of a sent message, or a note to self.
func (a *Account) handleOwn(tx *keystore.Tx, event *inbox.Event, content message.Content) error {
	event.DisplayName, event.To = a.id.DisplayName, a.ID()
	event.Describe(content)
	if asked, ok := content.Body.(message.Unsend); ok {
		return a.unsend(tx, &contacts.Contact{ID: a.ID()}, asked)
	}
	if err := inbox.ForgetUnsent(tx, event); err != nil || event.Kind != inbox.EventMessage || event.To == a.ID() {
		return err
	}
	contact, err := contacts.For(tx, event.To, a.env.Now())
	if err != nil || contact.KnownProtocol() == ProtocolSignal {
		return err
	}
	contact.Wrote(Protocol(event.Protocol), contacts.Request{
		ID: event.ID, Text: event.Text, DisplayName: event.DisplayName, TimestampMS: event.TimestampMS,
		At: event.ReceivedAt,
	})
	return contacts.Save(tx, contact)
}

// handleOpen handles the content of a message of session-v1 or session-v2:
//
//   - the first text of a stranger is also a request, which waits to be accepted or declined;
//   - a text from a contact that we have written to, or its approval, makes friends;
//   - a stranger without a text is not stored, and nothing but texts of a stranger is shown: see takeFromStranger.
func (a *Account) handleOpen(tx *keystore.Tx, event *inbox.Event, content message.Content) error {
	contact, err := contacts.For(tx, event.From, a.env.Now())
	if err != nil {
		return err
	}
	event.DisplayName = contact.TakeDisplayName(content)
	event.Describe(content)
	if err := inbox.ForgetUnsent(tx, event); err != nil {
		return err
	}
	if asked, ok := content.Body.(message.Unsend); ok {
		if err := a.unsend(tx, &contact, asked); err != nil {
			return err
		}
	}
	response, _ := content.Body.(message.Response)
	switch state := contact.State(a.env.Now()); {
	case state == StateNone && event.Kind == inbox.EventMessage:
		event.Asks = true
		contact.Incoming = &contacts.Request{
			ID: event.ID, Text: event.Text, DisplayName: event.DisplayName, TimestampMS: event.TimestampMS,
			At: event.ReceivedAt,
		}
	case state == StateNone:
		return nil
	case state == StateSent || state == StateExpired:
		if event.Kind != inbox.EventMessage && !response.Approved {
			break
		}
		contact.Befriended(event.ReceivedAt)
		if response.Approved {
			describeAcceptance(event, contact)
		}
	}
	contact.Protocol = Protocol(event.Protocol)
	return contacts.Save(tx, contact)
}

// unsend deletes the content of a message at its sender's request: from the inbox, and from a waiting request. Only the
// author can unsend a message. What is kept of a stranger is left to takeBack.
func (a *Account) unsend(tx *keystore.Tx, contact *contacts.Contact, asked message.Unsend) error {
	if asked.Author != contact.ID.String() {
		return nil
	}
	if contact.Incoming != nil && uint64(contact.Incoming.TimestampMS) == asked.TimestampMS {
		contact.Incoming.Text = ""
	}
	if contact.ID != a.ID() && !contact.Known() {
		return nil
	}
	return inbox.Unsend(tx, contact.ID, asked.TimestampMS, a.life)
}
