package commands

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/devnetcmd"
	"sessiontool/commands/internal/docgen"
	"sessiontool/commands/internal/drafts"
	"sessiontool/lib/account"
	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
	"sessiontool/lib/schema"
	"sessiontool/lib/storage"
)

// newCompletionCommand makes 'completion', whose commands print shell scripts. With help, these are the only outputs
// that are no records.
func newCompletionCommand(app *cli.App) *cobra.Command {
	var children []*cobra.Command
	for _, completion := range docgen.Completions() {
		children = append(children, newShellCommand(app, completion))
	}
	return cli.Parent("completion", "Print scripts that let a shell complete command lines", "", children...)
}

// newShellCommand makes the command that prints the script of one shell.
func newShellCommand(app *cli.App, completion docgen.Completion) *cobra.Command {
	cmd := app.Command(cli.Spec{
		Use:   completion.Shell,
		Short: "Print the completion script for " + completion.Shell,
		Long: "Print the script that lets " + completion.Shell +
			" complete commands, flags, contacts, accounts, networks, and for --select the\n" +
			"fields of the records that a command prints. It is a script, not a record.",
		Examples: []string{"sessiontool completion " + completion.Shell + " > " + completion.File},
	})
	cmd.RunE = app.RunAtOnce(func([]string) error {
		return completion.Write(cmd.Root(), app.Streams.Out)
	})
	return cmd
}

// completer proposes words for the word that is being typed.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeFlags registers the completions of flags and arguments for cmd and all commands below it. A completion that
// fails proposes nothing.
func completeFlags(app *cli.App, cmd *cobra.Command) {
	propose := func(flag string, from completer) {
		if cmd.Flags().Lookup(flag) != nil || cmd.PersistentFlags().Lookup(flag) != nil {
			// The one error is a flag that is not there, and it is.
			_ = cmd.RegisterFlagCompletionFunc(flag, from)
		}
	}
	words := func(words ...string) completer {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words, cobra.ShellCompDirectiveNoFileComp
		}
	}
	propose("account", completed(app, func(ctx context.Context) ([]string, error) { return accountNames(ctx, app) }))
	propose("network", completed(app, app.NetworkNames))
	for _, flag := range []string{"select", "select0"} {
		propose(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return completeFields(app, cmd)
		})
	}
	propose("output", words("json", "human"))
	propose("log-format", words("text", "json"))
	propose("log-level", words("debug", "info", "warn", "error"))
	contacts := completed(app, func(ctx context.Context) ([]string, error) { return contactIDs(ctx, app) })
	if cmd.Name() != "path" { // whose --to is a node
		propose("to", contacts)
	}
	propose("as", contacts)
	propose("from", contacts)
	if cmd.Name() == "bundle" { // not listen, whose --for is a time
		propose("for", contacts)
	}
	propose("route", words("auto", record.RouteSync, record.RouteAsync))
	propose("protocol", words(drafts.ProtocolAuto, string(account.ProtocolSignal), string(account.ProtocolSessionV1),
		string(account.ProtocolSessionV2)))
	propose("generation", words(string(storage.Generation20), string(storage.Generation28), devnetcmd.GenerationBoth))
	propose("like", words(devnet.Likenesses()...))
	propose("seed-time", words("date", "last-modified", "none"))
	propose("format", words("svg", "dot"))
	takesID := strings.Contains(cmd.Use, " ID") || strings.Contains(cmd.Use, " [ID")
	if takesID && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = contacts
	}
	for _, child := range cmd.Commands() {
		completeFlags(app, child)
	}
}

// completed returns a completer that calls list with the settings of the command line.
func completed(app *cli.App, list func(ctx context.Context) ([]string, error)) completer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if err := app.Prepare(cmd); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		app.NeverAsk() // a passphrase is not typed in the middle of a word
		words, err := list(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func accountNames(ctx context.Context, app *cli.App) ([]string, error) {
	store, err := app.OpenKeystore(ctx)
	if err != nil {
		return nil, err
	}
	return store.Accounts(ctx)
}

// contactIDs proposes the user's own names for contacts, and then the Session IDs of all.
func contactIDs(ctx context.Context, app *cli.App) (ids []string, err error) {
	a, err := app.OpenAccount(ctx)
	if err != nil {
		return nil, err
	}
	contacts, err := a.Contacts(ctx)
	for _, contact := range contacts {
		if contact.Name != "" {
			ids = append(ids, cobra.CompletionWithDesc(contact.Name, contact.ID.String()))
		}
	}
	for _, contact := range contacts {
		ids = append(ids, cobra.CompletionWithDesc(contact.ID.String(),
			cli.Visible(cmp.Or(contact.Name, contact.DisplayName))))
	}
	return ids, err
}

// completeFields proposes the fields of the records that the command prints.
func completeFields(app *cli.App, cmd *cobra.Command) ([]string, cobra.ShellCompDirective) {
	spec := app.SpecOf(cmd)
	var paths []string
	for _, name := range spec.Kinds() {
		kind, ok := record.KindOf(name)
		if !ok || name == record.TypeError && len(spec.Prints) > 0 {
			continue
		}
		fields, err := schema.Fields(kind)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		for _, field := range fields {
			path := cobra.CompletionWithDesc(field.Path, field.Meaning)
			if !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths, cobra.ShellCompDirectiveNoFileComp
}
