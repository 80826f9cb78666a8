package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/forgery"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// ErrSigned reports a protocol in whose messages a signature names the sender.
var ErrSigned = errors.New("messages of session-v1 cannot be forged: each carries its sender's Ed25519 signature")

// Forgery makes a transcript between an account and a contact who takes no part in it: a friend request of the account,
// the contact's acceptance, and texts of both. It takes the account's private keys and the contact's Session ID. The
// account's half is the code of this package at work in a throw-away keystore; package forgery makes the contact's.
//
// A Forgery reads the account's keystore once, at its beginning, and never writes it. It is not safe for concurrent
// use.
type Forgery struct {
	own     *Account // in the throw-away keystore
	contact sessionid.ID
	theirs  *forgery.Contact
	name    string // display name in the contact's texts
	now     time.Time
	waiting []string // what own has not opened, oldest first
}

// ForgedMessage is one message of a transcript. Kind is KindFriendRequest, KindControl for one without a text, or
// KindText. Data is what nodes would have stored.
type ForgedMessage struct {
	Kind        Kind
	From, To    sessionid.ID
	Text        string
	TimestampMS int64
	TTLMillis   int64
	Data        string
}

// Forge begins a transcript with contact. throwAway is an empty keystore for the account's state within the transcript.
// display names the contact in its texts, and may be empty. The error is ErrSelf, message.CheckDisplayName's or the
// keystore's.
func (a *Account) Forge(
	ctx context.Context, throwAway *keystore.Store, contact sessionid.ID, display string,
) (*Forgery, error) {
	if contact == a.ID() {
		return nil, ErrSelf
	}
	if err := message.CheckDisplayName(display); err != nil {
		return nil, err
	}
	theirs := forgery.New(a.env.Random, a.keys.X25519, contact)
	f := &Forgery{contact: contact, theirs: theirs, name: display, now: a.env.Now()}
	env := a.env
	env.Now, env.Stamp, env.Announce = func() time.Time { return f.now }, nil, nil
	env.Plain, env.Original = false, false
	f.own = newAccount(throwAway, env, a.name)
	f.own.id, f.own.keys = a.id, a.keys
	f.own.watch = theirs.Add
	return f, a.copyPrekeys(ctx, throwAway)
}

// copyPrekeys makes the account in another keystore, with its identity, its signed prekeys and the numbers of the next
// prekeys, and without anything else.
func (a *Account) copyPrekeys(ctx context.Context, to *keystore.Store) error {
	var prekeys prekeystore.Copy
	err := a.view(ctx, func(tx *keystore.Tx) (err error) {
		prekeys, err = prekeystore.NewCopy(tx)
		return err
	})
	if err != nil {
		return err
	}
	return to.CreateAccount(ctx, a.name, func(tx *keystore.Tx) error {
		if err := prekeys.Put(tx); err != nil {
			return err
		}
		return tables.Put(tx, tableIdentity, identityKey, a.id)
	})
}

// Begin makes the account's friend request and the contact's acceptance. It is the first call. The zero at is now; no
// later message is older than an earlier one. If the newest prekeys or the account are younger than at, the throw-away
// keystore has older prekeys, or dates them back. The error is that of RequestFriend or the keystore's.
func (f *Forgery) Begin(ctx context.Context, text string, at time.Time) ([]ForgedMessage, error) {
	f.advance(at)
	if err := f.backdate(ctx); err != nil {
		return nil, err
	}
	draft := Draft{To: f.contact, Text: text, TimestampMS: f.now.UnixMilli(), Protocol: ProtocolSignal}
	out, err := f.own.RequestFriend(ctx, draft, false)
	if err != nil {
		return nil, err
	}
	asked, err := f.take(ctx, out, text)
	if err != nil {
		return nil, err
	}
	f.theirs.Drop() // a friend request belongs to no session
	if err := f.startTheirs(ctx); err != nil {
		return nil, err
	}
	accepted, err := f.theirMessage(KindControl, "", message.Background(), controlTTL)
	return []ForgedMessage{asked, accepted}, err
}

