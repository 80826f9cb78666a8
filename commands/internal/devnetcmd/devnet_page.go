package devnetcmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
)

type devnetPageOptions struct {
	*devnetFlags
	page  pageFlags
	token bool
	close bool
}

func newDevnetPageCommand(app *cli.App, where *devnetFlags) *cobra.Command {
	opts := &devnetPageOptions{devnetFlags: where, page: pageFlags{address: "127.0.0.1:0"}}
	cmd := app.Command(cli.Spec{
		Use:   "page",
		Short: "Show the running devnet in a browser",
		Long: "Make the running devnet serve a page, and print its network record with the page's URL. The page shows\n" +
			"the ring with its swarms and nodes, what each node holds, messages that move from node to node, and\n" +
			"the last ten minutes. A page that is open already stays where it is.\n\n" +
			"Looking needs no permission. To stop nodes, set faults and change the difficulty the page needs\n" +
			"the control token: --token puts it into the URL, behind a #, which a browser keeps to itself.\n\n" +
			"The page is for browsers on this machine. With --page-remote it is for others too, and a browser asks\n" +
			"for a password, which is the token; the connection is not encrypted.",
		Examples: []string{
			"sessiontool devnet page --select page_url",
			"sessiontool devnet page --token",
			"sessiontool devnet page --close",
		},
		Prints: []string{record.TypeNetwork},
		Exits: cli.Exits{
			record.ExitUsage: "or the address cannot be used", record.ExitNotFound: "no devnet runs",
		},
		Run: app.Run(func(ctx context.Context, _ []string) error { return runDevnetPage(ctx, app, opts) }),
	})
	opts.page.add(cmd.Flags(), "listen")
	cmd.Flags().BoolVar(&opts.token, "token", false, "print the URL with the control token, to make changes")
	cmd.Flags().BoolVar(&opts.close, "close", false, "close the page")
	return cmd
}

// runDevnetPage opens or closes the page of a devnet.
func runDevnetPage(ctx context.Context, app *cli.App, opts *devnetPageOptions) error {
	if err := opts.page.check("listen"); err != nil {
		return err
	}
	note, err := findDevnet(ctx, app, opts.devnetFlags)
	if err != nil {
		return err
	}
	remote, err := devnet.Connect(note.Dir)
	if err != nil {
		return err
	}
	var status devnet.Status
	if opts.close {
		status, err = remote.ClosePage(ctx)
	} else {
		status, err = remote.OpenPage(ctx, opts.page.options())
	}
	if errors.Is(err, devnet.ErrPage) {
		return cli.UsageError(err)
	}
	if err != nil {
		return err
	}
	out := note.WithStatus(status)
	if opts.token && out.PageURL != "" {
		out.PageURL += "#token=" + remote.Token()
	}
	return app.Print(out)
}
