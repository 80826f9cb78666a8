package docgen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/schema"
)

// PageFolders are the folders of docs/ that contain nothing but what Pages returns.
var PageFolders = []string{"commands"}

// generatedBy is the first line of every page.
const generatedBy = "Made from the program's help by go generate ./commands; do not edit."

// Pages returns the part of docs/ that is made from the program: a page for each command and each topic. Names are
// paths below docs/.
func Pages(root *cobra.Command, specOf func(*cobra.Command) cli.Spec) (map[string][]byte, error) {
	root.InitDefaultHelpFlag()
	records, err := recordsPage()
	if err != nil {
		return nil, err
	}
	pages := map[string][]byte{
		"exit-codes.md": []byte(exitCodesPage()),
		"records.md":    []byte(records),
		"guide.md":      []byte(guidePage()),
	}
	for _, cmd := range AllCommands(root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		if !cmd.IsAdditionalHelpTopicCommand() {
			cmd.InitDefaultHelpFlag()
			pages["commands/"+strings.TrimPrefix(name, "sessiontool-")+".md"] = []byte(commandPage(cmd, specOf(cmd)))
			continue
		}
		if page := cmd.Name() + ".md"; pages[page] == nil {
			pages[page] = []byte(topicPage(cmd))
		}
	}
	return pages, nil
}

// AllCommands returns cmd and everything below it.
func AllCommands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, child := range cmd.Commands() {
		all = append(all, AllCommands(child)...)
	}
	return all
}

// commandPage returns the page of a command in Markdown.
func commandPage(cmd *cobra.Command, spec cli.Spec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s -->\n\n# %s\n\n%s\n", generatedBy, cmd.CommandPath(), markdown(longText(cmd)))
	fmt.Fprintf(&b, "```console\n%s\n```\n", cmd.UseLine())
	if children := cmd.Commands(); len(children) > 0 {
		b.WriteString("\n## Commands\n\n")
		for _, child := range children {
			name := strings.TrimPrefix(strings.ReplaceAll(child.CommandPath(), " ", "-"), "sessiontool-") + ".md"
			if child.IsAdditionalHelpTopicCommand() {
				name = "../" + name
			}
			fmt.Fprintf(&b, "- [%s](%s): %s\n", child.Name(), name, child.Short)
		}
	}
	if lines := ExampleLines(cmd); len(lines) > 0 {
		fmt.Fprintf(&b, "\n## Examples\n\n```console\n%s\n```\n", strings.Join(lines, "\n"))
	}
	if len(spec.Reads)+len(spec.Prints) > 0 {
		b.WriteString("\n## Records\n\n")
		if len(spec.Reads) > 0 {
			fmt.Fprintf(&b, "- Reads: %s\n", recordLinks(spec.Reads))
		}
		fmt.Fprintf(&b, "- Prints: %s\n", recordLinks(spec.Kinds()))
	}
	b.WriteString("\n## Exit status\n\n| status | meaning |\n|---|---|\n")
	for _, e := range spec.ExitList() {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Text())
	}
	fmt.Fprintf(&b, "| %s | as with every command: see [exit codes](../exit-codes.md) |\n", spec.OtherExits())
	writeFlagTable(&b, cmd)
	return b.String()
}

// recordLinks links records to their sections of docs/records.md.
func recordLinks(kinds []string) string {
	links := make([]string, len(kinds))
	for i, kind := range kinds {
		links[i] = fmt.Sprintf("[%s](../records.md#%s)", kind, kind)
	}
	return strings.Join(links, ", ")
}

// writeFlagTable lists the flags of a command. The global ones are on the first page.
func writeFlagTable(b *strings.Builder, cmd *cobra.Command) {
	b.WriteString("\n## Flags\n\n| flag | meaning |\n|---|---|\n")
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		name, usage := flagText(flag)
		fmt.Fprintf(b, "| `%s` | %s |\n", name, usage)
	})
	if cmd.HasParent() {
		b.WriteString("\nand the [global flags](sessiontool.md#flags)")
		if cmd.Parent().HasParent() && cmd.Parent().HasPersistentFlags() {
			parent := strings.ReplaceAll(strings.TrimPrefix(cmd.Parent().CommandPath(), "sessiontool "), " ", "-")
			fmt.Fprintf(b, " and those of [%s](%s.md#flags)", cmd.Parent().Name(), parent)
		}
		b.WriteString(".\n")
	}
}

// flagText returns the name of a flag with its type, and its meaning with the default.
func flagText(flag *pflag.Flag) (name, usage string) {
	kind, usage := pflag.UnquoteUsage(flag)
	name = "--" + flag.Name
	if flag.Shorthand != "" {
		name = "-" + flag.Shorthand + ", " + name
	}
	if kind != "" {
		name += " " + kind
	}
	if !slices.Contains(noDefaults, flag.DefValue) {
		usage += " (default " + flag.DefValue + ")"
	}
	return name, usage
}

// noDefaults are the default values that no text shows, since they mean that the flag is not set.
var noDefaults = []string{"", "false", "0", "-1", "0s", "[]"}

// markdown makes code blocks of indented paragraphs and leaves the others as they are.
func markdown(text string) string {
	var blocks []string
	wasCode := false
	for _, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		code := strings.HasPrefix(paragraph, "  ")
		switch {
		case code && wasCode:
			last := len(blocks) - 1
			blocks[last] = strings.TrimSuffix(blocks[last], "```") + "\n" + paragraph + "\n```"
		case code:
			blocks = append(blocks, "```text\n"+paragraph+"\n```")
		default:
			blocks = append(blocks, paragraph)
		}
		wasCode = code
	}
	return strings.Join(blocks, "\n\n") + "\n"
}

// topicPage returns the page of a topic in Markdown.
func topicPage(cmd *cobra.Command) string {
	text := fmt.Sprintf("<!-- %s -->\n\n# %s\n\n%s", generatedBy, cmd.Short, markdown(longText(cmd)))
	if cmd.Example != "" {
		text += "\n```console\n" + strings.Join(ExampleLines(cmd), "\n") + "\n```\n"
	}
	return text
}

// exitCodesPage returns docs/exit-codes.md: the topic, and what to do about each code.
func exitCodesPage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s -->\n\n# Exit codes and error codes\n\n%s\n", generatedBy, exitCodesIntroduction)
	b.WriteString("| exit | meaning |\n|---|---|\n")
	for _, e := range record.Exits {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, e.Meaning)
	}
	fmt.Fprintf(&b, "\n%s\n| exit | code | retry | meaning | what to do |\n|---|---|---|---|---|\n", exitCodesRemarks)
	for _, info := range record.Codes {
		retry := ""
		if info.Retryable {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s |\n", info.Exit, info.Code, retry, info.Meaning, info.Hint)
	}
	return b.String()
}

// recordsPage returns docs/records.md.
func recordsPage() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- %s -->\n\n# Records\n\n%s", generatedBy, recordsIntroduction)
	for _, kind := range record.Kinds {
		fields, err := schema.Fields(kind)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s (%s)\n\n| field | type | meaning |\n|---|---|---|\n", kind.Name, kind.Summary,
			direction(kind))
		for _, field := range fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", fieldName(field), strings.ReplaceAll(field.Types, "|", " or "),
				field.Meaning)
		}
	}
	return b.String(), nil
}
