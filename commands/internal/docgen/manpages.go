package docgen

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
)

// roff escapes a text, so that man prints every character and takes no line for a request.
var roff = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'")

// manPage is the manual page of a command (man section 1) or a help topic (man section 7).
func manPage(cmd *cobra.Command, spec cli.Spec, section int) string {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	var b strings.Builder
	b.WriteString(".\\\" Made from the help of the program.\n")
	fmt.Fprintf(&b, ".TH %s %d \"\" sessiontool \"sessiontool manual\"\n", strings.ToUpper(name), section)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff.Replace(name), roff.Replace(cmd.Short))
	if cmd.Runnable() {
		fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff.Replace(cmd.UseLine()))
	}
	b.WriteString(".SH DESCRIPTION\n" + manText(longText(cmd)))
	if cmd.Runnable() {
		b.WriteString(manText(specText(spec)))
	}
	writeManFlags(&b, "OPTIONS", cmd.LocalFlags())
	writeManFlags(&b, "GLOBAL OPTIONS", cmd.InheritedFlags())
	if lines := ExampleLines(cmd); len(lines) > 0 {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n",
			strings.TrimPrefix(roff.Replace("\n"+strings.Join(lines, "\n")), "\n"))
	}
	b.WriteString(seeAlso(cmd))
	return b.String()
}

// isTable reports whether a paragraph is a table or a list, whose lines must not be joined.
func isTable(paragraph string) bool {
	for line := range strings.Lines(paragraph) {
		for _, start := range []string{"  ", "Reads:", "Prints:"} {
			if strings.HasPrefix(line, start) {
				return true
			}
		}
	}
	return false
}

// manText formats paragraphs, and leaves the lines of tables as they are. The exit statuses get a heading.
func manText(text string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if rest, ok := strings.CutPrefix(paragraph, "Exit status:\n"); ok {
			b.WriteString(".SH EXIT STATUS\n")
			paragraph = rest
		}
		escaped := strings.TrimPrefix(roff.Replace("\n"+paragraph), "\n")
		if isTable(paragraph) {
			fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", escaped)
		} else {
			fmt.Fprintf(&b, ".PP\n%s\n", escaped)
		}
	}
	return b.String()
}

// writeManFlags lists flags under a heading.
func writeManFlags(b *strings.Builder, heading string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", heading)
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		name, usage := flagText(flag)
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff.Replace(name), roff.Replace(usage))
	})
}

// seeAlso refers to the parent of a command and to its children.
func seeAlso(cmd *cobra.Command) string {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, manReference(cmd.Parent()))
	}
	for _, child := range cmd.Commands() {
		pages = append(pages, manReference(child))
	}
	return ".SH SEE ALSO\n" + strings.Join(pages, ",\n") + "\n"
}

// manReference returns the reference to a man page.
func manReference(cmd *cobra.Command) string {
	section := 1
	if cmd.IsAdditionalHelpTopicCommand() {
		section = 7
	}
	return fmt.Sprintf(".BR %s (%d)", roff.Replace(strings.ReplaceAll(cmd.CommandPath(), " ", "-")), section)
}
