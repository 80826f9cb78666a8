package commands

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// writeHelp writes what --help shows: what the command does, what a script may expect of it, and how it is used.
func writeHelp(out io.Writer, cmd *cobra.Command) error {
	text := strings.TrimRight(longText(cmd), "\n") + "\n"
	switch {
	case cmd.Runnable():
		text += "\n" + contractText(cmd) + "\n" + cmd.UsageString()
	case cmd.Example != "":
		text += "\nExamples:\n" + cmd.Example + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// newHelpCommand makes 'help', which unlike cobra's own fails for what does not exist.
func newHelpCommand(app *cli.App) *cobra.Command {
	help := &cobra.Command{
		Use: "help [COMMAND or TOPIC]", Short: "Print the help of a command, or the page of a topic",
		Long:    "Print the help of a command, as --help does, or the page of a topic: " + topicNames() + ".",
		Example: "  sessiontool help friend-request accept\n  sessiontool help exit-codes",
	}
	help.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
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
			return cli.UsageError(fmt.Errorf("there is no help for %q: see 'sessiontool --help'", strings.Join(args, " ")))
		}
		return writeHelp(app.Streams.Out, cmd)
	}
	return help
}

// longText is what a command says of itself.
func longText(cmd *cobra.Command) string {
	if text := topicText(cmd); text != "" {
		return text
	}
	if cmd.Long == "" {
		return cmd.Short + "."
	}
	return cmd.Long
}

// contractText tells what a command reads, prints and ends with.
func contractText(cmd *cobra.Command) string {
	c, _ := cli.ContractOf(cmd)
	var b strings.Builder
	if c.Reads != "" {
		fmt.Fprintf(&b, "Reads:  %s\n", strings.Join(strings.Fields(c.Reads), ", "))
	}
	if kinds := c.Kinds(); kinds != nil {
		fmt.Fprintf(&b, "Prints: %s\n", strings.Join(kinds, ", "))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString("Exit status:\n")
	for _, e := range c.ExitList() {
		fmt.Fprintf(&b, "  %-3d  %s\n", e.Code, e.Text())
	}
	fmt.Fprintf(&b, "  %s as with every command: see 'sessiontool help exit-codes'\n", c.OtherExits())
	return b.String()
}

// exampleLines returns the examples of a command, one shell command each.
func exampleLines(cmd *cobra.Command) (lines []string) {
	joined := strings.ReplaceAll(cmd.Example, "\\\n", "")
	for line := range strings.Lines(joined) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// wrap breaks a text into lines of at most so many characters, all but the first indented.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		if i > 0 && length+1+len(word) > width {
			b.WriteString("\n" + indent)
			length = 0
		} else if i > 0 {
			b.WriteString(" ")
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
