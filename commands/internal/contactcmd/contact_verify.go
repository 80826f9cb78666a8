package contactcmd

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/render"
	"sessiontool/commands/internal/who"
	"sessiontool/lib/record"
)

type contactVerifyOptions struct {
	id      string
	code    string
	compare bool // code was given
}

func newContactVerifyCommand(app *cli.App) *cobra.Command {
	opts := &contactVerifyOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "verify ID",
		Short: "Compare safety numbers with a contact",
		Long: "Print the safety number with a contact: 60 digits that both sides see alike if each has the other's\n" +
			"right Session ID. Compare them over another channel, such as the telephone. If you give the digits\n" +
			"of your contact as --code, they are compared here, and the contact is marked as verified if they are\n" +
			"the same.\n\n" +
			"A contact stays verified. Its key cannot change, since the Session ID is the key: a new key means a\n" +
			"new ID, and so a new contact. The number is Signal's numeric fingerprint of the two IDs.",
		Examples: []string{
			"sessiontool contact verify $BOB --select safety_number",
			"sessiontool contact verify $BOB --code \"$DIGITS\"",
		},
		Prints: []string{record.TypeContact},
		Needs:  cli.Account,
		Exits: cli.Exits{
			record.ExitUsage:    "neither a Session ID nor a possible name",
			record.ExitNotFound: "no such contact",
			record.ExitAuth:     "the digits differ, or the keystore does not open",
		},
	})
	cmd.RunE = app.Run(func(ctx context.Context, args []string) error {
		opts.id, opts.compare = args[0], cmd.Flags().Changed("code")
		return runContactVerify(ctx, app, opts)
	})
	cmd.Flags().StringVar(&opts.code, "code", "", "digits that the contact sees; spaces do not count")
	return cmd
}

// runContactVerify prints the safety number. If --code was given, it compares that first: an empty code, such as a
// variable of a script that was never set, is a wrong one.
func runContactVerify(ctx context.Context, app *cli.App, opts *contactVerifyOptions) error {
	a, id, err := who.Contact(ctx, app, opts.id)
	if err != nil {
		return err
	}
	if opts.compare {
		if err := a.Verify(ctx, id, opts.code); err != nil {
			return err
		}
	}
	contact, err := a.Contact(ctx, id)
	if err != nil {
		return err
	}
	out := render.Contact(a, contact)
	out.SafetyNumber = a.SafetyNumber(id)
	return app.Print(out)
}
