package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// Acknowledge marks events as delivered, named by their IDs: see [inbox.Acknowledge]. With read it puts read receipts
// for the texts among them into the outbox.
func (a *Account) Acknowledge(ctx context.Context, ids []string, read bool) (done []inbox.Acknowledged, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		done, err = inbox.Acknowledge(tx, ids)
		return err
	})
	if err != nil || !read {
		return done, err
	}
	var events []inbox.Event
	for _, one := range done {
		events = append(events, one.Event)
	}
	return done, a.SendRead(ctx, events)
}

// maxReadAtOnce bounds the timestamps in one read receipt.
const maxReadAtOnce = 256

// SendRead puts read receipts for texts among events into the outbox, for any process to send: one message for each
// friend. Strangers, blocked contacts, and other devices of the account get none.
func (a *Account) SendRead(ctx context.Context, events []inbox.Event) error {
	read := inbox.TextsBySender(events, a.ID())
	if len(read) == 0 {
		return nil
	}
	return a.update(ctx, func(tx *keystore.Tx) error {
		for _, texts := range read {
			for some := range slices.Chunk(texts.TimestampsMS, maxReadAtOnce) {
				if err := a.sendRead(tx, texts.From, some); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// sendRead puts one read receipt into the outbox, if a contact is to have one.
func (a *Account) sendRead(tx *keystore.Tx, to sessionid.ID, timestamps []uint64) error {
	contact, found, err := contacts.Load(tx, to)
	if err != nil || !found || contact.State(a.env.Now()) != StateFriends {
		return err
	}
	if ignored, err := a.ignores(tx, to); err != nil || ignored {
		return err
	}
	out := Outgoing{
		Kind: KindControl, To: to, TTLMillis: controlTTL, Digest: fmt.Sprintf("read %s %d", to, timestamps[0]),
	}
	content := message.Content{Body: message.Receipts{Kind: message.Read, TimestampsMS: timestamps}}
	if contact.KnownProtocol() != ProtocolSignal {
		err = a.sealFor(tx, &out, content, Draft{To: to, Network: storage.Generation28})
	} else {
		err = a.sealRatcheted(tx, &out, content)
	}
	if errors.Is(err, ratchet.ErrNoSession) { // the session is lost, so the friend gets no receipt
		return nil
	}
	if err != nil {
		return err
	}
	return a.outbox.Add(tx, &out, outbox.Unowned)
}
