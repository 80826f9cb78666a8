package account

import (
	"cmp"
	"errors"
	"fmt"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/efforts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/peerkeys"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/account/undecided"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/v2message"
)

// This file is protocol session-v2 (session-v2.md sections 6 to 9). It has the contents, the friend states and the rules
// for copies of session-v1; only the encryption differs.

// ErrNoKeys reports a recipient that publishes no key of session-v2, for a draft that insists on that protocol.
var ErrNoKeys = errors.New("the recipient publishes no keys of session-v2")

// sealFor encrypts content with session-v2 or session-v1, as draft asks, and fills in out.
func (a *Account) sealFor(tx *keystore.Tx, out *Outgoing, content message.Content, draft Draft) error {
	var key accountkeys.Public
	switch insists := draft.Protocol == ProtocolSessionV2; {
	case draft.Protocol == ProtocolSessionV1, draft.Protocol == "" && draft.Network != storage.Generation28:
		return a.sealBox(out, content)
	case insists && draft.WithoutPFS:
	default:
		known, err := peerkeys.Lookup(tx, draft.To, a.env.Now())
		if err != nil {
			return err
		}
		if key = known.Key; key.IsZero() && insists {
			return fmt.Errorf("%w: %s", ErrNoKeys, draft.To)
		} else if key.IsZero() {
			return a.sealBox(out, content)
		}
	}
	if out.TimestampMS == 0 {
		out.TimestampMS = a.stamp()
	}
	content.SigTimestampMS = uint64(out.TimestampMS)
	out.Protocol, out.ForwardSecrecy = string(ProtocolSessionV2), !key.IsZero()
	data, err := layers.SealV2(a.env.Random, a.keys, v2message.Draft{To: out.To, Content: content.Marshal()}, key)
	out.Data = data
	return err
}

// errUndecided reports a message that no key at hand opens, while one that arrives later may.
var errUndecided = errors.New("no key of the account opens the message yet")

// openV2 handles a message of protocol session-v2.
func (a *Account) openV2(tx *keystore.Tx, event *inbox.Event, data string) (o opening, err error) {
	if event.Route == message.RouteSync {
		return o, inbox.Fail(inbox.CodeBadEnvelope, errOnlyStored)
	}
	keys, err := a.openKeyring(tx)
	if err != nil {
		return o, err
	}
	opened, content, err := layers.OpenV2(a.keys, keys.Held(), data)
	switch {
	case errors.Is(err, v2message.ErrNoKey):
		return o, errUndecided
	case err != nil:
		return o, err
	}
	event.From, event.Protocol, event.ForwardSecrecy = opened.Sender, string(ProtocolSessionV2), opened.ForwardSecrecy
	if ignored, err := a.ignores(tx, opened.Sender); err != nil || ignored {
		return o, cmp.Or(err, errIgnored)
	}
	return a.handleBox(tx, event, layers.MessageName(opened), content)
}

// keepUndecided keeps a message for which a key may still come. It returns false if there is no room for it.
func (a *Account) keepUndecided(tx *keystore.Tx, in Incoming, event inbox.Event) (bool, error) {
	return undecided.Keep(tx, undecided.Message{
		Name: event.ID, Data: in.Data, Hash: event.Hash, Route: string(event.Route), ReceivedAt: event.ReceivedAt,
	})
}

// retryUndecided opens the messages that waited for a key, and returns those that open now.
func (a *Account) retryUndecided(tx *keystore.Tx) (opened []Opened, err error) {
	book := a.book(tx)
	a.efforts = efforts.New()
	err = undecided.Each(tx, func(m undecided.Message) error {
		one, err := a.openAgain(tx, book, m)
		if err != nil || one == nil {
			return err
		}
		opened = append(opened, *one)
		return undecided.Drop(tx, m)
	})
	if err != nil || len(opened) == 0 {
		return nil, err
	}
	return opened, errors.Join(book.MakeRoom(strangerContacts{a, tx, book}), book.Save())
}

// openAgain opens a message that waited for a key. It returns nil if none is there yet.
func (a *Account) openAgain(tx *keystore.Tx, book *strangers.Book, m undecided.Message) (*Opened, error) {
	event := inbox.Event{ID: m.Name, Hash: m.Hash, Route: message.Route(m.Route), ReceivedAt: a.env.Now().UTC()}
	o, err := a.openV2(tx, &event, m.Data)
	var failed *inbox.Failure
	switch {
	case errors.Is(err, errUndecided):
		return nil, nil
	case errors.Is(err, errIgnored):
		event.Kind = inbox.EventControl
		return &Opened{Event: event}, inbox.Ignore(book, event.ID)
	case errors.As(err, &failed):
		event.Kind, event.Code, event.Text = inbox.EventFailure, failed.Code, failed.Error()
	case err != nil:
		return nil, err
	}
	kept, err := a.keepOpened(tx, book, &event, o, failed, false, printed)
	if err == nil && kept {
		err = inbox.Remember(tx, event, nil, a.life)
	}
	return &Opened{Event: event}, err
}

// reportUndecided makes failure events of the messages that have waited for a key for long.
func (a *Account) reportUndecided(tx *keystore.Tx, aside bool) (opened []Opened, err error) {
	keys, err := a.openKeyring(tx)
	if err != nil {
		return nil, err
	}
	due, err := undecided.Due(tx, a.env.Now(), keys.Standing() == keyring.Member)
	for _, m := range due {
		if err != nil {
			break
		}
		event := inbox.Event{
			ID: m.Name, Kind: inbox.EventFailure, Hash: m.Hash, Route: message.Route(m.Route), ReceivedAt: m.ReceivedAt,
			Code: inbox.CodeUnknownKey, Text: errUndecided.Error(),
		}
		err = a.keepEvent(tx, &event, aside)
		opened = append(opened, Opened{Event: event})
	}
	return opened, err
}

// PeerKeys returns what is known of the key that a recipient publishes, for a draft. The zero Known says that the draft
// needs none.
func (a *Account) peerKeys(tx *keystore.Tx, draft Draft) (peerkeys.Known, error) {
	if draft.Network != storage.Generation28 || draft.WithoutPFS || draft.To == a.ID() {
		return peerkeys.Known{}, nil
	}
	if draft.Protocol != ProtocolSessionV2 {
		contact, _, err := contacts.Load(tx, draft.To)
		if err != nil || draft.Protocol != "" || draft.ProtocolFor(contact) != ProtocolSessionV1 {
			return peerkeys.Known{}, err
		}
	}
	return peerkeys.Lookup(tx, draft.To, a.env.Now())
}

func (a *Account) rememberPeer(tx *keystore.Tx, id sessionid.ID, key *accountkeys.Public) error {
	return peerkeys.Remember(tx, id, key, a.env.Now())
}
