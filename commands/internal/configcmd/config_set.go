package configcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

// maxValue bounds a value from stdin in bytes.
const maxValue = 64 << 10

func newSetCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "set NAME VALUE",
		Short: "Write a setting to the config file",
		Long: "Check the value of a setting, and write it to the config file, which is made if there is none. The file is\n" +
			"replaced as a whole, so that a reader finds the old or the new one. Of several changes at one moment none is\n" +
			"lost. It works although another entry of the file is wrong. With - the value comes from stdin: other users\n" +
			"can see arguments, and the URL of a proxy may have a password. Flags and environment variables override the\n" +
			"file: see 'config show --origin'.",
		Examples: []string{
			"sessiontool config set timeout 30s",
			"sessiontool config set account alice",
		},
		Complete: completeSettings,
		Prints:   []string{record.TypeSetting},
		Exits:    cli.Exits{record.ExitUsage: "no such setting, or not a value of it", record.ExitLocked: ""},
		Run: func(cmd *cobra.Command, args []string) error {
			return app.RunDespite(func(ctx context.Context, _ error) error {
				return runSet(ctx, app, cmd.Flags(), args[0], args[1])
			})(cmd, args)
		},
	})
}

// completeSettings proposes the names of settings for the first argument.
func completeSettings(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return cli.Settings, cobra.ShellCompDirectiveNoFileComp
}

func runSet(ctx context.Context, app *cli.App, flags *pflag.FlagSet, name, value string) error {
	setting, err := settingNamed(name)
	if err != nil {
		return err
	}
	typed := value != "-"
	if !typed {
		if value, err = readValue(app); err != nil {
			return err
		}
	}
	if value == "" {
		return cli.UsageError(fmt.Errorf("an empty value is no value: use 'config unset %s'", setting))
	}
	if err := cli.CheckSetting(flags, setting, value); err != nil {
		return err
	}
	shown := flags.Lookup(setting).Value.String()
	if setting == "proxy" && typed && shown != value {
		return cli.UsageError(errors.New(
			"other users can read arguments: give a proxy that has a password on stdin, with - as the value"))
	}
	path, err := cli.ChangeConfig(ctx, app.Streams.Env, func(entries map[string]json.RawMessage) error {
		if err := oneSource(entries, setting); err != nil {
			return err
		}
		entry, err := json.Marshal(value)
		entries[cli.FileKeyOf(setting)] = entry
		return err
	})
	if err != nil {
		return err
	}
	return app.Print(record.Setting{
		Type: record.TypeSetting, Name: setting, Value: shown, Origin: cli.OriginFile, Source: path,
	})
}

// settingNamed returns the setting of a name, or an error with suggestions.
func settingNamed(name string) (string, error) {
	setting, ok := cli.SettingNamed(name)
	if !ok {
		text := cli.DidYouMean(fmt.Sprintf("there is no setting %q", name), "", cli.Suggest(setting, cli.Settings))
		return "", cli.UsageError(errors.New(text))
	}
	return setting, nil
}

// readValue reads a value from stdin, without the newline at its end.
func readValue(app *cli.App) (string, error) {
	if app.Streams.InIsTerminal {
		return "", cli.ErrStdinTerminal
	}
	data, err := io.ReadAll(io.LimitReader(app.Streams.In, maxValue+1))
	if err == nil && len(data) > maxValue {
		err = cli.UsageError(fmt.Errorf("the value is longer than %d bytes", maxValue))
	}
	return strings.TrimRight(string(data), "\r\n"), err
}

// oneSource refuses a second source of the passphrase.
func oneSource(entries map[string]json.RawMessage, setting string) error {
	others := map[string]string{"passphrase-file": "passphrase-command", "passphrase-command": "passphrase-file"}
	if other := others[setting]; other != "" && entries[cli.FileKeyOf(other)] != nil {
		return cli.UsageError(fmt.Errorf("the file has %s, and a passphrase has one source: use 'config unset %s' first",
			cli.FileKeyOf(other), other))
	}
	return nil
}
