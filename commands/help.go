package commands

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/docgen"
	"sessiontool/lib/record"
)

// newHelpCommand makes 'help'. Unlike cobra's own it fails if there is no such command or topic.
func newHelpCommand(app *cli.App) *cobra.Command {
	help := app.Command(cli.Spec{
		Use:   "help [COMMAND or TOPIC]",
		Short: "Print the help of a command, or the page of a topic",
		Long: "Print the help of a command, as --help does, or the page of a topic: " +
			strings.Join(docgen.TopicNames(), ", ") + ".",
		Examples: []string{
			"sessiontool help friend-request accept",
			"sessiontool help exit-codes",
		},
		Exits: cli.Exits{record.ExitUsage: "no such command or topic"},
	})
	help.ValidArgsFunction = func(
		_ *cobra.Command, args []string, _ string,
	) (names []string, _ cobra.ShellCompDirective) {
		if cmd, left, err := help.Root().Find(args); err == nil && len(left) == 0 {
			for _, child := range cmd.Commands() {
				names = append(names, cobra.CompletionWithDesc(child.Name(), child.Short))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	help.RunE = func(_ *cobra.Command, args []string) error {
		cmd, left, err := help.Root().Find(args)
		if err != nil || len(left) > 0 {
			err = fmt.Errorf("there is no help for %q: see 'sessiontool --help'", strings.Join(args, " "))
			return cli.UsageError(err)
		}
		return docgen.WriteHelp(app.Streams.Out, cmd, app.SpecOf(cmd))
	}
	return help
}
