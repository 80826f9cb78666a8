package account

import (
	"context"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
)

// listening is the node at which a process of this account listens.
type listening struct {
	Node  string    `json:"node"`
	Port  uint16    `json:"port"`
	Since time.Time `json:"since"`
}

// ListenAt records that this process listens at a node, named by its Ed25519 key in hex. Until StopListening, or until
// the process ends in any other way, every message of the account carries this address.
func (a *Account) ListenAt(ctx context.Context, node string, port uint16) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		if err := a.forgetListeners(tx); err != nil {
			return err
		}
		owner, err := a.claim()
		if err != nil {
			return err
		}
		return tables.Put(tx, tableListeners, owner, listening{node, port, a.env.Now().UTC()})
	})
}

// StopListening deletes the record of [Account.ListenAt].
func (a *Account) StopListening(ctx context.Context) error {
	return a.update(ctx, func(tx *keystore.Tx) error { return tx.Delete(tableListeners, a.env.Owner) })
}

// Listening reports whether a running process of the account listens.
func (a *Account) Listening(ctx context.Context) (found bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		at, err := a.listening(tx)
		found = at != nil
		return err
	})
	return found, err
}

// forgetListeners deletes the records of processes that have ended.
func (a *Account) forgetListeners(tx *keystore.Tx) error {
	return tx.ForEach(tableListeners, func(owner string, _ []byte) error {
		if a.env.StateOf(owner) == presence.Alive {
			return nil
		}
		return tx.Delete(tableListeners, owner)
	})
}

// listening returns where the account listens: the newest record of a running process, or nil.
func (a *Account) listening(tx *keystore.Tx) (newest *listening, err error) {
	err = tx.ForEach(tableListeners, func(owner string, value []byte) error {
		var at listening
		if err := tables.Decode(tableListeners, value, &at); err != nil {
			return err
		}
		if (newest == nil || at.Since.After(newest.Since)) && a.env.StateOf(owner) == presence.Alive {
			newest = &at
		}
		return nil
	})
	return newest, err
}

// online returns the account's own status as messages carry it.
func (a *Account) online(tx *keystore.Tx) (message.Online, error) {
	at, err := a.listening(tx)
	if err != nil || at == nil {
		return message.Online{}, err
	}
	return message.Online{Reachable: true, Address: at.Node, Port: at.Port}, nil
}
