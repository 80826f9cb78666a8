package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

type contactBlockOptions struct {
	id string
}

// changeFunc changes what the user says about a contact.
type changeFunc func(ctx context.Context, a *account.Account, id sessionid.ID) error

func newContactBlockCommand(app *cli.App) *cobra.Command {
	opts := &contactBlockOptions{}
	return app.Command(cli.Spec{
		Use:   "block ID",
		Short: "Ignore what a Session ID sends",
		Long: "Ignore what a Session ID sends from now on. Its messages and friend requests are neither printed nor\n" +
			"kept nor counted, and they are not answered: there is no acknowledgement, no online status, no\n" +
			"read receipt and no new session. A request of it that waits is forgotten, and what was received but\n" +
			"not yet printed is not printed. What was printed stays in the inbox. The other side does not learn\n" +
			"of it: a message of a listener's friend is stored, as for a friend that is offline.\n\n" +
			"To a blocked contact nothing can be sent (code blocked). What it sent in the meantime does not come\n" +
			"back with 'contact unblock'. An ID that is not a contact becomes one, which is blocked.",
		Examples: []string{"sessiontool contact block $CAROL --select blocked"},
		Prints:   []string{record.TypeContact},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runContactBlock(ctx, app, opts, func(ctx context.Context, a *account.Account, id sessionid.ID) error {
				return a.Block(ctx, id)
			})
		}),
	})
}

func newContactUnblockCommand(app *cli.App) *cobra.Command {
	opts := &contactBlockOptions{}
	return app.Command(cli.Spec{
		Use:   "unblock ID",
		Short: "Take back a block, or that a request was declined",
		Long: "Print again what a contact sends from now on: take back 'contact block', and 'friend-request\n" +
			"decline', after which a stranger who asks again is ignored, too.",
		Examples: []string{"sessiontool contact block $CAROL && sessiontool contact unblock $CAROL"},
		Prints:   []string{record.TypeContact},
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name", record.ExitNotFound: "no such contact"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runContactBlock(ctx, app, opts, func(ctx context.Context, a *account.Account, id sessionid.ID) error {
				return a.Unblock(ctx, id)
			})
		}),
	})
}

func runContactBlock(ctx context.Context, app *cli.App, opts *contactBlockOptions, change changeFunc) error {
	a, id, err := who.Contact(ctx, app, opts.id)
	if err != nil {
		return err
	}
	if err := change(ctx, a, id); err != nil {
		return err
	}
	return printContact(ctx, app, a, id)
}
