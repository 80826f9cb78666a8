package plumbing

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/sessionid"
)

type swarmCheckOptions struct {
	ids []string // none for the account's own
}

// newSwarmCheckCommand makes 'swarm check'.
func newSwarmCheckCommand(app *cli.App) *cobra.Command {
	opts := &swarmCheckOptions{}
	return app.Command(cli.Spec{
		Use:   "check [ID...]",
		Short: "See whether the members of a swarm are there and hold the same messages",
		Long: "Ask every member of a Session ID's swarm whether it is there and which software it runs. If the ID\n" +
			"is the account's own, also read all that each member stores, through onion paths, and print which\n" +
			"messages one has and another lacks. Nothing is marked as read.\n\n" +
			"Members are as the seeds list them. Each is also asked directly, without an onion path: it learns this\n" +
			"machine's address, but not whose swarm is checked.\n\n" +
			"Without an ID the account's own swarm is checked; '-' reads ids from stdin (strings, or records with a\n" +
			"session_id). A record's 'agree' is false if a member fails or lacks a message.",
		Examples: []string{
			"sessiontool swarm check --select agree",
			"sessiontool swarm check --pretty $BOB",
			"sessiontool contact list | sessiontool swarm check - --select 'members.#(reachable==false)#.address'",
		},
		Reads:  []string{record.TypeIdentity, record.TypeContact},
		Prints: []string{record.TypeSwarmCheck},
		Needs:  cli.Account | cli.Network,
		Exits:  cli.Exits{record.ExitUsage: "neither a Session ID nor a possible name"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.ids = args
			return runSwarmCheck(ctx, app, opts)
		}),
	})
}

func runSwarmCheck(ctx context.Context, app *cli.App, opts *swarmCheckOptions) error {
	if len(opts.ids) == 0 {
		client, err := app.OpenNetwork()
		if err != nil {
			return err
		}
		a, err := app.OpenAccount(ctx)
		if err != nil {
			return err
		}
		return checkSwarm(ctx, app, mailbox.NewChecker(a, client), a.ID())
	}
	var checker *mailbox.Checker
	finder := who.New(app, nil)
	return app.EachName(opts.ids, func(name string) error {
		id, err := finder.ID(ctx, name)
		if err != nil {
			return err
		}
		if checker == nil {
			if checker, err = openChecker(ctx, app); err != nil {
				return err
			}
		}
		return checkSwarm(ctx, app, checker, id)
	})
}

// openChecker opens the network and, if there is one, the account.
func openChecker(ctx context.Context, app *cli.App) (*mailbox.Checker, error) {
	client, err := app.OpenNetwork()
	if err != nil {
		return nil, err
	}
	a, err := app.OpenAccount(ctx)
	if err != nil && !who.IsNoAccount(err) {
		return nil, err
	}
	return mailbox.NewChecker(a, client), nil
}

func checkSwarm(ctx context.Context, app *cli.App, checker *mailbox.Checker, id sessionid.ID) error {
	out, err := checker.Check(ctx, id)
	if err != nil {
		return err
	}
	return app.Print(render.SwarmCheck(out))
}
