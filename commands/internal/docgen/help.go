// Package docgen makes the texts about commands from their specifications: help, man pages, the pages of docs/, help
// topics and completion scripts.
package docgen

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
)

// WriteHelp writes what --help shows: what the command does, its specification, and its usage.
func WriteHelp(out io.Writer, cmd *cobra.Command, spec cli.Spec) error {
	text := strings.TrimRight(longText(cmd), "\n") + "\n"
	switch {
	case cmd.Runnable():
		text += "\n" + specText(spec) + "\n" + cmd.UsageString()
	case cmd.Example != "":
		text += "\nExamples:\n" + cmd.Example + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// longText returns the text of a topic or the long description of a command.
func longText(cmd *cobra.Command) string {
	if text := topicText(cmd); text != "" {
		return text
	}
	if cmd.Long == "" {
		return cmd.Short + "."
	}
	return cmd.Long
}

// specText lists what a command reads, what it prints and how it ends.
func specText(spec cli.Spec) string {
	var b strings.Builder
	if len(spec.Reads) > 0 {
		fmt.Fprintf(&b, "Reads:  %s\n", strings.Join(spec.Reads, ", "))
	}
	if kinds := spec.Kinds(); kinds != nil {
		fmt.Fprintf(&b, "Prints: %s\n", strings.Join(kinds, ", "))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString("Exit status:\n")
	for _, e := range spec.ExitList() {
		fmt.Fprintf(&b, "  %-3d  %s\n", e.Code, e.Text())
	}
	fmt.Fprintf(&b, "  %s as with every command: see 'sessiontool help exit-codes'\n", spec.OtherExits())
	return b.String()
}

// ExampleLines returns the examples of a command, one shell command each.
func ExampleLines(cmd *cobra.Command) (lines []string) {
	joined := strings.ReplaceAll(cmd.Example, "\\\n", "")
	for line := range strings.Lines(joined) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// wrap breaks a text into lines of at most width characters, and indents all but the first.
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
