package account

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sessiontool/keystore"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
	"sessiontool/lib/x3dh"
)

// Incoming is a message as a swarm or a listening node handed it over. Data is base64, Hash the name that the node
// gave it, which proves nothing.
type Incoming struct {
	Data  string
	Hash  string
	Route Route
}

// Cursor is how far a node's list has been read.
type Cursor struct {
	Node string
	Hash string
}

// Opened is what became of one Incoming. Duplicate says that it was received before; Event is then the old one. Refused
// says that it has no business on the synchronous route, over which it came: Event tells why, and is kept nowhere. Ack
// is the acknowledgement that its sender waits for on that route; empty if there is none to give.
type Opened struct {
	Event     Event
	Duplicate bool
	Refused   bool
	Ack       []byte
}

// failure is why a message could not be opened.
type failure struct {
	code FailureCode
	err  error
}

func (f *failure) Error() string { return f.err.Error() }

func fail(code FailureCode, err error) error { return &failure{code, err} }

// Receive opens messages in order, in one transaction with the memory that they were seen and with cursor, which
// may be nil. A message that can not be opened becomes an event that says so and changes nothing else; one that was
// seen before is skipped as a duplicate. The result has one entry per message. Events that are worth showing wait
// for delivery: they are this process's to print, see MarkDelivered.
//
// The synchronous route costs a stranger no work, so there only messages of sessions count, and any other leaves no
// trace. An honest sender gets no acknowledgement and stores the message, and then the failure is told.
func (a *Account) Receive(ctx context.Context, batch []Incoming, cursor *Cursor) ([]Opened, error) {
	return a.receiveBatch(ctx, batch, cursor, false)
}

// ReceiveAside is Receive for a process that does not print what arrives: the events wait for any other one that asks,
// also while this one lives.
func (a *Account) ReceiveAside(ctx context.Context, batch []Incoming, cursor *Cursor) ([]Opened, error) {
	return a.receiveBatch(ctx, batch, cursor, true)
}

