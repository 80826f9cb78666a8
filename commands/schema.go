package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
	"sessiontool/lib/schema"
)

type schemaOptions struct {
	names []string // none for all
}

func newSchemaCommand(app *cli.App) *cobra.Command {
	opts := &schemaOptions{}
	return app.Command(cli.Spec{
		Use:   "schema [RECORD...]",
		Short: "Print the JSON Schemas of records",
		Long: "Print the JSON Schema (draft 2020-12) of each record that is named, or of all. They are made from\n" +
			"the code that prints the records. Unknown fields are allowed: within a major version fields are\n" +
			"added. 'sessiontool help records' shows the same for people.",
		Examples: []string{
			"sessiontool schema message --pretty --select schema > message.schema.json",
			"sessiontool schema --select name",
		},
		Complete: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, kind := range record.Kinds {
				names = append(names, cobra.CompletionWithDesc(kind.Name, kind.Summary))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		Prints: []string{record.TypeSchema},
		Exits:  cli.Exits{record.ExitUsage: "no such record"},
		Run: app.RunAtOnce(func(args []string) error {
			opts.names = args
			return runSchema(app, opts)
		}),
	})
}

func runSchema(app *cli.App, opts *schemaOptions) error {
	kinds := record.Kinds
	if len(opts.names) > 0 {
		kinds = nil
	}
	for _, name := range opts.names {
		kind, ok := record.KindOf(name)
		if !ok {
			return cli.UsageError(fmt.Errorf("there is no record %q: see 'sessiontool schema --select name'", name))
		}
		kinds = append(kinds, kind)
	}
	for _, kind := range kinds {
		made, err := schema.Of(kind)
		if err != nil {
			return err
		}
		if err := app.Print(record.Schema{
			Type: record.TypeSchema, Name: kind.Name, Summary: kind.Summary, Input: kind.Input, Output: kind.Output,
			Schema: made,
		}); err != nil {
			return err
		}
	}
	return nil
}
