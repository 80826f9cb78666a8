package configcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newUnsetCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "unset NAME",
		Short: "Remove a setting from the config file",
		Long: "Remove an entry of the config file, also one with a wrong value or with a name that is no setting. A\n" +
			"setting that the file does not have is no error.",
		Examples: []string{"sessiontool config unset timeout"},
		Complete: completeSettings,
		Prints:   []string{record.TypeSetting},
		Exits:    cli.Exits{record.ExitUsage: "no such setting", record.ExitLocked: ""},
		Run: func(cmd *cobra.Command, args []string) error {
			return app.RunDespite(func(ctx context.Context, _ error) error {
				return runUnset(ctx, app, args[0])
			})(cmd, args)
		},
	})
}

func runUnset(ctx context.Context, app *cli.App, name string) error {
	setting, known := cli.SettingNamed(name)
	key := name
	if known {
		key = cli.FileKeyOf(setting)
	}
	path, err := cli.ChangeConfig(ctx, app.Streams.Env, func(entries map[string]json.RawMessage) error {
		if _, has := entries[key]; !has && !known {
			near := cli.Suggest(setting, append(slices.Collect(maps.Keys(entries)), cli.Settings...))
			return cli.UsageError(errors.New(cli.DidYouMean(fmt.Sprintf("there is no setting %q", name), "", near)))
		}
		delete(entries, key)
		return nil
	})
	if err != nil {
		return err
	}
	return app.Print(record.Setting{Type: record.TypeSetting, Name: setting, Origin: cli.OriginDefault, Source: path})
}
