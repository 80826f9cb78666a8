package commands

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/lib/devnet"
	"sessiontool/lib/record"
	"sessiontool/lib/schema"
)

// newCompletionCommand makes 'completion', whose commands print shell scripts: with help, the only output that is no
// record.
func newCompletionCommand(app *App) *cobra.Command {
	shell := func(name, where string, generate func(root *cobra.Command) error) *cobra.Command {
		cmd := &cobra.Command{
			Use: name, Short: "Print the completion script for " + name, Args: cobra.NoArgs,
			Long: "Print the script that lets " + name + " complete commands, flags, contacts, accounts, networks, and for --select the\n" +
				"fields of the records that a command prints. It is a script, not a record.",
			Example: "  sessiontool completion " + name + " > " + where,
		}
		cmd.RunE = app.runE(func(context.Context, []string) error { return generate(cmd.Root()) })
		return cmd
	}
	out := app.streams.Out
	return parent("completion", "Print scripts that let a shell complete command lines", "",
		shell("bash", "sessiontool.bash", func(root *cobra.Command) error { return writeBashCompletion(root, out) }),
		shell("zsh", "_sessiontool", func(root *cobra.Command) error { return root.GenZshCompletion(out) }),
		shell("fish", "sessiontool.fish", func(root *cobra.Command) error { return root.GenFishCompletion(out, true) }),
		shell("powershell", "sessiontool.ps1", func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(out) }))
}

// bashAlone finds the words of a command line where the package bash-completion, which does it better, is not installed.
const bashAlone = `
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    __sessiontool_init_completion()
    {
        local line=${COMP_LINE:0:COMP_POINT}
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=("")
        cword=$((${#words[@]} - 1))
        cur=${words[cword]}
        prev=${words[cword - 1]}
    }
fi
`

func writeBashCompletion(root *cobra.Command, out io.Writer) error {
	if err := root.GenBashCompletionV2(out, true); err != nil {
		return err
	}
	_, err := io.WriteString(out, bashAlone)
	return err
}

// completer proposes words for a place on the command line.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeFlags tells every command what its flags and arguments can be. What fails while a word is completed proposes
// nothing: there is no place to say more.
func (app *App) completeFlags(cmd *cobra.Command) {
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
	propose("account", app.completed(app.accountNames))
	propose("network", app.completed(app.networkNames))
	propose("select", completeFields)
	propose("log-format", words("text", "json"))
	propose("log-level", words("debug", "info", "warn", "error"))
	contacts := app.completed(app.contactIDs)
	if cmd.Name() != "path" { // whose --to is a node
		propose("to", contacts)
	}
	if cmd.Name() == "bundle" { // not listen, whose --for is a time
		propose("for", contacts)
	}
	propose("route", words("auto", record.RouteSync, record.RouteAsync))
	propose("protocol", words(protocolAuto, "2020", "today"))
	propose("generation", words("2020", "today", generationBoth))
	propose("like", words(devnet.Likenesses()...))
	propose("seed-time", words("date", "last-modified", "none"))
	propose("format", words("svg", "dot"))
	takesID := strings.Contains(cmd.Use, " ID") || strings.Contains(cmd.Use, " [ID")
	if takesID && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = contacts
	}
	for _, child := range cmd.Commands() {
		app.completeFlags(child)
	}
}

// completed makes a completer of a list that is read with the settings of the command line.
func (app *App) completed(list func(ctx context.Context) ([]string, error)) completer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if err := app.prepare(cmd); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		app.passphrase.ask = false // nobody types one in the middle of a word
		words, err := list(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func (app *App) accountNames(ctx context.Context) ([]string, error) {
	store, err := app.openKeystore(ctx)
	if err != nil {
		return nil, err
	}
	return store.Accounts(ctx)
}

func (app *App) contactIDs(ctx context.Context) (ids []string, err error) {
	a, err := app.openAccount(ctx)
	if err != nil {
		return nil, err
	}
	contacts, err := a.Contacts(ctx)
	for _, contact := range contacts {
		ids = append(ids, cobra.CompletionWithDesc(contact.ID.String(), contact.DisplayName))
	}
	return ids, err
}

// completeFields proposes the fields of the records that the command prints.
func completeFields(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, _ := contractOf(cmd)
	var paths []string
	for _, name := range c.kinds() {
		kind, ok := record.KindOf(name)
		if !ok || name == record.TypeError && c.prints != "" {
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
