// Command generate writes what is made from the program's own texts.
//
//	generate FOLDER             the generated pages of docs/: go generate ./commands
//	generate -packages FOLDER   man pages and completion scripts, which only packages contain: scripts/packaging
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"sessiontool/commands"
)

func main() {
	packages := flag.Bool("packages", false, "write man pages and completion scripts instead of the pages of docs/")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: generate [-packages] FOLDER")
		os.Exit(2)
	}
	files, folders := commands.Pages, commands.PageFolders
	if *packages {
		files, folders = commands.PackageFiles, commands.PackageFolders
	}
	made, err := files()
	if err == nil {
		err = write(flag.Arg(0), folders, made)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write replaces the folders of dir by those with the files.
func write(dir string, folders []string, files map[string][]byte) error {
	for _, folder := range folders {
		path := filepath.Join(dir, folder)
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(path, 0o755)); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
