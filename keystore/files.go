package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	databaseName = "keystore.db"
	keyFileName  = "keystore.key"

	dirMode = 0o700
)

// makeDir creates dir with its parents if necessary, and checks its permissions.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return checkDir(dir)
}

// publish creates a file of mode 0600 at path, complete or not at all. Write must sync its content. Publish returns
// [fs.ErrExist] if path already exists, also if another process was faster. After kill -9 a temporary file may remain;
// nothing reads it, and the next publish removes it.
func publish(path string, options Options, write func(temporary *os.File) error) (err error) {
	if err := sweep(path, options); err != nil {
		return err
	}
	temporary, err := createLocked(path+temporarySuffix, options)
	if err != nil {
		return err
	}
	// The lock keeps sweep from removing the file before it has its name.
	defer func() { err = errors.Join(err, discard(temporary)) }()
	if err := write(temporary); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace an existing file.
	if err := os.Link(temporary.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// temporarySuffix follows the final name in the name of an incomplete file.
const temporarySuffix = ".new-"

// createLocked creates a file whose name begins with prefix, and locks it where locks exist, so that sweep keeps it.
func createLocked(prefix string, options Options) (*os.File, error) {
	for {
		file, err := os.CreateTemp(filepath.Dir(prefix), filepath.Base(prefix)+"*")
		if err != nil {
			return nil, err
		}
		err = (&database{file: file, path: file.Name(), options: options}).lock(true)
		if err == nil || errors.Is(err, ErrUnsuitable) {
			return file, nil
		}
		if err = errors.Join(err, file.Close()); !errors.Is(err, errBusy) {
			return nil, errors.Join(err, os.Remove(file.Name()))
		}
		// sweep ran between the two steps and has removed the file or is about to
	}
}

// discard closes and removes a temporary file. It ignores a file that sweep has already removed.
func discard(temporary *os.File) error {
	err := temporary.Close()
	if removeErr := os.Remove(temporary.Name()); !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}

// sweep removes temporary files that no process has locked: those of killed processes.
func sweep(path string, options Options) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), filepath.Base(path)+temporarySuffix) {
			continue
		}
		if err := sweepFile(filepath.Join(filepath.Dir(path), entry.Name()), options); err != nil &&
			!errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func sweepFile(name string, options Options) error {
	file, err := openRegular(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	if options.flock(file, true) == nil {
		err = os.Remove(name)
	}
	return errors.Join(err, file.Close())
}

// probeDir returns [ErrUnsuitable] if the file system of dir has no locks that exclude other processes.
func probeDir(dir string, options Options) (err error) {
	file, err := createLocked(filepath.Join(dir, databaseName+temporarySuffix), options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard(file)) }()
	return (&database{file: file, path: file.Name(), options: options}).probe()
}

// checkPrivate returns ErrPermissions if users other than the owner may access the file or directory.
func checkPrivate(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	return checkMode(file.Name(), info)
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
	return checkMode(dir, info)
}
