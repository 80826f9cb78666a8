//go:build unix

package simulation

import (
	"context"
	"errors"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/route"
	"sessiontool/lib/sessionid"
)

// flush is the commands outbox list and outbox flush.
func flush(ctx context.Context, p *program) error {
	return p.using(ctx, route.Options{}, func(a *account.Account, _ *network.Client, router *route.Router) error {
		if _, _, err := a.OutboxWaiting(ctx); err != nil {
			return err
		}
		_, err := router.FlushEach(ctx, func(_ account.Outgoing, _ account.Receipt, err error) error {
			if err != nil && !p.isDead() {
				p.world.model.check(!unexpected(err), "documented codes", "%s: %v", p.name, err)
			}
			return nil
		})
		return err
	})
}

// contactChanges are the commands of contacts that change no friendship: the next ones name a contact, take its name away,
// verify it, and list all contacts.
var contactChanges = []func(ctx context.Context, a *account.Account, id sessionid.ID) error{
	func(ctx context.Context, a *account.Account, id sessionid.ID) error {
		return a.NameContact(ctx, id, "friend-"+id.String()[2:8], true)
	},
	func(ctx context.Context, a *account.Account, id sessionid.ID) error {
		return a.NameContact(ctx, id, "", true)
	},
	func(ctx context.Context, a *account.Account, id sessionid.ID) error {
		return a.Verify(ctx, id, a.SafetyNumber(id))
	},
	func(ctx context.Context, a *account.Account, _ sessionid.ID) error {
		_, err := a.Contacts(ctx)
		return err
	},
}

// changeContact is a command of contacts, see contactChanges.
func changeContact(id sessionid.ID, n int) func(context.Context, *program) error {
	return func(ctx context.Context, p *program) error {
		return p.using(ctx, route.Options{}, func(a *account.Account, _ *network.Client, _ *route.Router) error {
			if err := contactChanges[n](ctx, a, id); !errors.Is(err, account.ErrUnknownContact) {
				return err
			}
			return nil // the command says so; they are not friends yet
		})
	}
}
