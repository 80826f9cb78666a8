package commands

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newInboxPruneCommand(app *cli.App) *cobra.Command {
	var olderThan time.Duration
	cmd := app.Command(cli.Spec{
		Use:   "prune",
		Short: "Delete old received records, and return their space",
		Long: "Delete what was received longer ago than --older-than, or all but what --keep keeps: a number of records,\n" +
			"or a time. What no poll or listen has delivered yet stays, unless it was set aside. The file of the\n" +
			"keystore shrinks.\n\n" +
			"That a message came is remembered for 15 days all the same: as long as a node may have it, another poll\n" +
			"may get it again.\n\n" +
			"With keep in the config file, poll and listen delete once a day what is not kept.",
		Examples: []string{
			"sessiontool inbox prune --older-than 720h",
			"sessiontool inbox prune --keep 1000",
		},
		Prints: []string{record.TypePruned},
		Needs:  cli.Account,
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runInboxPrune(ctx, app, olderThan) }),
	})
	cmd.Flags().DurationVar(&olderThan, "older-than", 0, "delete what was received longer ago")
	return cmd
}

func runInboxPrune(ctx context.Context, app *cli.App, olderThan time.Duration) error {
	kept := app.Kept
	if olderThan != 0 {
		kept.For, kept.Count = olderThan, 0
	}
	if kept.All() || olderThan < 0 {
		return cli.UsageError(errors.New("say what to delete: --older-than TIME, or --keep NUMBER or TIME"))
	}
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	before, err := store.Size()
	if err != nil {
		return err
	}
	pruned, err := a.Prune(ctx, kept)
	if err != nil {
		return err
	}
	after, err := store.Size()
	if err != nil {
		return err
	}
	return app.Print(record.Pruned{
		Type: record.TypePruned, Account: a.Name(), Pruned: pruned, BytesBefore: before, Bytes: after,
	})
}
