package account

import (
	"context"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
)

// listening is where a process of this account listens.
type listening struct {
	Node  string    `json:"node"`
	Port  uint16    `json:"port"`
	Since time.Time `json:"since"`
}

// ListenAt notes that this process listens at a node, named by its Ed25519 key in hex, from now on. Until StopListening,
// or until the process ends in any other way, every message that the account sends says so.
func (a *Account) ListenAt(ctx context.Context, node string, port uint16) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		if err := a.forgetListeners(tx); err != nil {
			return err
		}
		owner, err := a.claim()
		if err != nil {
			return err
		}
		return put(tx, tableListeners, owner, listening{node, port, a.env.Now().UTC()})
	})
}

// StopListening takes back what ListenAt noted.
func (a *Account) StopListening(ctx context.Context) error {
	return a.update(ctx, func(tx *keystore.Tx) error { return tx.Delete(tableListeners, a.env.Owner) })
}

// Listening reports whether some living process of the account listens.
func (a *Account) Listening(ctx context.Context) (found bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		at, err := a.listening(tx)
		found = at != nil
		return err
	})
	return found, err
}

// forgetListeners removes the notes of processes that live no more.
func (a *Account) forgetListeners(tx *keystore.Tx) error {
	return tx.ForEach(tableListeners, func(owner string, _ []byte) error {
		if a.env.StateOf(owner) == presence.Alive {
			return nil
		}
		return tx.Delete(tableListeners, owner)
	})
}

// listening returns where the account listens: what the living process says that came last to its node, or nil.
func (a *Account) listening(tx *keystore.Tx) (newest *listening, err error) {
	err = tx.ForEach(tableListeners, func(owner string, value []byte) error {
		var at listening
		if err := decode(tableListeners, value, &at); err != nil {
			return err
		}
		if (newest == nil || at.Since.After(newest.Since)) && a.env.StateOf(owner) == presence.Alive {
			newest = &at
		}
		return nil
	})
	return newest, err
}

// online is the account's own status as messages carry it.
func (a *Account) online(tx *keystore.Tx) (message.Online, error) {
	at, err := a.listening(tx)
	if err != nil || at == nil {
		return message.Online{}, err
	}
	return message.Online{Reachable: true, Address: at.Node, Port: at.Port}, nil
}
