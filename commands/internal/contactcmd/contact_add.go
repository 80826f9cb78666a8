package contactcmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

type contactAddOptions struct {
	id   string
	name string
}

func newContactAddCommand(app *cli.App) *cobra.Command {
	opts := &contactAddOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "add ID",
		Short: "Give a Session ID a name of yours",
		Long: "Give a Session ID a name. From then on the name stands for the ID wherever a command takes one: in\n" +
			"--to and in the 'to' of drafts, in friend-request, contact, inbox --from, swarm and transcript. An ID\n" +
			"that is not a contact becomes one; nothing is sent.\n\n" +
			"Names are yours alone: they are kept in the keystore, and never taken from what a contact calls\n" +
			"itself (display_name), from a message, or from a name service. A name has up to 64 letters and\n" +
			"digits, with - and _ between them. Letters are of one script and without combining marks, so that\n" +
			"a name has one spelling; case does not count. A word of hex digits that looks like a part of an ID\n" +
			"is refused, and so is a name that another contact has. Names are whole: a part of one finds nothing.",
		Examples: []string{
			"sessiontool contact add $BOB --name bob",
			"sessiontool contact add $CAROL --name carol-work --select name",
		},
		Prints: []string{record.TypeContact},
		Needs:  cli.Account,
		Exits:  cli.Exits{record.ExitUsage: "not a Session ID, or not a name, or another contact has it"},
		Run: app.Run(func(ctx context.Context, args []string) error {
			opts.id = args[0]
			return runContactAdd(ctx, app, opts)
		}),
	})
	cmd.Flags().StringVar(&opts.name, "name", "", "the name (required)")
	return cmd
}

func runContactAdd(ctx context.Context, app *cli.App, opts *contactAddOptions) error {
	id, err := sessionid.Parse(opts.id)
	if err != nil {
		return err
	}
	if opts.name == "" {
		return cli.UsageError(errors.New("--name is missing"))
	}
	if err := addressbook.CheckName(opts.name); err != nil {
		return err
	}
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	if err := a.NameContact(ctx, id, opts.name, false); err != nil {
		return err
	}
	return printContact(ctx, app, a, id)
}
