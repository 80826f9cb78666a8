package identitycmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

type identityKeysPublishOptions struct {
	alone bool
	name  string
}

// deviceName is what this program calls itself among the devices of an account.
const deviceName = "sessiontool"

func newIdentityKeysPublishCommand(app *cli.App) *cobra.Command {
	opts := &identityKeysPublishOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "publish",
		Short: "Publish a key, so that messages to this account have forward secrecy",
		Long: "Make a key of session-v2 and publish it in the account's swarm. From then on everybody who writes to\n" +
			"this account encrypts for it: with forward secrecy, and safe against quantum computers. The key\n" +
			"rotates every 11 to 13 hours, by whichever of poll, listen and send runs then. Former keys are kept\n" +
			"for 16 days, for messages on their way, and are then deleted from the keystore's file.\n\n" +
			"A device without these keys cannot read such messages. So an account that was restored from its\n" +
			"words, or that has linked devices which this one does not know, is refused: link this device with\n" +
			"'device link'. If the account is on no other device any more, --alone starts anew with this one.",
		Examples: []string{"sessiontool identity keys publish --network phones.json"},
		Prints:   []string{record.TypeAccountKey},
		Needs:    cli.Account | cli.Network,
		Exits: cli.Exits{
			record.ExitUsage:   "the account may be on other devices",
			record.ExitRefused: "",
			record.ExitClock:   "",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runIdentityKeysPublish(ctx, app, opts) }),
	})
	cmd.Flags().BoolVar(&opts.alone, "alone", false, "the account is on no other device any more")
	cmd.Flags().StringVar(&opts.name, "name", deviceName, "name of this device for the account's other devices")
	return cmd
}

func runIdentityKeysPublish(ctx context.Context, app *cli.App, opts *identityKeysPublishOptions) error {
	a, router, err := openKeys(ctx, app)
	if err != nil {
		return err
	}
	if err := router.PublishKeys(ctx, opts.alone, opts.name); err != nil {
		return err
	}
	return printCurrentKey(ctx, app, a)
}
