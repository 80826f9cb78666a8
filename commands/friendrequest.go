package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/route"
)

type requestOptions struct {
	draftFlags
	storeFlags
	again bool
}

func newFriendRequestCommand(app *cli.App) *cobra.Command {
	opts := &requestOptions{}
	send := app.Command(cli.Spec{
		Use:   "send [-]",
		Short: "Ask somebody to be a friend",
		Long: "Send a friend request: a short text, the display name, and what the other side needs to encrypt for this\n" +
			"account. In today's protocol it is the text alone, which 'send' would do as well.",
		Examples: []string{"sessiontool friend-request send --to $CAROL --text 'It is me, Alice'"},
		Reads:    []string{record.NameDraft},
		Prints:   []string{record.TypeReceipt},
		Exits: cli.AccountExits().With(cli.Exits{
			record.ExitUsage:     "bad draft, friends already, or asked already",
			record.ExitPartial:   "",
			record.ExitTemporary: "a request is pending, or the network does not answer",
			record.ExitRefused:   "",
			record.ExitClock:     "",
		}),
		Run: app.Run(func(ctx context.Context, args []string) error {
			options, err := opts.storeFlags.options(app)
			if err != nil {
				return err
			}
			return sendDrafts(ctx, app, &opts.draftFlags, options, args,
				func(ctx context.Context, a *account.Account, draft account.Draft) (account.Outgoing, error) {
					return a.RequestFriend(ctx, draft, opts.again)
				})
		}),
	})
	opts.draftFlags.add(send.Flags())
	opts.storeFlags.add(send.Flags())
	send.Flags().BoolVar(&opts.again, "again", false, "ask again although a request is pending, or a friend whose session is lost")

	var all bool
	list := app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print the friend requests that wait, in both directions",
		Examples: []string{"sessiontool friend-request list"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeFriendRequest},
		Exits:    cli.AccountExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runFriendRequestList(ctx, app, all) }),
	})
	list.Flags().BoolVar(&all, "all", false, "completed ones too")

	acceptStore := &storeFlags{}
	accept := app.Command(cli.Spec{
		Use:   "accept [ID...]",
		Short: "Accept friend requests, by Session ID or request id",
		Long: "Accept friend requests: start the encrypted sessions, if the requests are of 2020, and tell the other sides so.\n\n" +
			"Without an ID they are read from stdin: strings, or records with an id.",
		Examples: []string{
			"sessiontool friend-request accept $ALICE",
			"sessiontool friend-request list | sessiontool friend-request accept",
		},
		Reads:  []string{record.TypeFriendRequest},
		Prints: []string{record.TypeReceipt},
		Exits: cli.Exits{
			record.ExitPartial:   "",
			record.ExitNotFound:  "no such request",
			record.ExitTemporary: "the network does not answer",
			record.ExitRefused:   "",
			record.ExitAuth:      "the keystore does not open",
			record.ExitClock:     "",
			record.ExitLocked:    "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error {
			return runFriendRequestAccept(ctx, app, acceptStore, args)
		}),
	})
	acceptStore.add(accept.Flags())

	decline := app.Command(cli.Spec{
		Use:      "decline [ID...]",
		Short:    "Forget friend requests; the other sides are not told",
		Examples: []string{"sessiontool friend-request decline $ALICE"},
		Reads:    []string{record.TypeFriendRequest},
		Prints:   []string{record.TypeFriendRequest},
		Exits: cli.Exits{
			record.ExitPartial:  "",
			record.ExitNotFound: "no such request",
			record.ExitAuth:     "the keystore does not open",
			record.ExitLocked:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runFriendRequestDecline(ctx, app, args) }),
	})
	return cli.Parent("friend-request", "Send, list, accept and decline friend requests", "", send, list, accept, decline)
}

func runFriendRequestList(ctx context.Context, app *cli.App, all bool) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	requests, err := a.FriendRequests(ctx)
	if err != nil {
		return err
	}
	for _, request := range requests {
		if request.State == account.StateFriends && !all {
			continue
		}
		if err := app.Print(requestRecord(a, request)); err != nil {
			return err
		}
	}
	return nil
}

func runFriendRequestAccept(ctx context.Context, app *cli.App, store *storeFlags, args []string) error {
	options, err := store.options(app)
	if err != nil {
		return err
	}
	var a *account.Account
	var router *route.Router
	return app.EachName(args, func(name string) error {
		if a == nil {
			var err error
			if a, router, err = app.OpenRouter(ctx, options); err != nil {
				return err
			}
		}
		out, err := a.Accept(ctx, strings.ToLower(name))
		if err != nil {
			return err
		}
		return sendOutgoing(ctx, app, a, router, out)
	})
}

func runFriendRequestDecline(ctx context.Context, app *cli.App, args []string) error {
	var a *account.Account
	return app.EachName(args, func(name string) error {
		if a == nil {
			var err error
			if a, err = app.OpenAccount(ctx); err != nil {
				return err
			}
		}
		declined, err := a.Decline(ctx, strings.ToLower(name))
		if err != nil {
			return err
		}
		return app.Print(requestRecord(a, declined))
	})
}
