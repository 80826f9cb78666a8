package plumbing

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/envelope"
	"sessiontool/lib/record"
)

func newEnvelopeInspectCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "inspect [-]",
		Short: "Print what can be read of an envelope without a key",
		Long: "Print the type, size and timestamp of each envelope, and its sender where that is not sealed. No\n" +
			"keystore is needed. A message of session-v2 has no envelope: its kind is session-v2, and only its size\n" +
			"is known.",
		Examples: []string{"sessiontool swarm retrieve | sessiontool envelope inspect"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypeEnvelopeInfo},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runEnvelopeInspect(ctx, app) }),
	})
}

func runEnvelopeInspect(_ context.Context, app *cli.App) error {
	return cli.Filter(app, func(in record.Envelope) error {
		env, err := envelope.Unpack(in.DataBase64)
		if errors.Is(err, envelope.ErrV2) {
			// There is no envelope: nothing but the size can be read.
			return app.Print(record.EnvelopeInfo{
				Type: record.TypeEnvelopeInfo, Kind: string(account.ProtocolSessionV2), DataBytes: len(in.DataBase64), Ref: in.Ref,
			})
		}
		if err != nil {
			return err
		}
		out := record.EnvelopeInfo{
			Type: record.TypeEnvelopeInfo, Kind: env.Kind.String(), KindNumber: int(env.Kind),
			TimestampMS: int64(env.TimestampMS), ContentBytes: len(env.Content), DataBytes: len(in.DataBase64),
			Ref: in.Ref,
		}
		if !env.Source.IsZero() {
			out.From = env.Source.String()
		}
		return app.Print(out)
	})
}
