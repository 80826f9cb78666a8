package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/efforts"
	"sessiontool/lib/account/groupcommit"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/layers"
	"sessiontool/lib/account/peerkeys"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/account/usedkeys"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
)

// Incoming is a message from a swarm or a listening node. Data is base64. Hash is the node's name for it and is not
// authenticated.
type Incoming struct {
	Data  string
	Hash  string
	Route message.Route
}

// Cursor is the position up to which a node's list has been read.
type Cursor struct {
	Node string
	Hash string
}

// Opened is the result for one [Incoming]. Duplicate reports that it was received before; Event is then the earlier
// one, or says little if it is not kept. An Event with a sequence number is in the inbox. Refused reports that it came
// over the synchronous route and was not accepted; Event then has the reason and is not stored. Ack is the
// acknowledgement for the sender on that route, empty if there is none.
type Opened struct {
	Event     inbox.Event
	Duplicate bool
	Refused   bool
	Ack       []byte
}

// Receive opens messages in order and returns one [Opened] for each. All is one transaction, with the record that they
// were seen and with the cursors. A message that cannot be opened becomes a failure event and changes
// nothing else; it is kept if it is of a known sender, and only counted otherwise (see [Account.ClaimReport]). A
// message that was seen before is a duplicate. This process has claimed the events that are in the inbox, and reports
// them with [Account.MarkDelivered].
//
// The synchronous route costs a stranger no proof of work. Receive therefore accepts only messages of sessions there,
// and any other leaves no trace. An honest sender gets no acknowledgement and stores the message, which then becomes a
// failure event.
func (a *Account) Receive(ctx context.Context, batch []Incoming, cursors []Cursor) ([]Opened, error) {
	return a.receiveBatch(ctx, batch, cursors, printed)
}

// ReceiveAside is [Account.Receive] for a process that does not print events: any other process may claim them.
func (a *Account) ReceiveAside(ctx context.Context, batch []Incoming, cursors []Cursor) ([]Opened, error) {
	return a.receiveBatch(ctx, batch, cursors, aside)
}

// BeginAsked is [Account.Receive] for a message whose result the caller prints, whatever it is: one that was refused
// before is tried again, and one that cannot be opened is not counted. Messages are opened in the order of the calls.
func (a *Account) BeginAsked(in Incoming) *groupcommit.Result[Opened] {
	return groupcommit.Make(a.group, func(tx *keystore.Tx) (Opened, error) {
		opened, err := a.receiveIn(tx, []Incoming{in}, nil, asked)
		if err != nil {
			return Opened{}, err
		}
		return opened[0], nil
	})
}

// way is what becomes of the results of a receiveBatch.
type way int

const (
	printed way = iota // this process prints events
	aside              // any other process may print them
	asked              // this process prints something for each message
)

