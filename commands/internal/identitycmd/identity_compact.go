package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newIdentityCompactCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "compact",
		Short: "Give the keystore's free space back, and erase at once what was deleted",
		Long: "Make the keystore's file as small as what is in it. What was replaced or deleted does not open any\n" +
			"more when the command that did so ends, but the disk may keep the key to it until the system writes\n" +
			"by itself, which is about half a minute, or until the next change. When this command ends the disk\n" +
			"has been written. What a disk or a file system keeps of former blocks, or a snapshot or a backup of\n" +
			"former files, is out of its reach.",
		Examples: []string{
			"sessiontool identity compact",
		},
		Prints: []string{record.TypeCompacted},
		Needs:  cli.Account,
		Run:    app.Run(func(ctx context.Context, _ []string) error { return runIdentityCompact(ctx, app) }),
	})
}

func runIdentityCompact(ctx context.Context, app *cli.App) error {
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return err
	}
	before, err := store.Size()
	if err != nil {
		return err
	}
	if err := store.Compact(ctx); err != nil {
		return err
	}
	after, err := store.Size()
	if err != nil {
		return err
	}
	return app.Print(record.Compacted{
		Type: record.TypeCompacted, Dir: app.KeystoreDir, BytesBefore: before, Bytes: after,
	})
}
