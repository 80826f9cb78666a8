package account

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"sessiontool/keystore"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
	"sessiontool/lib/sealedbox"
)

// What follows is today's protocol (session-v1.md section 6). It has no friend requests of its own: the first message
// of somebody unknown is one, which today's clients call a message request, and which is accepted with a message that
// says so or, just as well, with an answer. So the friend states mean the same as in the protocol of 2020, but that
// nobody has to wait for them in order to write.

// sealBox encrypts content with today's protocol and fills in out. The content gets the envelope's timestamp, without
// which some clients take no message.
func (a *Account) sealBox(out *Outgoing, content message.Content) error {
	if out.TimestampMS == 0 {
		out.TimestampMS = a.stamp()
	}
	content.SigTimestampMS = uint64(out.TimestampMS)
	box, err := sealedbox.Seal(a.env.Random, a.keys, out.To.PublicKey(), message.Pad(content.Marshal()))
	if err != nil {
		return err
	}
	out.Data, err = envelope.PackBox(content.SigTimestampMS, box)
	return err
}

// sealToday seals a draft for anybody. To somebody who has asked it is the acceptance; to somebody unknown it is a
// request, whose answer makes friends.
func (a *Account) sealToday(tx *keystore.Tx, kind Kind, draft Draft) (Outgoing, error) {
	contact, err := a.contactFor(tx, draft.To)
	if err != nil {
		return Outgoing{}, err
	}
	if draft.OnlySync {
		return Outgoing{}, ErrOnlyAsync
	}
	out := Outgoing{Kind: kind, To: draft.To, Ref: draft.Ref, TimestampMS: draft.TimestampMS, TTLMillis: draft.TTLMillis}
	if err := a.sealBox(&out, message.Text(draft.Text, a.id.DisplayName, nil)); err != nil {
		return Outgoing{}, err
	}
	now := a.env.Now().UTC()
	switch contact.state(now) {
	case StateReceived:
		contact.befriended(now)
	case StateNone, StateSent, StateExpired:
		if contact.Outgoing == nil || kind == KindFriendRequest {
			contact.Outgoing = &request{
				ID: dataID(out.Data), Text: draft.Text, DisplayName: a.id.DisplayName, TimestampMS: out.TimestampMS, At: now,
			}
		}
	}
	if contact.Protocol == "" {
		contact.Protocol = ProtocolToday
	}
	return out, saveContact(tx, contact)
}

// approve makes the sender of a message request a friend, and puts the message that tells so into the outbox.
func (a *Account) approve(tx *keystore.Tx, contact contactState) (Outgoing, error) {
	contact.befriended(a.env.Now().UTC())
	if err := saveContact(tx, contact); err != nil {
		return Outgoing{}, err
	}
	out := Outgoing{Kind: KindControl, To: contact.ID, TTLMillis: controlTTL, Digest: acceptance(contact.ID)}
	if err := a.sealBox(&out, message.Content{Body: message.Response{Approved: true, DisplayName: a.id.DisplayName}}); err != nil {
		return Outgoing{}, err
	}
	err := a.enqueue(tx, &out, a.env.Owner)
	return out, err
}

// openBox handles a message of today's protocol.
//
// A box is handled once, for ever: nothing else tells a copy that somebody put into a new envelope, at whatever time, from
// a new message.
func (a *Account) openBox(tx *keystore.Tx, event *Event, box, padded []byte) error {
	content, err := parsePadded(padded)
	if err != nil {
		return err
	}
	name := boxName(box)
	_, again, err := tx.Get(tableBoxes, name)
	if err != nil {
		return err
	}
	if again {
		event.Kind, event.Text = EventControl, "duplicate"
		return nil
	}
	if inside := content.SigTimestampMS; inside != 0 && inside != uint64(event.TimestampMS) {
		return fail(record.CodeBadEnvelope, errors.New("the envelope's timestamp is not the one that the sender signed"))
	}
	if err := tx.Put(tableBoxes, name, nil); err != nil {
		return err
	}
	return a.handleToday(tx, event, content)
}

// boxName names a sealed box: the first 32 hex digits of its SHA-256.
func boxName(box []byte) string {
	sum := sha256.Sum256(box)
	return hex.EncodeToString(sum[:16])
}

// handleToday acts on what a message of today's protocol says:
//
//   - the first text of a stranger is a request as well, which waits to be accepted or declined;
//   - a text of somebody whom we have written to, or the word that our request is accepted, makes friends;
//   - a stranger who says nothing is not remembered.
func (a *Account) handleToday(tx *keystore.Tx, event *Event, content message.Content) error {
	contact, err := a.contactFor(tx, event.From)
	if err != nil {
		return err
	}
	takeDisplayName(&contact, event, content)
	describeContent(event, content)
	if asked, ok := content.Body.(message.Unsend); ok {
		if err := a.unsend(tx, &contact, asked); err != nil {
			return err
		}
	}
	response, _ := content.Body.(message.Response)
	switch state := contact.state(a.env.Now()); {
	case state == StateNone && event.Kind == EventMessage:
		event.Asks = true
		contact.Incoming = &request{
			ID: event.ID, Text: event.Text, DisplayName: event.DisplayName, TimestampMS: event.TimestampMS, At: event.ReceivedAt,
		}
	case state == StateNone:
		return nil
	case state == StateSent || state == StateExpired:
		if event.Kind != EventMessage && !response.Approved {
			break
		}
		contact.befriended(event.ReceivedAt)
		if response.Approved {
			describeAcceptance(event, contact)
		}
	}
	contact.Protocol = ProtocolToday
	return saveContact(tx, contact)
}
