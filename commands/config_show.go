package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newConfigShowCommand(app *cli.App) *cobra.Command {
	var showOrigin bool
	cmd := app.Command(cli.Spec{
		Use:   "show [NAME...]",
		Short: "Print the settings that commands would run with",
		Long: "Print the value of every global setting, or of those that are named. With --origin also tell where it comes\n" +
			"from: a flag, the environment, the config file, or the default.",
		Examples: []string{
			"sessiontool config show --origin",
			"sessiontool config show keystore --select value",
		},
		Complete: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return cli.Settings, cobra.ShellCompDirectiveNoFileComp
		},
		Prints: []string{record.TypeSetting},
		Exits:  cli.Exits{record.ExitUsage: "no such setting"},
	})
	cmd.RunE = app.Run(func(_ context.Context, args []string) error {
		return runConfigShow(app, cmd.Flags(), args, showOrigin)
	})
	cmd.Flags().BoolVar(&showOrigin, "origin", false, "tell where each value comes from")
	return cmd
}

func runConfigShow(app *cli.App, flags *pflag.FlagSet, names []string, showOrigin bool) error {
	if len(names) == 0 {
		names = cli.Settings
	}
	for _, name := range names {
		from, ok := app.Origin(name)
		if !ok {
			return cli.UsageError(fmt.Errorf("there is no setting %q", name))
		}
		out := record.Setting{Type: record.TypeSetting, Name: name, Value: flags.Lookup(name).Value.String()}
		if showOrigin {
			out.Origin, out.Source = from.Kind, from.Source
		}
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return nil
}
