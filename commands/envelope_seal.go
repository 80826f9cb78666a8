package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

func newEnvelopeSealCommand(app *cli.App) *cobra.Command {
	opts := &draftFlags{}
	cmd := app.Command(cli.Spec{
		Use:   "seal [-]",
		Short: "Encrypt texts, without sending them",
		Long: "Encrypt each draft with the contact's session, or by today's protocol, and print the envelope. The\n" +
			"session's new state is stored first. The envelope is not in the outbox: sending it is up to you.",
		Examples: []string{
			"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve | sessiontool swarm store",
		},
		Args:   cli.OnlyDash,
		Reads:  []string{record.NameDraft},
		Prints: []string{record.TypeEnvelope},
		Exits: cli.Exits{
			record.ExitUsage:    "bad draft",
			record.ExitPartial:  "",
			record.ExitNotFound: "not a friend",
			record.ExitAuth:     "the keystore does not open",
			record.ExitLocked:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.dash = len(args) > 0
			return runEnvelopeSeal(ctx, app, opts)
		}),
	})
	opts.add(cmd.Flags())
	return cmd
}

func runEnvelopeSeal(ctx context.Context, app *cli.App, opts *draftFlags) error {
	seal := func(ctx context.Context, a *account.Account, draft account.Draft) (account.Outgoing, error) {
		return a.Seal(ctx, draft)
	}
	var a *account.Account
	return opts.each(app, func(draft account.Draft) error {
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return err
			}
		}
		out, err := sealDraft(ctx, app, a, draft, seal)
		if err != nil {
			return err
		}
		return app.Print(record.Envelope{
			Type: record.TypeEnvelope, To: out.To.String(), TimestampMS: out.TimestampMS, TTLMillis: out.TTLMillis,
			DataBase64: out.Data, Ref: out.Ref,
		})
	})
}
