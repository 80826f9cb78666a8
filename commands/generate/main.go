// Generate writes the generated part of docs/, to a folder that is named: go generate ./commands.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sessiontool/commands"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write replaces all generated pages in dir.
func write(dir string) error {
	pages, err := commands.Pages()
	if err != nil {
		return err
	}
	for _, folder := range commands.GeneratedFolders {
		path := filepath.Join(dir, folder)
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(path, 0o755)); err != nil {
			return err
		}
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
			return err
		}
	}
	return nil
}
