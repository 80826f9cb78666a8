package plumbing

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/pow"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

func newPowSolveCommand(app *cli.App) *cobra.Command {
	opts := &powOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "solve [-]",
		Short: "Do the proof of work for envelopes",
		Long: "Find the lowest nonce that meets the difficulty for each envelope, and print the envelope with\n" +
			"nonce, difficulty and message_hash. Without --difficulty it is what the envelope names, or what the\n" +
			"network asked for last, or 1 if no network is known: 'swarm store' solves again if that is too\n" +
			"little. All processors search for one nonce or each for another, whatever is faster; records keep\n" +
			"the order of the envelopes.",
		Examples: []string{"sessiontool envelope seal --to $BOB --text hello | sessiontool pow solve --difficulty 10"},
		Reads:    []string{record.TypeEnvelope},
		Prints:   []string{record.TypeEnvelope},
		Exits:    cli.Exits{record.ExitRefused: "no nonce can meet the difficulty"},
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runPowSolve(ctx, app, opts) }),
	})
	opts.addDifficulty(cmd.Flags())
	opts.addWorkers(cmd.Flags())
	return cmd
}

func runPowSolve(ctx context.Context, app *cli.App, opts *powOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	cores := pow.NewCores(opts.cores())
	return cli.FilterAhead(ctx, app, cli.Processors(lookAhead*opts.cores()), func(in record.Envelope) (cli.Task, error) {
		request, err := powRequest(in)
		if err != nil {
			return nil, err
		}
		difficulty, err := chooseDifficulty(app, opts, in)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (any, error) {
			progress := app.Progress("proof of work")
			defer progress.End()
			prover := route.NewProver(route.Options{
				Cores: cores, MaxProof: route.AnyProof, Progress: progress.Show,
			})
			if err := prover.Solve(ctx, &request, difficulty); err != nil {
				return nil, err
			}
			in.Type, in.Nonce, in.Difficulty = record.TypeEnvelope, request.Nonce, difficulty
			in.MessageHash = request.Hash()
			return in, nil
		}, nil
	})
}

// lookAhead is how many envelopes are read for each processor, so that none is idle while others work on one that
// takes long.
const lookAhead = 4