// backdate makes the throw-away keystore one of the transcript's beginning: without the signed prekeys that are newer,
// unless all are.
func (f *Forgery) backdate(ctx context.Context) error {
	return f.own.store.Update(ctx, f.own.name, func(tx *keystore.Tx) error {
		begun := f.now.UTC()
		if f.own.id.CreatedAt.After(begun) {
			f.own.id.CreatedAt = begun
		}
		if err := tables.Put(tx, tableIdentity, identityKey, f.own.id); err != nil {
			return err
		}
		return prekeystore.Backdate(tx, begun)
	})
}

// Theirs makes a text of the contact. Errors are those of message.CheckText, ErrNoText and the keystore's.
func (f *Forgery) Theirs(text string, at time.Time) (ForgedMessage, error) {
	draft := Draft{Text: text}
	if err := draft.Complete(); err != nil {
		return ForgedMessage{}, err
	}
	f.advance(at)
	return f.theirMessage(KindText, text, message.Text(text, f.name, nil), draft.TTLMillis)
}

// Ours makes a text of the account, after the account has opened what waits for it. The account may have had to answer
// that: such a message comes before the text. Errors are those of Send.
func (f *Forgery) Ours(ctx context.Context, text string, at time.Time) ([]ForgedMessage, error) {
	f.advance(at)
	made, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	draft := Draft{To: f.contact, Text: text, TimestampMS: f.now.UnixMilli(), Protocol: ProtocolSignal}
	out, err := f.own.Send(ctx, draft)
	if err != nil {
		return nil, err
	}
	said, err := f.take(ctx, out, text)
	if err != nil {
		return nil, err
	}
	return append(made, said), f.theirs.Open()
}

// advance sets the transcript's clock, which never goes back.
func (f *Forgery) advance(at time.Time) {
	if at.After(f.now) || !at.IsZero() && !f.theirs.Started() {
		f.now = at
	}
}

// take removes a message of the account from the outbox of the throw-away keystore, so that no command sends it.
func (f *Forgery) take(ctx context.Context, out Outgoing, text string) (ForgedMessage, error) {
	return ForgedMessage{
		Kind: out.Kind, From: f.own.ID(), To: f.contact, Text: text,
		TimestampMS: out.TimestampMS, TTLMillis: out.TTLMillis, Data: out.Data,
	}, f.own.Discard(ctx, out)
}

// startTheirs starts the session of the contact from the bundle of the account's friend request.
func (f *Forgery) startTheirs(ctx context.Context) error {
	registration, err := newRegistrationID(f.own.env.Random)
	if err != nil {
		return err
	}
	return f.own.view(ctx, func(tx *keystore.Tx) error {
		newest, oneTime, err := prekeystore.Private(tx, f.contact)
		if err != nil {
			return err
		}
		return f.theirs.Start(registration, newest, oneTime)
	})
}

// theirMessage makes a message of the contact, which waits for the account.
func (f *Forgery) theirMessage(kind Kind, text string, content message.Content, ttl int64) (ForgedMessage, error) {
	stamp := f.now.UnixMilli()
	data, err := f.theirs.Seal(content, stamp)
	if err != nil {
		return ForgedMessage{}, err
	}
	f.waiting = append(f.waiting, data)
	return ForgedMessage{
		Kind: kind, From: f.contact, To: f.own.ID(), Text: text, TimestampMS: stamp, TTLMillis: ttl, Data: data,
	}, nil
}

// open opens what waits for the account, by Receive, and returns what the account answers.
func (f *Forgery) open(ctx context.Context) (answers []ForgedMessage, err error) {
	for _, data := range f.waiting {
		opened, err := f.own.Receive(ctx, []Incoming{{Data: data, Route: message.RouteAsync}}, nil)
		if err != nil {
			return nil, err
		}
		event := opened[0].Event
		if event.Kind == inbox.EventFailure {
			return nil, fmt.Errorf("a forged message does not open: %s", event.Text)
		}
		if !event.Shown() {
			continue
		}
		if err := f.own.MarkDelivered(ctx, event); err != nil {
			return nil, err
		}
	}
	f.waiting = nil
	claimed, err := f.own.ClaimOutbox(ctx)
	if err != nil {
		return nil, err
	}
	for _, out := range claimed {
		answer, err := f.take(ctx, out, "")
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}
