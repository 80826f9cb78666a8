package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newConfigCommand(app *cli.App) *cobra.Command {
	var showOrigin bool
	show := app.Command(cli.Spec{
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
	show.RunE = app.Run(func(_ context.Context, args []string) error {
		return runConfigShow(app, show.Flags(), args, showOrigin)
	})
	show.Flags().BoolVar(&showOrigin, "origin", false, "tell where each value comes from")
	path := app.Command(cli.Spec{
		Use:   "path",
		Short: "Print where the config file is",
		Long: "Print the path of the config file, whether there is one or not. It is a JSON object whose keys are the settings\n" +
			"that 'config show' names and whose values are strings, as in {\"account\":\"alice\",\"timeout\":\"30s\"}.",
		Examples: []string{"sessiontool config path --select file"},
		Args:     cobra.NoArgs,
		Prints:   []string{record.TypeConfig},
		Run:      app.RunDespite(func(_ context.Context, _ error) error { return runConfigPath(app) }),
	})
	return cli.Parent("config", "Show the settings and where they come from", "", show, path)
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

func runConfigPath(app *cli.App) error {
	path, err := cli.ConfigPath(app.Streams.Env)
	if err != nil {
		return err
	}
	_, err = os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", cli.ErrBadConfig, err)
	}
	return app.Print(record.Config{Type: record.TypeConfig, File: path, Exists: err == nil})
}
