package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/envelope"
	"sessiontool/lib/record"
)

func newEnvelopeCommand(app *cli.App) *cobra.Command {
	drafts := &draftFlags{}
	seal := app.Command(cli.Spec{
		Use:   "seal [-]",
		Short: "Encrypt texts, without sending them",
		Long: "Encrypt each draft with the contact's session, or by today's protocol, and print the envelope. The session's new\n" +
			"state is stored first; the envelope itself is yours to send, and stands in no outbox.",
		Examples: []string{"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve | sessiontool swarm store"},
		Reads:    []string{record.NameDraft},
		Prints:   []string{record.TypeEnvelope},
		Exits: cli.Exits{
			record.ExitUsage:    "bad draft",
			record.ExitPartial:  "",
			record.ExitNotFound: "not a friend",
			record.ExitAuth:     "the keystore does not open",
			record.ExitLocked:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runEnvelopeSeal(ctx, app, drafts, args) }),
	})
	drafts.add(seal.Flags())
	open := app.Command(cli.Spec{
		Use:   "open [-]",
		Short: "Decrypt envelopes and act on them as poll does",
		Long: "Open each envelope with the account's keys and print what is in it: a message, a friend_request, a\n" +
			"delivery, or a control record where there is nothing to show. What was opened before is printed again,\n" +
			"marked as duplicate. What has to be answered is put into the outbox, which the next send or poll empties.",
		Examples: []string{"sessiontool swarm retrieve | sessiontool envelope open"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypeMessage, record.TypeFriendRequest, record.TypeDelivery, record.TypeControl},
		Exits:    cli.AccountExits().With(cli.Exits{record.ExitPartial: "some cannot be opened"}),
		Delivers: true,
		Run:      app.Run(func(ctx context.Context, args []string) error { return runEnvelopeOpen(ctx, app, args) }),
	})
	inspect := app.Command(cli.Spec{
		Use:   "inspect [-]",
		Short: "Print what an envelope tells without any key",
		Long: "Print the type, size and timestamp of each envelope, and its sender where that is not sealed. No keystore\n" +
			"is needed.",
		Examples: []string{"sessiontool swarm retrieve | sessiontool envelope inspect"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypeEnvelopeInfo},
		Exits:    cli.Exits{record.ExitPartial: ""},
		Run:      app.Run(func(ctx context.Context, args []string) error { return runEnvelopeInspect(ctx, app, args) }),
	})
	return cli.Parent("envelope", "Seal, open and inspect envelopes", "", seal, open, inspect)
}

func runEnvelopeSeal(ctx context.Context, app *cli.App, drafts *draftFlags, args []string) error {
	var a *account.Account
	return drafts.each(app, args, func(draft account.Draft) error {
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return err
			}
		}
		out, err := sealDraft(ctx, app, a, draft, func(ctx context.Context, a *account.Account, draft account.Draft) (account.Outgoing, error) {
			return a.Seal(ctx, draft)
		})
		if err != nil {
			return err
		}
		return app.Print(record.Envelope{
			Type: record.TypeEnvelope, To: out.To.String(), TimestampMS: out.TimestampMS, TTLMillis: out.TTLMillis,
			DataBase64: out.Data, Ref: out.Ref,
		})
	})
}

func runEnvelopeOpen(ctx context.Context, app *cli.App, args []string) error {
	if err := cli.OnlyDash(args); err != nil {
		return err
	}
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
		incoming := account.Incoming{Data: in.DataBase64, Hash: in.MessageHash, Route: record.RouteAsync}
		opened, err := a.Receive(ctx, []account.Incoming{incoming}, nil)
		if err != nil {
			return err
		}
		event := opened[0].Event
		if err := printEvent(app, a, event, opened[0].Duplicate); err != nil {
			return err
		}
		if !event.Shown() {
			return nil
		}
		return a.MarkDelivered(context.WithoutCancel(ctx), event)
	})
}

func runEnvelopeInspect(_ context.Context, app *cli.App, args []string) error {
	if err := cli.OnlyDash(args); err != nil {
		return err
	}
	return cli.Filter(app, func(in record.Envelope) error {
		env, err := envelope.Unpack(in.DataBase64)
		if err != nil {
			return err
		}
		out := record.EnvelopeInfo{
			Type: record.TypeEnvelopeInfo, Kind: env.Type.String(), KindNumber: int(env.Type),
			TimestampMS: int64(env.TimestampMS), ContentBytes: len(env.Content), DataBytes: len(in.DataBase64), Ref: in.Ref,
		}
		if !env.Source.IsZero() {
			out.From = env.Source.String()
		}
		return app.Print(out)
	})
}
