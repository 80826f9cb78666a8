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

// makeDir makes dir, with its parents, unless it is there, and checks it.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	return checkDir(dir)
}

// publish makes a file of mode 0600 that appears at path complete or not at all. Write must leave its content on disk.
// It returns fs.ErrExist if path is there already, also if another process was faster. After kill -9 a temporary file may
// be left, which nothing reads, and which the next publish removes.
func publish(path string, options Options, write func(temporary *os.File) error) (err error) {
	if err := sweep(path, options); err != nil {
		return err
	}
	temporary, err := createLocked(path+temporarySuffix, options)
	if err != nil {
		return err
	}
	// It is locked until it has its name, so that sweep leaves it alone.
	defer func() { err = errors.Join(err, discard(temporary)) }()
	if err := write(temporary); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace what is there.
	if err := os.Link(temporary.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// temporarySuffix is what follows the name of a file that is not complete.
const temporarySuffix = ".new-"

// createLocked makes a file with a name that begins so, and locks it where there are locks: sweep leaves it alone then.
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
		// sweep was between the two steps, and has removed it or is about to
	}
}

// discard closes and removes a temporary file. By then sweep may have been faster.
func discard(temporary *os.File) error {
	err := temporary.Close()
	if removeErr := os.Remove(temporary.Name()); !errors.Is(removeErr, fs.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	return err
}

// sweep removes what killed processes have left: temporary files that no process has locked.
func sweep(path string, options Options) error {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), filepath.Base(path)+temporarySuffix) {
			continue
		}
		if err := sweepFile(filepath.Join(filepath.Dir(path), entry.Name()), options); err != nil && !errors.Is(err, fs.ErrNotExist) {
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

// probeDir returns ErrUnsuitable if the file system of dir has no locks that keep others out.
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
