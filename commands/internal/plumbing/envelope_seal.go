package plumbing

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/drafts"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

func newEnvelopeSealCommand(app *cli.App) *cobra.Command {
	opts := &drafts.Flags{}
	cmd := app.Command(cli.Spec{
		Use:   "seal [-]",
		Short: "Encrypt texts, without sending them",
		Long: "Encrypt each draft with the contact's session, or with protocol session-v1, and print the envelope.\n" +
			"The session's new state is stored first. The envelope is not in the outbox: sending it is up to you.",
		Examples: []string{
			"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve | sessiontool swarm store",
		},
		Reads:  []string{record.NameDraft},
		Prints: []string{record.TypeEnvelope},
		Needs:  cli.Account,
		Exits:  cli.Exits{record.ExitUsage: "bad draft", record.ExitNotFound: "not a friend"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.Dash = len(args) > 0
			return runEnvelopeSeal(ctx, app, opts)
		}),
	})
	opts.Add(cmd.Flags())
	return cmd
}

func runEnvelopeSeal(ctx context.Context, app *cli.App, opts *drafts.Flags) error {
	var a *account.Account
	return opts.Each(ctx, app, func(draft account.Draft) (any, error) {
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return nil, err
			}
		}
		out, err := drafts.Seal(ctx, app, a, draft)
		return record.Envelope{
			Type: record.TypeEnvelope, To: out.To.String(), TimestampMS: out.TimestampMS, TTLMillis: out.TTLMillis,
			DataBase64: out.Data, Ref: out.Ref,
		}, err
	})
}
