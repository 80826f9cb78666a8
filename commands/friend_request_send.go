package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/drafts"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
)

type friendRequestSendOptions struct {
	drafts.Flags
	drafts.StoreFlags
	again  bool
	sync   syncFlag
	copies account.CopyFor
}

func newFriendRequestSendCommand(app *cli.App) *cobra.Command {
	opts := &friendRequestSendOptions{}
	var cmd *cobra.Command
	cmd = app.Command(cli.Spec{
		Use:   "send [-]",
		Short: "Send a friend request",
		Long: "Send a friend request: a short text, the display name, and what the other side needs to encrypt for\n" +
			"this account. With protocol session-v1 it is the text alone, which 'send' would do as well, with the same\n" +
			"copy for the account's other devices (--sync).\n\n" +
			"To a person who has asked already it is an error, unless that request is older than a week or than\n" +
			"this keystore, or --again is given: then both have asked, and the other side's answer makes friends. That helps an\n" +
			"account that was restored from its words and finds an old request in its box.",
		Examples: []string{"sessiontool friend-request send --to $CAROL --text 'It is me, Alice'"},
		Reads:    []string{record.NameDraft},
		Prints:   []string{record.TypeReceipt},
		Needs:    cli.Account,
		Exits: cli.Exits{
			record.ExitUsage:     "bad draft, friends already, or asked already",
			record.ExitTemporary: "a request is pending, or the network does not answer",
			record.ExitRefused:   "",
			record.ExitClock:     "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.Dash = len(args) > 0
			opts.copies = opts.sync.choice(cmd)
			return runFriendRequestSend(ctx, app, opts)
		}),
	})
	opts.Flags.Add(cmd.Flags())
	opts.StoreFlags.Add(cmd.Flags())
	opts.sync.add(cmd.Flags())
	cmd.Flags().BoolVar(&opts.again, "again", false,
		"ask again although a request is pending, or a friend whose session is lost")
	return cmd
}

func runFriendRequestSend(ctx context.Context, app *cli.App, opts *friendRequestSendOptions) error {
	options, err := opts.StoreFlags.Options(app)
	if err != nil {
		return err
	}
	request := func(a *account.Account, draft account.Draft) *account.Sealing {
		draft.Copy = opts.copies
		return a.BeginRequest(draft, opts.again)
	}
	return drafts.Send(ctx, app, &opts.Flags, options, request)
}
