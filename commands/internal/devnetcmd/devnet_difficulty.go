package devnetcmd

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

type devnetDifficultyOptions struct {
	*devnetFlags
	difficulty string
}

// newDevnetDifficultyCommand makes 'devnet difficulty'.
func newDevnetDifficultyCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	opts := &devnetDifficultyOptions{devnetFlags: where}
	return app.Command(cli.Spec{
		Use:   "difficulty N",
		Short: "Change the proof of work that the running devnet asks for",
		Long: "Make all nodes ask for this difficulty from now on; nodes that joined from outside follow within\n" +
			"seconds. Clients learn it from the nodes, and messages on their way between nodes stay good, as with\n" +
			"the servers of 2020.",
		Examples: []string{"sessiontool devnet difficulty 10"},
		Prints:   []string{record.TypeNetwork},
		Exits:    cli.Exits{record.ExitNotFound: "no devnet runs"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.difficulty = args[0]
			return runDevnetDifficulty(ctx, app, opts)
		}),
	})
}

func runDevnetDifficulty(ctx context.Context, app *cli.App, opts *devnetDifficultyOptions) error {
	difficulty, err := strconv.ParseInt(opts.difficulty, 10, 64)
	if err != nil || difficulty < 1 {
		return cli.UsageError(fmt.Errorf("difficulty %q is not a positive number", opts.difficulty))
	}
	note, err := findDevnet(ctx, app, opts.devnetFlags)
	if err != nil {
		return err
	}
	remote, err := devnet.Connect(note.Dir)
	if err != nil {
		return err
	}
	status, err := remote.SetDifficulty(ctx, uint64(difficulty))
	if err != nil {
		return err
	}
	return app.Print(note.WithStatus(status))
}
