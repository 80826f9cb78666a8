// Package account is one identity and its state: contacts and friend states, prekeys and sessions, the outbox and the
// inbox. Apart from commands it is the only user of [sessiontool/keystore].
//
// It promises that state and bytes never part. An outgoing message and the state that it changes are one transaction,
// committed in the outbox before the message leaves. A received message, its ratchet state, the record that it was seen
// and the position in the node's list are one transaction, too. If a process is killed at any point, the next one
// continues, and no message is lost or shown twice. A message that cannot be opened changes nothing.
package account

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/draft"
	"sessiontool/lib/account/efforts"
	"sessiontool/lib/account/groupcommit"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/message"
	"sessiontool/lib/mnemonic"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/trace"
	"sessiontool/lib/x3dh"
)

// The errors that a caller of this package may expect.
var (
	ErrNotFriends      = errors.New("not friends yet")
	ErrUnknownContact  = errors.New("unknown contact")
	ErrRequestPending  = errors.New("a friend request is waiting for an answer")
	ErrRequestNotFound = errors.New("no such friend request is waiting")
	ErrAskedAlready    = errors.New("the other side has asked already")
	ErrAlreadyFriends  = errors.New("already friends")
	ErrSelf            = errors.New("this is the account's own session id")
	ErrNoText          = draft.ErrNoText
	ErrTTL             = draft.ErrTTL
	ErrDraftID         = draft.ErrID
	ErrOnlyAsync       = errors.New("protocols session-v1 and session-v2 have no synchronous route")
	ErrSafetyNumber    = errors.New("this is not the safety number with that contact")
)

// ErrLocked reports that another process holds the keystore's lock. Every method with a context may return it.
var ErrLocked = keystore.ErrLocked

// Environment is what an account needs from its process: clock, randomness and process names.
type Environment struct {
	Now    func() time.Time
	Stamp  func() time.Time // the network's time, for timestamps of messages; nil means Now
	Random io.Reader
	// Owner is the name of this process, and Look returns the state of another one. They decide which process works on
	// an entry of the outbox or inbox. If Announce is not nil, the account calls it before it claims an entry for
	// Owner, so that other processes find this one alive from then on.
	Owner    string
	Announce func() error
	StateOf  func(owner string) presence.State
	// Keep says which received events stay. Once a day the others are deleted, some at a time.
	Keep inbox.Kept
	// Plain sends without sealed sender, as the first releases could. Original sends without our extension, as other
	// clients do. Both are for replaying recordings.
	Plain    bool
	Original bool
}

// Account is one identity of a keystore. Several processes may use one identity at once.
type Account struct {
	store *keystore.Store
	env   Environment
	name  string
	id    identity
	keys  sessionid.Keys

	outbox *outbox.Box
	group  *groupcommit.Group // of the steps of outgoing messages, many of which are in flight together

	// inside is held in each transaction of this process. It guards the time of package lifetime in the current
	// transaction, and the efforts of the batch that it receives.
	inside  sync.Mutex
	life    time.Time
	efforts *efforts.Efforts

	watch func(kind ciphertext.Kind, encrypted []byte) // of a Forgery: sees what is sealed; nil otherwise
}

// identity is an account's stored form.
type identity struct {
	DisplayName    string    `json:"display_name"`
	Seed           []byte    `json:"seed"`
	RegistrationID uint32    `json:"registration_id"`
	CreatedAt      time.Time `json:"created_at"`
	Origin         string    `json:"origin,omitempty"` // originNew or originRestored; earlier versions did not note it
}

func newAccount(store *keystore.Store, env Environment, name string) *Account {
	if env.Announce == nil {
		env.Announce = func() error { return nil }
	}
	process := outbox.Process{Now: env.Now, Owner: env.Owner, Announce: env.Announce, StateOf: env.StateOf}
	a := &Account{store: store, env: env, name: name, outbox: outbox.New(process)}
	a.group = groupcommit.New(a.update)
	return a
}

// CheckNames returns the error of [keystore.CheckAccountName] or [message.CheckDisplayName] for these names.
func CheckNames(name, displayName string) error {
	if err := keystore.CheckAccountName(name); err != nil {
		return err
	}
	return message.CheckDisplayName(displayName)
}

// Create adds an account to the keystore and makes its first signed prekey. The error wraps [keystore.ErrAccountExists]
// if the name is taken; see also [CheckNames]. The seed is new: see [Restore].
func Create(ctx context.Context, store *keystore.Store, env Environment, name, displayName string,
	seed sessionid.Seed) (*Account, error) {
	return create(ctx, store, env, name, identity{DisplayName: displayName, Seed: seed[:], Origin: originNew})
}

// Restore is [Create] for the seed of an account that exists already and may be on other devices.
func Restore(ctx context.Context, store *keystore.Store, env Environment, name, displayName string,
	seed sessionid.Seed) (*Account, error) {
	return create(ctx, store, env, name, identity{DisplayName: displayName, Seed: seed[:], Origin: originRestored})
}

