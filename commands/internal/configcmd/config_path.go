package configcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

func newPathCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:   "path",
		Short: "Print where the config file is",
		Long: "Print the path of the config file, whether there is one or not. It is a JSON object whose keys are\n" +
			"the settings that 'config show' names and whose values are strings, as in\n" +
			"{\"account\":\"alice\",\"timeout\":\"30s\"}.",
		Examples: []string{"sessiontool config path --select file"},
		Prints:   []string{record.TypeConfig},
		Run:      app.RunDespite(func(ctx context.Context, _ error) error { return runPath(ctx, app) }),
	})
}

func runPath(_ context.Context, app *cli.App) error {
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