func (a *Account) receiveBatch(ctx context.Context, batch []Incoming, cursors []Cursor, how way) (opened []Opened,
	err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		opened, err = a.receiveIn(tx, batch, cursors, how)
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

func (a *Account) receiveIn(tx *keystore.Tx, batch []Incoming, cursors []Cursor, how way) (opened []Opened, err error) {
	if err := a.forgetSeen(tx); err != nil {
		return nil, err
	}
	book := a.book(tx)
	a.efforts = efforts.New()
	for _, in := range batch {
		one, err := a.receive(tx, book, in, how)
		if err != nil {
			return nil, err
		}
		opened = append(opened, one)
	}
	if err := book.MakeRoom(strangerContacts{a, tx, book}); err != nil {
		return nil, err
	}
	if err := book.Save(); err != nil {
		return nil, err
	}
	if err := readAgain(tx, opened); err != nil {
		return nil, err
	}
	for _, cursor := range cursors {
		if err := inbox.SetCursor(tx, cursor.Node, cursor.Hash); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// readAgain re-reads the events of a batch from the inbox if one of its messages has changed an earlier one.
func readAgain(tx *keystore.Tx, opened []Opened) error {
	if !slices.ContainsFunc(opened, func(o Opened) bool { return o.Event.Kind == inbox.EventUnsend }) {
		return nil
	}
	for i := range opened {
		event := &opened[i].Event
		if event.Seq == 0 || event.Kind != inbox.EventMessage {
			continue
		}
		kept, found, err := inbox.Find(tx, event.Seq)
		if err != nil {
			return err
		}
		if found && kept.Unsent {
			*event = kept
		}
	}
	return nil
}

// forgetSeen deletes, at every advance of the lifetime clock, the memory of messages that no network can keep any more,
// and events that the environment does not keep.
func (a *Account) forgetSeen(tx *keystore.Tx) error {
	var last time.Time
	if _, err := tables.Get(tx, tableTimes, timeSeenForgotten, &last); err != nil || a.life.Equal(last) {
		return err
	}
	_, err := inbox.Prune(tx, a.env.Keep, a.env.Now())
	err = errors.Join(err, inbox.Forget(tx, a.life), usedkeys.Forget(tx, a.life),
		peerkeys.Forget(tx, a.env.Now()))
	if err != nil {
		return err
	}
	return tables.Put(tx, tableTimes, timeSeenForgotten, a.life)
}

func (a *Account) receive(tx *keystore.Tx, book *strangers.Book, in Incoming, how way) (Opened, error) {
	id := inbox.ID(in.Data)
	before, found, err := inbox.Before(tx, id)
	if err != nil || found && !before.Retry {
		return Opened{Event: before.Event, Duplicate: true, Ack: before.Ack}, err
	}
	var opened Opened
	event := &opened.Event
	*event = inbox.Event{ID: id, Hash: inbox.BoundedHash(in.Hash), Route: in.Route, ReceivedAt: a.env.Now().UTC()}
	if !found && in.Route != message.RouteSync {
		refused := *event
		seen, err := inbox.RefusedBefore(book, &refused)
		if err != nil || seen && how != asked {
			return Opened{Event: refused, Duplicate: seen}, err
		}
		opened.Duplicate = seen
	}
	o, err := a.open(tx, in.Data, event)
	var failed *inbox.Failure
	switch {
	case errors.As(err, &failed):
		event.Kind, event.Code, event.Text = inbox.EventFailure, failed.Code, failed.Error()
		event.Claimed = o.claimed
	case errors.Is(err, errIgnored):
		event.Kind, event.Text = inbox.EventControl, "blocked"
		if opened.Refused = in.Route == message.RouteSync; opened.Refused {
			return opened, nil
		}
		return opened, inbox.Ignore(book, event.ID) // so that other members' copies stay ignored
	case errors.Is(err, ratchet.ErrDuplicate):
		event.Kind, event.Text = inbox.EventControl, "duplicate"
	case errors.Is(err, errUndecided):
		kept, keepErr := a.keepUndecided(tx, in, *event)
		if keepErr != nil {
			return Opened{}, keepErr
		}
		event.Kind, event.Text = inbox.EventControl, "undecided"
		if !kept {
			failed = &inbox.Failure{Code: inbox.CodeUnknownKey, Err: err}
			event.Kind, event.Code, event.Text = inbox.EventFailure, failed.Code, failed.Error()
		}
	case err != nil:
		return Opened{}, err
	}
	if err != nil && in.Route == message.RouteSync {
		opened.Refused = true
		return opened, nil
	}
	if failed != nil && failed.Code == inbox.CodeUnknownPrekey {
		if err := a.resetFor(tx, in.Data, event.From); err != nil {
			return Opened{}, err
		}
	}
	if found && before.Event.Kind == event.Kind && before.Event.Code == event.Code {
		before.Event.Text = event.Text // the same failure, in the words of this version
		return Opened{Event: before.Event, Duplicate: true, Ack: before.Ack},
			inbox.Remember(tx, before.Event, before.Ack, a.life)
	}
	if o.key != nil {
		ack := o.key.Acknowledge(in.Data)
		opened.Ack = ack[:]
	}
	kept, err := a.keepOpened(tx, book, event, o, failed, found, how)
	if err != nil || !kept {
		return opened, err
	}
	return opened, inbox.Remember(tx, *event, opened.Ack, a.life)
}

// keepOpened stores the event of a message, and reports whether the message is to be remembered. Found says that an
// earlier version has received it.
func (a *Account) keepOpened(tx *keystore.Tx, book *strangers.Book, event *inbox.Event, o opening,
	failed *inbox.Failure, found bool, how way) (bool, error) {
	known, err := a.sentByKnown(tx, *event, o.claimed)
	switch {
	case err != nil:
		return false, err
	case known || found:
		if event.Shown() {
			err = a.keepEvent(tx, event, how == aside)
		}
		return err == nil, err
	case failed != nil:
		return false, inbox.Refuse(book, *event, how != asked)
	}
	return a.takeFromStranger(tx, book, event, o, how)
}

// errOnlyStored reports a message that must not come over the synchronous route.
var errOnlyStored = errors.New("only messages of a session travel on the synchronous route")

// opening is what open has found beside the event.
type opening struct {
	key     *message.AckKey // acknowledges the message; nil if it has none
	claimed bool            // the sender stands in an envelope without a seal: only a message that opens proves it
	asks    bool            // the message is the friend request of a sender without one
	trace   string          // the name by which a repetition is recognised, in tableRequests or tableBoxes
}

// open decrypts and handles one message. An error of type *inbox.Failure blames the message and leaves no trace in the
// transaction. Any other error is ours.
func (a *Account) open(tx *keystore.Tx, data string, event *inbox.Event) (o opening, err error) {
	env, err := envelope.Unpack(data)
	if errors.Is(err, envelope.ErrV2) {
		return a.openV2(tx, event, data)
	}
	if err != nil {
		return o, inbox.Fail(inbox.CodeBadEnvelope, err)
	}
	event.TimestampMS = int64(env.TimestampMS)
	o.claimed = env.Kind != ciphertext.Sealed && env.Kind != ciphertext.Group
	sender, kind, encrypted, err := layers.Unseal(a.keys.X25519, env)
	if err != nil {
		return o, err
	}
	event.From, event.Protocol = sender, string(ProtocolSignal)
	if ignored, err := a.ignores(tx, sender); err != nil || ignored {
		return o, cmp.Or(err, errIgnored)
	}
	ratcheted := kind == ciphertext.PreKeyWhisper || kind == ciphertext.Whisper
	switch {
	case event.Route == message.RouteSync && (!ratcheted || sender == a.ID()):
		return o, inbox.Fail(inbox.CodeBadEnvelope, errOnlyStored)
	case kind == ciphertext.Sealed:
		return a.openBox(tx, event, env.Content, encrypted)
	case sender == a.ID():
		event.Kind, event.Text = inbox.EventControl, inbox.TextSelf
		return o, nil
	case kind == ciphertext.FriendRequest:
		claimed := o.claimed
		o, err = a.openRequest(tx, event, encrypted)
		o.claimed = claimed
		return o, err
	case ratcheted:
		o.key, err = a.openRatcheted(tx, event, kind, encrypted, o.claimed)
		o.claimed = claimedAfter(err, o.claimed)
		return o, err
	case kind == ciphertext.ServerReceipt:
		event.Kind, event.Text = inbox.EventControl, "server_receipt"
		return o, nil
	}
	return o, inbox.Fail(inbox.CodeBadEnvelope, fmt.Errorf("envelope of %v", kind))
}

// openRequest handles a friend request, which is encrypted with the static secret of the two identities.
func (a *Account) openRequest(tx *keystore.Tx, event *inbox.Event, encrypted []byte) (opening, error) {
	padded, err := friendrequest.Decrypt(a.keys.X25519, event.From.PublicKey(), encrypted)
	if err != nil {
		return opening{}, inbox.Fail(inbox.CodeDecryptionFailed, err)
	}
	content, err := layers.ParsePadded(padded)
	if err != nil {
		return opening{}, err
	}
	if content.Bundle == nil {
		return opening{}, inbox.Fail(inbox.CodeBadEnvelope, errors.New("friend request has no prekey bundle"))
	}
	if err := layers.CheckBundle(*content.Bundle, event.From, a.keys.X25519.Private); err != nil {
		return opening{}, err
	}
	return a.handleRequest(tx, event, encrypted, content)
}

// openRatcheted handles a message of a session. It returns the same key as open.
func (a *Account) openRatcheted(tx *keystore.Tx, event *inbox.Event, kind ciphertext.Kind, encrypted []byte,
	claimed bool) (*message.AckKey, error) {
	record, err := sessions.Load(tx, event.From)
	if err != nil {
		return nil, err
	}
	prekeys, inner := &prekeystore.Lookup{Tx: tx, Sender: event.From}, encrypted
	if kind == ciphertext.PreKeyWhisper {
		header, err := ratchet.ParsePreKeyWhisperMessage(encrypted)
		if err != nil {
			return nil, layers.RatchetFailure(err)
		}
		prekeys.Named = header.OneTimePrekeyID != nil
		inner = header.Message
	}
	missing, sending := record.Missing(), record.Sending()
	receiver := ratchet.Receiver{
		Local: a.local(), Prekeys: prekeys, Remote: event.From.PublicKey(), LateChains: ratchet.MaxLateChains,
		Effort: a.efforts.Of(event.From, claimed), Trials: a.efforts.TrialsOf(event.From, claimed),
	}
	result, err := record.Decrypt(a.env.Random, receiver, kind, encrypted)
	if prekeys.Err != nil {
		return nil, prekeys.Err
	}
	if errors.Is(err, ratchet.ErrDuplicate) || errors.Is(err, ratchet.ErrDropped) {
		return nil, a.judgeUsed(tx, event, inner, err, claimed)
	}
	if err != nil {
		return nil, layers.RatchetFailure(err)
	}
	event.Overtook = record.Missing() > missing
	content, err := layers.ParsePadded(result.Plaintext)
	if err != nil {
		return nil, err
	}
	if content.Bundle != nil {
		if err := layers.CheckBundle(*content.Bundle, event.From, a.keys.X25519.Private); err != nil {
			return nil, err
		}
	}
	event.ForwardSecrecy = true
	if err := sessions.SaveReceived(tx, event.From, record); err != nil {
		return nil, err
	}
	parsed, err := ratchet.ParseWhisperMessage(inner)
	if err != nil {
		return nil, err // it opened, so it is a friend request
	}
	if err := inbox.Place(tx, event, parsed.RatchetKey, parsed.Counter, a.life); err != nil {
		return nil, err
	}
	if err := a.rememberUsed(tx, event, parsed, result.Witness); err != nil {
		return nil, err
	}
	if result.UsedPrekey != nil {
		if err := prekeystore.DeleteOneTime(tx, *result.UsedPrekey, event.From); err != nil {
			return nil, err
		}
	}
	if err := a.handleContent(tx, event, content); err != nil || content.Extension == nil {
		return nil, err
	}
	if err := a.noteCopy(tx, event, content.Extension.Heard, sending); err != nil {
		return nil, err
	}
	return content.Extension.AckKey, nil
}