func create(ctx context.Context, store *keystore.Store, env Environment, name string, id identity) (*Account, error) {
	displayName, seed := id.DisplayName, sessionid.Seed(id.Seed)
	if err := CheckNames(name, displayName); err != nil {
		return nil, err
	}
	registration, err := newRegistrationID(env.Random)
	if err != nil {
		return nil, err
	}
	a := newAccount(store, env, name)
	a.keys = sessionid.KeysFromSeed(seed)
	a.keys.X25519 = a.keys.X25519.Keeping()
	a.id = id
	a.id.RegistrationID, a.id.CreatedAt = registration, env.Now().UTC()
	err = store.CreateAccount(ctx, name, func(tx *keystore.Tx) error {
		if err := tables.Put(tx, tableIdentity, identityKey, a.id); err != nil {
			return err
		}
		if _, err := lifetime.Advance(tx, env.Now()); err != nil {
			return err
		}
		_, err := a.maker().Rotate(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// newRegistrationID draws the 14-bit number that Signal's protocol gives an installation (signal-2020.md section 1.1).
func newRegistrationID(random io.Reader) (uint32, error) {
	var b [2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, err
	}
	return uint32(binary.BigEndian.Uint16(b[:]) & 0x3fff), nil
}

// Open loads an account. The error wraps [keystore.ErrAccountNotFound] if there is none of that name.
func Open(ctx context.Context, store *keystore.Store, env Environment, name string) (*Account, error) {
	a := newAccount(store, env, name)
	if err := store.View(ctx, name, a.load); err != nil {
		return nil, err
	}
	return a, nil
}

// OpenIn is [Open] for a keystore folder, which it opens with [keystore.OpenAccount]. An empty name means the only
// account.
func OpenIn(ctx context.Context, dir string, unlock keystore.Unlock, options keystore.Options, env Environment,
	name string) (*Account, error) {
	a := newAccount(nil, env, "")
	var err error
	if a.store, a.name, err = keystore.OpenAccount(ctx, dir, unlock, options, name, a.load); err != nil {
		return nil, err
	}
	return a, nil
}

// load reads the account's identity.
func (a *Account) load(tx *keystore.Tx) error {
	if _, err := tables.Get(tx, tableIdentity, identityKey, &a.id); err != nil {
		return err
	}
	if len(a.id.Seed) != len(sessionid.Seed{}) {
		return fmt.Errorf("identity: %w", keystore.ErrCorrupt)
	}
	a.keys = sessionid.KeysFromSeed(sessionid.Seed(a.id.Seed))
	a.keys.X25519 = a.keys.X25519.Keeping()
	return nil
}

// JournalKey returns the key of the journal of traces beside the account's keystore.
func (a *Account) JournalKey() [32]byte { return a.store.DeriveKey("trace journal") }

// Name returns the account's name in its keystore.
func (a *Account) Name() string { return a.name }

// ID returns the account's Session ID.
func (a *Account) ID() sessionid.ID { return a.keys.ID() }

// DisplayName returns the name that the account shows to contacts. It may be empty.
func (a *Account) DisplayName() string { return a.id.DisplayName }

// Ed25519Public returns the signing key's public half.
func (a *Account) Ed25519Public() [32]byte { return a.keys.Ed25519Public() }

// Sign signs with the account's Ed25519 key, for requests that only the account's owner may make.
func (a *Account) Sign(message []byte) [64]byte { return a.keys.Sign(message) }

// Mnemonic returns the account's 13 recovery words. They give full control of the account.
func (a *Account) Mnemonic() string { return mnemonic.Encode(sessionid.Seed(a.id.Seed)) }

// Bundle returns the prekey bundle for a contact, and makes its one-time prekey if there is none yet. A contact gets
// the same prekey until it has used it (signal-2020.md section 6.1).
func (a *Account) Bundle(ctx context.Context, contact sessionid.ID) (bundle x3dh.Bundle, err error) {
	err = a.update(ctx, func(tx *keystore.Tx) error {
		bundle, err = a.maker().Bundle(tx, contact)
		return err
	})
	return bundle, err
}

// update runs one transaction, and rotates the prekeys first if they are due.
func (a *Account) update(ctx context.Context, work func(tx *keystore.Tx) error) error {
	ctx, span := trace.Start(ctx, trace.SpanCommit)
	err := a.updateTraced(ctx, work)
	span.End(err)
	return err
}

// updateTraced is update within its span.
func (a *Account) updateTraced(ctx context.Context, work func(tx *keystore.Tx) error) error {
	return a.store.Update(ctx, a.name, func(tx *keystore.Tx) error {
		a.inside.Lock()
		defer a.inside.Unlock()
		var err error
		if a.life, err = lifetime.Advance(tx, a.env.Now()); err != nil {
			return err
		}
		if err := a.maker().KeepFresh(tx); err != nil {
			return err
		}
		return work(tx)
	})
}

// stamp returns the timestamp in milliseconds for a message that is sealed now.
func (a *Account) stamp() int64 {
	if a.env.Stamp != nil {
		return a.env.Stamp().UnixMilli()
	}
	return a.env.Now().UnixMilli()
}

// claim returns the owner name for a claim, after it announced this process.
func (a *Account) claim() (owner string, err error) { return a.env.Owner, a.env.Announce() }

func (a *Account) view(ctx context.Context, work func(tx *keystore.Tx) error) error {
	return a.store.View(ctx, a.name, func(tx *keystore.Tx) error {
		a.inside.Lock()
		defer a.inside.Unlock()
		return work(tx)
	})
}
