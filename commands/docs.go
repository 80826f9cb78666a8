package commands

import (
	"io"

	"github.com/spf13/cobra"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/docgen"
)

//go:generate go run ./generate ../docs

// PageFolders are the folders of docs/ that contain nothing but what Pages returns.
var PageFolders = docgen.PageFolders

// Pages returns the part of docs/ that is made from the program, by path below docs/.
func Pages() (map[string][]byte, error) {
	app, root := silent()
	return docgen.Pages(root, app.SpecOf)
}

// PackageFolders are the folders of what PackageFiles returns.
var PackageFolders = docgen.PackageFolders

// PackageFiles returns the man pages and completion scripts, by path. Packages install them; the repository has none.
func PackageFiles() (map[string][]byte, error) {
	app, root := silent()
	return docgen.PackageFiles(root, app.SpecOf)
}

// silent makes all commands, of a run that prints nothing.
func silent() (*cli.App, *cobra.Command) {
	app := cli.New(Streams{Out: io.Discard, Err: io.Discard, Env: func(string) string { return "" }})
	return app, newRootCommand(app, nil)
}
