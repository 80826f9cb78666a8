package configcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

type showOptions struct {
	names  []string // none for all
	origin bool
	flags  *pflag.FlagSet // which hold the values
}

func newShowCommand(app *cli.App) *cobra.Command {
	opts := &showOptions{}
	cmd := app.Command(cli.Spec{
		Use:   "show [NAME...]",
		Short: "Print the settings that commands would run with",
		Long: "Print the value of every global setting, or of those that are named. With --origin also print where\n" +
			"it comes from: a flag, the environment, the config file, or the default.",
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
	cmd.RunE = app.Run(func(ctx context.Context, args []string) error {
		opts.names, opts.flags = args, cmd.Flags()
		return runShow(ctx, app, opts)
	})
	cmd.Flags().BoolVar(&opts.origin, "origin", false, "print where each value comes from")
	return cmd
}

func runShow(_ context.Context, app *cli.App, opts *showOptions) error {
	names := opts.names
	if len(names) == 0 {
		names = cli.Settings
	}
	for _, name := range names {
		from, ok := app.Origin(name)
		if !ok {
			return cli.UsageError(fmt.Errorf("there is no setting %q", name))
		}
		out := record.Setting{Type: record.TypeSetting, Name: name, Value: opts.flags.Lookup(name).Value.String()}
		if name == "proxy" && out.Value == "" {
			// One of a variable of other programs counts then.
			proxy, source, err := app.Proxy()
			if err != nil {
				return err
			}
			if !proxy.IsZero() {
				out.Value, from = proxy.String(), cli.Origin{Kind: cli.OriginEnvironment, Source: source}
			}
		}
		if opts.origin {
			out.Origin, out.Source = from.Kind, from.Source
		}
		if err := app.Print(out); err != nil {
			return err
		}
	}
	return nil
}
