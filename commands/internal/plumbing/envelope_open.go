package plumbing

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/lib/account"
	"sessiontool/lib/message"
	"sessiontool/lib/record"
)

func newEnvelopeOpenCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "open [-]",
		Short: "Decrypt envelopes and act on them as poll does",
		Long: "Open each envelope with the account's keys and print what is in it: a message, a friend_request, a\n" +
			"delivery, or a control record where there is nothing to show. What was opened before is printed again,\n" +
			"marked as duplicate. What has to be answered is put into the outbox, which the next send or poll empties.",
		Examples: []string{"sessiontool swarm retrieve | sessiontool envelope open"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   render.Arrivals(record.TypeControl),
		Needs:    cli.Account,
		Exits:    cli.Exits{record.ExitPartial: "some cannot be opened"},
		Delivers: true,
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runEnvelopeOpen(ctx, app) }),
	})
}

func runEnvelopeOpen(ctx context.Context, app *cli.App) error {
	var a *account.Account
	return cli.Filter(app, func(in record.Envelope) error {
		if in.DataBase64 == "" {
			return fmt.Errorf("%w: the envelope has no data_base64", cli.ErrBadInput)
		}
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return err
			}
		}
		incoming := account.Incoming{Data: in.DataBase64, Hash: in.MessageHash, Route: message.RouteAsync}
		opened, err := a.ReceiveAsked(ctx, incoming)
		if err != nil {
			return err
		}
		event := opened.Event
		if err := render.PrintEvent(app, a, event, opened.Duplicate); err != nil {
			return err
		}
		if event.Seq == 0 {
			return nil
		}
		return a.MarkDelivered(context.WithoutCancel(ctx), event)
	})
}
