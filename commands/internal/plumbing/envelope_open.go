package plumbing

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/inflight"
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
	var marking inflight.Later
	err := cli.FilterAhead(ctx, app, app.Parallel(), func(in record.Envelope) (cli.Task, error) {
		if in.DataBase64 == "" {
			return nil, fmt.Errorf("%w: the envelope has no data_base64", cli.ErrBadInput)
		}
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return nil, err
			}
		}
		incoming := account.Incoming{Data: in.DataBase64, Hash: in.MessageHash, Route: message.RouteAsync}
		opening := a.BeginAsked(incoming)
		return func(ctx context.Context) (any, error) {
			opened, err := opening.Wait(ctx)
			if err != nil {
				return nil, err
			}
			event := opened.Event
			return cli.Printed{
				Print: func() error { return render.PrintEvent(app, a, event, opened.Duplicate) },
				Then: func() error {
					if event.Seq == 0 {
						return nil
					}
					return marking.Do(func() error { return a.MarkDelivered(context.WithoutCancel(ctx), event) })
				},
			}, nil
		}, nil
	})
	return errors.Join(err, marking.Wait())
}
