package commands

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/lib/record"
)

// Version and revision are set by the linker in release builds.
var (
	version  = "0.3.0-dev"
	revision string
)

func newVersionCommand(app *cli.App) *cobra.Command {
	return app.Command(cli.Spec{
		Use:      "version",
		Short:    "Print the version",
		Examples: []string{"sessiontool version --select version"},
		Prints:   []string{record.TypeVersion},
		Run:      app.RunAtOnce(func([]string) error { return runVersion(app) }),
	})
}

func runVersion(app *cli.App) error {
	return app.Print(record.Version{
		Type: record.TypeVersion, Version: version, Commit: commit(), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	})
}

// commit is the revision that the binary was built from, where the build knows it.
func commit() string {
	if revision != "" {
		return revision
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return ""
}
