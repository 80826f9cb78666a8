package commands

import (
	"context"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/account"
	"sessiontool/lib/record"
	"sessiontool/lib/sessionid"
)

func newContactCommand(app *cli.App) *cobra.Command {
	list := app.Command(cli.Spec{
		Use:      "list",
		Short:    "Print a contact record for everybody this account has dealt with",
		Examples: []string{"sessiontool contact list"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeContact},
		Exits:    cli.AccountExits(),
		Run:      app.Run(func(ctx context.Context, _ []string) error { return runContactList(ctx, app) }),
	})
	show := app.Command(cli.Spec{
		Use:      "show ID",
		Short:    "Print one contact",
		Examples: []string{"sessiontool contact show $BOB"},
		Args:     cobra.ExactArgs(1),
		Prints:   []string{record.TypeContact},
		Exits: cli.Exits{
			record.ExitUsage:    "not a Session ID",
			record.ExitNotFound: "no such contact",
			record.ExitAuth:     "the keystore does not open",
			record.ExitLocked:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runContactShow(ctx, app, args) }),
	})
	remove := app.Command(cli.Spec{
		Use:   "remove ID",
		Short: "Forget a contact and the session with it",
		Long: "Forget a contact, the session with it and its friend requests. Messages already received stay in the\n" +
			"inbox. To talk again, one of the two sends a new friend request.",
		Examples: []string{"sessiontool contact remove $BOB"},
		Args:     cobra.ExactArgs(1),
		Prints:   []string{record.TypeRemoved},
		Exits: cli.Exits{
			record.ExitUsage:    "not a Session ID",
			record.ExitNotFound: "no such contact",
			record.ExitAuth:     "the keystore does not open",
			record.ExitLocked:   "",
		},
		Run: app.Run(func(ctx context.Context, args []string) error { return runContactRemove(ctx, app, args) }),
	})
	code := ""
	verify := app.Command(cli.Spec{
		Use:   "verify ID",
		Short: "Compare safety numbers with a contact",
		Long: "Print the safety number with a contact: 60 digits that both sides see alike if each has the other's right\n" +
			"Session ID. Compare them over another channel, such as the telephone. If the digits that your contact tells\n" +
			"you are given as --code, they are compared here, and the contact is marked as verified if they are the same.\n\n" +
			"A contact stays verified. Its key cannot change, since the Session ID is the key: whoever has a new key has a\n" +
			"new ID, and is a new contact. The number is Signal's numeric fingerprint of the two IDs.",
		Examples: []string{
			"sessiontool contact verify $BOB --select safety_number",
			"sessiontool contact verify $BOB --code \"$DIGITS\"",
		},
		Args:   cobra.ExactArgs(1),
		Prints: []string{record.TypeContact},
		Exits: cli.Exits{
			record.ExitUsage:    "not a Session ID",
			record.ExitNotFound: "no such contact",
			record.ExitAuth:     "the digits differ, or the keystore does not open",
			record.ExitLocked:   "",
		},
	})
	verify.RunE = app.Run(func(ctx context.Context, args []string) error {
		return runContactVerify(ctx, app, args, code, verify.Flags().Changed("code"))
	})
	verify.Flags().StringVar(&code, "code", "", "digits that the contact sees; spaces do not count")
	return cli.Parent("contact", "List, show, verify and remove contacts", "", list, show, verify, remove)
}

func runContactList(ctx context.Context, app *cli.App) error {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return err
	}
	contacts, err := a.Contacts(ctx)
	if err != nil {
		return err
	}
	for _, contact := range contacts {
		if err := app.Print(contactRecord(a, contact)); err != nil {
			return err
		}
	}
	return nil
}

// openContact opens the account and reads whom it is to be about.
func openContact(ctx context.Context, app *cli.App, text string) (*account.Account, sessionid.ID, error) {
	id, err := sessionid.Parse(text)
	if err != nil {
		return nil, id, err
	}
	a, err := app.OpenAccount(ctx)
	return a, id, err
}

func runContactShow(ctx context.Context, app *cli.App, args []string) error {
	a, id, err := openContact(ctx, app, args[0])
	if err != nil {
		return err
	}
	contact, err := a.Contact(ctx, id)
	if err != nil {
		return err
	}
	return app.Print(contactRecord(a, contact))
}

// runContactVerify prints the safety number, after comparing it with code if that is given: an empty one, such as a
// script's variable that was never set, is a wrong one.
func runContactVerify(ctx context.Context, app *cli.App, args []string, code string, compare bool) error {
	a, id, err := openContact(ctx, app, args[0])
	if err != nil {
		return err
	}
	if compare {
		if err := a.Verify(ctx, id, code); err != nil {
			return err
		}
	}
	contact, err := a.Contact(ctx, id)
	if err != nil {
		return err
	}
	out := contactRecord(a, contact)
	out.SafetyNumber = a.SafetyNumber(id)
	return app.Print(out)
}

func runContactRemove(ctx context.Context, app *cli.App, args []string) error {
	a, id, err := openContact(ctx, app, args[0])
	if err != nil {
		return err
	}
	if err := a.RemoveContact(ctx, id); err != nil {
		return err
	}
	return app.Print(record.Removed{Type: record.TypeRemoved, Kind: "contact", Account: a.Name(), SessionID: id.String()})
}
