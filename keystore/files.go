package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	databaseName = "keystore.db"
	keyFileName  = "keystore.key"

	dirMode = 0o700
)

// makeDir makes dir, with its parents, unless it is there, and checks it.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return checkDir(dir)
}

// publish makes a file of mode 0600 that appears at path complete or not at all. Write must leave its content on disk.
// It returns fs.ErrExist if path is there already, also if another process was faster. After kill -9 a temporary file
// may be left, which nothing ever reads.
func publish(path string, write func(temporary *os.File) error) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(temporary.Name())) }()
	err = write(temporary)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	// A link, unlike a rename, does not replace what is there.
	if err := os.Link(temporary.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// checkPrivate returns ErrPermissions if users other than the owner may access the file or directory.
func checkPrivate(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return checkMode(file.Name(), info.Mode())
}

// checkDir returns ErrNotFound, ErrPermissions, or nil for a private directory.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s", ErrNotFound, dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory", ErrNotFound, dir)
	}
	return checkMode(dir, info.Mode())
}
