package plumbing

import (
	"context"
	"encoding/hex"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
)

func newPowVerifyCommand(app *cli.App) *cobra.Command {
	opts := &powOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "verify [-]",
		Short: "Check the proof of work of envelopes",
		Long: "Check each envelope's nonce against --difficulty, or the difficulty that the envelope names, by the\n" +
			"rule of the 2020 storage server.",
		Examples: []string{"sessiontool pow verify --difficulty 1 < solved.json"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypePow},
		Exits:    cli.Exits{record.ExitRefused: "a proof does not meet the difficulty"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPowVerify(ctx, app, opts) }),
	})
	opts.addDifficulty(cmd.Flags())
	return cmd
}

func runPowVerify(_ context.Context, app *cli.App, opts *powOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	invalid := false
	err := cli.Filter(app, func(in record.Envelope) error {
		request, err := powRequest(in)
		if err != nil {
			return err
		}
		nonce, err := pow.DecodeNonce(in.Nonce)
		if err != nil {
			return err
		}
		difficulty, err := chooseDifficulty(app, opts, in)
		if err != nil {
			return err
		}
		out := powRecord(request, difficulty)
		hash, valid := pow.Verify(request.Message(), nonce, uint64(difficulty))
		out.Valid, out.MessageHash, out.Ref = &valid, hex.EncodeToString(hash[:]), in.Ref
		invalid = invalid || !valid
		return app.Print(out)
	})
	if err == nil && invalid {
		return cli.ErrInvalidPow
	}
	return err
}
