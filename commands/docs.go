package commands

import (
	"io"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/docgen"
)

//go:generate go run ./generate ../docs

// GeneratedFolders are the folders of docs/ that contain nothing but what Pages returns.
var GeneratedFolders = docgen.Folders

// Pages returns the part of docs/ that is made from the program, by path below docs/.
func Pages() (map[string][]byte, error) {
	app := cli.New(Streams{Out: io.Discard, Err: io.Discard, Env: func(string) string { return "" }})
	return docgen.Pages(newRootCommand(app, nil), app.SpecOf)
}