func (a *Account) receiveBatch(ctx context.Context, batch []Incoming, cursor *Cursor, aside bool) ([]Opened, error) {
	var opened []Opened
	err := a.update(ctx, func(tx *keystore.Tx) error {
		if err := a.forgetSeen(tx); err != nil {
			return err
		}
		for _, in := range batch {
			one, err := a.receive(tx, in, aside)
			if err != nil {
				return err
			}
			opened = append(opened, one)
		}
		if err := readAgain(tx, opened); err != nil || cursor == nil {
			return err
		}
		return put(tx, tableCursors, cursorName(cursor.Node), bounded(cursor.Hash))
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// readAgain takes the events of a batch from the inbox if one of its messages has changed what an earlier one says.
func readAgain(tx *keystore.Tx, opened []Opened) error {
	if !slices.ContainsFunc(opened, func(o Opened) bool { return o.Event.Kind == EventUnsend }) {
		return nil
	}
	for i := range opened {
		event := &opened[i].Event
		if event.Seq == 0 || event.Kind != EventMessage {
			continue
		}
		kept, err := loadEvent(tx, event.Seq)
		if err != nil {
			return err
		}
		if kept.Unsent {
			*event = kept
		}
	}
	return nil
}

// maxHashSize is the longest hash that is kept. Networks use 128 hex digits or less.
const maxHashSize = 256

// bounded drops a hash that is too long: nodes choose them, and an empty one means from the beginning.
func bounded(hash string) string {
	if len(hash) > maxHashSize {
		return ""
	}
	return hash
}

func (a *Account) receive(tx *keystore.Tx, in Incoming, aside bool) (Opened, error) {
	id := dataID(in.Data)
	before, found, err := seenBefore(tx, id)
	if err != nil || found && !before.retry {
		return before.Opened, err
	}
	var opened Opened
	event := &opened.Event
	*event = Event{ID: id, Hash: bounded(in.Hash), Route: in.Route, ReceivedAt: a.env.Now().UTC()}
	key, claimed, err := a.open(tx, in.Data, event)
	var failed *failure
	switch {
	case errors.As(err, &failed):
		event.Kind, event.Code, event.Text = EventFailure, failed.code, failed.Error()
		event.Claimed = claimed
	case errors.Is(err, ratchet.ErrDuplicate):
		event.Kind, event.Text = EventControl, "duplicate"
	case err != nil:
		return Opened{}, err
	}
	if err != nil && in.Route == RouteSync {
		opened.Refused = true
		return opened, nil
	}
	if failed != nil && failed.code == CodeUnknownPrekey {
		if err := a.resetFor(tx, in.Data, event.From); err != nil {
			return Opened{}, err
		}
	}
	if found && before.Event.Kind == event.Kind && before.Event.Code == event.Code {
		before.Event.Text = event.Text // this version knows no better, and people have seen it
		return before.Opened, a.rememberSeen(tx, before.Opened)
	}
	if key != nil {
		ack := key.Acknowledge(in.Data)
		opened.Ack = ack[:]
	}
	if event.Shown() {
		if err := a.keepEvent(tx, event, aside); err != nil {
			return Opened{}, err
		}
	}
	return opened, a.rememberSeen(tx, opened)
}

// errOnlyStored reports a message that has no business on the synchronous route.
var errOnlyStored = errors.New("only messages of a session travel on the synchronous route")

// open decrypts one message, acts on it, and returns the key that acknowledges it, nil if it has none. claimed
// says that the sender stands in an envelope without a seal: only what opens shows that it is true. Errors of type
// *failure are the message's fault and leave no trace in the transaction; any other error is ours.
func (a *Account) open(tx *keystore.Tx, data string, event *Event) (key *message.AckKey, claimed bool, err error) {
	env, err := envelope.Unpack(data)
	if errors.Is(err, envelope.ErrNewer) {
		return nil, claimed, fail(CodeNewerProtocol, err)
	}
	if err != nil {
		return nil, claimed, fail(CodeBadEnvelope, err)
	}
	event.TimestampMS = int64(env.TimestampMS)
	claimed = env.Kind != ciphertext.Sealed && env.Kind != ciphertext.Group
	sender, kind, encrypted, err := a.unseal(env)
	if err != nil {
		return nil, claimed, err
	}
	event.From = sender
	ratcheted := kind == ciphertext.PreKeyWhisper || kind == ciphertext.Whisper
	switch {
	case event.Route == RouteSync && (!ratcheted || sender == a.ID()):
		return nil, claimed, fail(CodeBadEnvelope, errOnlyStored)
	case kind == ciphertext.Sealed:
		return nil, claimed, a.openBox(tx, event, env.Content, encrypted)
	case sender == a.ID():
		event.Kind, event.Text = EventControl, textSelf
		return nil, claimed, nil
	case kind == ciphertext.FriendRequest:
		return nil, claimed, a.openRequest(tx, event, encrypted)
	case ratcheted:
		key, err := a.openRatcheted(tx, event, kind, encrypted)
		return key, claimed, err
	case kind == ciphertext.ServerReceipt:
		event.Kind, event.Text = EventControl, "server_receipt"
		return nil, claimed, nil
	}
	return nil, claimed, fail(CodeBadEnvelope, fmt.Errorf("envelope of %v", kind))
}

// textSelf is the text of a control event: a message of this account to itself, in protocol signal.
const textSelf = "self"

// unseal finds out who sent an envelope and what kind of ciphertext it has. Nothing outside tells sealed sender from
// a sealed box, so both are tried; of the latter the kind stays ciphertext.Sealed, and what it returns is the padded
// content.
func (a *Account) unseal(env envelope.Envelope) (sessionid.ID, ciphertext.Kind, []byte, error) {
	if env.Kind != ciphertext.Sealed && env.Kind != ciphertext.Group {
		return env.Source, env.Kind, env.Content, nil
	}
	inner, err := sealedsender.Open(a.keys.X25519, env.Content)
	if err != nil {
		padded, sender, boxErr := sealedbox.Open(a.keys.X25519, env.Content)
		if boxErr == nil {
			return sender, ciphertext.Sealed, padded, nil
		}
		if errors.Is(err, sealedsender.ErrMalformed) {
			err = boxErr
		}
		return sessionid.ID{}, 0, nil, fail(CodeDecryptionFailed, err)
	}
	return inner.Sender, inner.Kind, inner.Content, nil
}

// openRequest handles a friend request, which is encrypted with the static secret of the two identities.
func (a *Account) openRequest(tx *keystore.Tx, event *Event, encrypted []byte) error {
	padded, err := friendrequest.Decrypt(a.keys.X25519, event.From.PublicKey(), encrypted)
	if err != nil {
		return fail(CodeDecryptionFailed, err)
	}
	content, err := parsePadded(padded)
	if err != nil {
		return err
	}
	if content.Bundle == nil {
		return fail(CodeBadEnvelope, errors.New("friend request has no prekey bundle"))
	}
	if err := a.checkBundle(*content.Bundle, event.From); err != nil {
		return err
	}
	return a.handleRequest(tx, event, encrypted, content)
}

// openRatcheted handles a message of a session. It returns the message's key as open does.
func (a *Account) openRatcheted(tx *keystore.Tx, event *Event, kind ciphertext.Kind, encrypted []byte) (*message.AckKey, error) {
	sessions, err := loadSessions(tx, event.From)
	if err != nil {
		return nil, err
	}
	prekeys, inner := &prekeys{tx: tx, sender: event.From}, encrypted
	if kind == ciphertext.PreKeyWhisper {
		header, err := ratchet.ParsePreKeyWhisperMessage(encrypted)
		if err != nil {
			return nil, ratchetFailure(err)
		}
		prekeys.named = header.OneTimePrekeyID != nil
		inner = header.Message
	}
	missing := sessions.Missing()
	receiver := ratchet.Receiver{
		Local: a.local(), Prekeys: prekeys, Remote: event.From.PublicKey(), LateChains: ratchet.MaxLateChains,
	}
	result, err := sessions.Decrypt(a.env.Random, receiver, kind, encrypted)
	if prekeys.err != nil {
		return nil, prekeys.err
	}
	if err != nil {
		return nil, ratchetFailure(err)
	}
	event.Overtook = sessions.Missing() > missing
	content, err := parsePadded(result.Plaintext)
	if err != nil {
		return nil, err
	}
	if content.Bundle != nil {
		if err := a.checkBundle(*content.Bundle, event.From); err != nil {
			return nil, err
		}
	}
	if err := saveReceived(tx, event.From, sessions); err != nil {
		return nil, err
	}
	parsed, err := ratchet.ParseWhisperMessage(inner)
	if err != nil {
		return nil, err // it was opened, so it is one
	}
	if err := a.place(tx, event, parsed); err != nil {
		return nil, err
	}
	if result.UsedPrekey != nil {
		if err := deleteOneTimePrekey(tx, *result.UsedPrekey, event.From); err != nil {
			return nil, err
		}
	}
	if err := a.handleContent(tx, event, content); err != nil || content.Extension == nil {
		return nil, err
	}
	return content.Extension.AckKey, nil
}

// ratchetFailure blames the message for an error of the ratchet. A duplicate is no failure.
func ratchetFailure(err error) error {
	switch {
	case errors.Is(err, ratchet.ErrDuplicate):
		return err
	case errors.Is(err, ratchet.ErrUnknownPrekey):
		return fail(CodeUnknownPrekey, err)
	case errors.Is(err, ratchet.ErrNoSession):
		return fail(CodeNoSession, err)
	}
	return fail(CodeDecryptionFailed, err)
}

func parsePadded(padded []byte) (message.Content, error) {
	encoded, err := message.Unpad(padded)
	if err != nil {
		return message.Content{}, fail(CodeDecryptionFailed, err)
	}
	content, err := message.Parse(encoded)
	if err != nil {
		return message.Content{}, fail(CodeBadEnvelope, err)
	}
	return content, nil
}

// maxReceivedSessions bounds the sessions with one contact, in bytes as they are stored. A contact who makes us hold
// the keys of thousands of lost messages in many sessions would otherwise grow a value that the keystore refuses, and
// so stop every poll. The other half is room for what we add ourselves. Honest contacts need a few kilobytes.
const maxReceivedSessions = keystore.MaxValueSize / 2

// saveReceived is saveSessions for what a message did to them.
func saveReceived(tx *keystore.Tx, contact sessionid.ID, sessions *ratchet.SessionRecord) error {
	data, err := sessions.MarshalBinary()
	if err != nil {
		return err
	}
	if len(data) > maxReceivedSessions {
		return fail(CodeDecryptionFailed, fmt.Errorf("the contact's sessions would take %d bytes", len(data)))
	}
	return tx.Put(tableSessions, contact.String(), data)
}

// checkBundle refuses a bundle that is not its sender's, that its sender did not sign, or from which no session can
// start.
func (a *Account) checkBundle(bundle x3dh.Bundle, sender sessionid.ID) error {
	if !bundle.IdentityKey.Equal(sender.PublicKey()) {
		return fail(CodeBadSignature, errors.New("prekey bundle belongs to another identity than its sender's"))
	}
	if err := bundle.Verify(); err != nil {
		return fail(CodeBadSignature, fmt.Errorf("prekey bundle: %w", err))
	}
	prekeys := []x25519.PublicKey{bundle.SignedPrekey}
	if bundle.OneTimePrekey != nil {
		prekeys = append(prekeys, *bundle.OneTimePrekey)
	}
	for _, key := range prekeys {
		// Whatever private key is tried, the same public keys are of low order.
		if _, err := a.keys.X25519.Private.DH(key); err != nil {
			return fail(CodeBadSignature, fmt.Errorf("prekey bundle: %w", err))
		}
	}
	return nil
}

// cursorName names the cursor of a node for this reader. What an older reader refused lies before the old one's cursor,
// so that a newer reader begins anew.
func cursorName(node string) string { return fmt.Sprintf("reader %d %s", readerVersion, node) }

// LastHash returns how far a node's list has been read by this version: empty means from the beginning.
func (a *Account) LastHash(ctx context.Context, node string) (hash string, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		_, err := get(tx, tableCursors, cursorName(node), &hash)
		return err
	})
	return hash, err
}
