package account

import (
	"context"

	"sessiontool/keystore"
	"sessiontool/lib/account/listeners"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
)

// ListenAt records that this process listens at a node, named by its Ed25519 key in hex. Until StopListening, or until
// the process ends in any other way, every message of the account carries this address.
func (a *Account) ListenAt(ctx context.Context, node string, port uint16) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		if err := listeners.Forget(tx, a.alive); err != nil {
			return err
		}
		owner, err := a.claim()
		if err != nil {
			return err
		}
		return listeners.Put(tx, owner, listeners.Listener{Node: node, Port: port, Since: a.env.Now().UTC()})
	})
}

// StopListening deletes the record of [Account.ListenAt].
func (a *Account) StopListening(ctx context.Context) error {
	return a.update(ctx, func(tx *keystore.Tx) error { return listeners.Remove(tx, a.env.Owner) })
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

// listening returns where the account listens, or nil.
func (a *Account) listening(tx *keystore.Tx) (*listeners.Listener, error) {
	return listeners.Newest(tx, a.alive)
}

// alive reports whether another process runs.
func (a *Account) alive(owner string) bool { return a.env.StateOf(owner) == presence.Alive }

// online returns the account's own status as messages carry it.
func (a *Account) online(tx *keystore.Tx) (message.Online, error) {
	at, err := a.listening(tx)
	if err != nil || at == nil {
		return message.Online{}, err
	}
	return message.Online{Reachable: true, Address: at.Node, Port: at.Port}, nil
}
