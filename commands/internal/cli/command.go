package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Parent makes a command that has nothing but subcommands. Its examples are the first examples of its children.
func Parent(use, short, long string, children ...*cobra.Command) *cobra.Command {
	var examples []string
	for _, child := range children {
		first, _, _ := strings.Cut(child.Example, "\n")
		examples = append(examples, first)
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: cobra.ArbitraryArgs, Example: strings.Join(examples, "\n"),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]string, len(children))
			for i, child := range children {
				names[i] = child.Name()
			}
			if len(args) > 0 {
				return UnknownCommand(cmd, args[0])
			}
			return UsageError(fmt.Errorf("%q needs a command: %s", cmd.CommandPath(), strings.Join(names, ", ")))
		},
	}
	cmd.AddCommand(children...)
	return cmd
}
