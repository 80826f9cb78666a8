package kv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sessiontool/lib/internal/atomicfile"
)

// osFile is a file on disk.
type osFile struct{ *os.File }

// Sync makes the content durable.
func (f osFile) Sync() error { return syncData(f.File) }

// Size returns the size in bytes.
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// lockPatience is how long Open waits for another process that has the database open.
const lockPatience = time.Second

// Open opens the database in the file at path and two logs beside it, or makes a new one if none of them exists. The
// error is ErrInUse, ErrDamaged, ErrVersion or that of the disk.
func Open(path string) (*DB, error) { return OpenOn(path, nil) }

// Disk is for tests of disks that fail: it returns what a database uses in place of the file of that name.
type Disk func(name string, file File) File

// OpenOn is [Open] with a disk, which may be nil. A new database is made without it.
func OpenOn(path string, disk Disk) (*DB, error) {
	fresh, err := isFresh(path)
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := makeFiles(path); err != nil {
			return nil, err
		}
	}
	all, err := openFiles(path)
	if err != nil {
		return nil, err
	}
	if disk != nil {
		for i, name := range Files(path) {
			all[i] = disk(name, all[i])
		}
	}
	db, err := open(all)
	if err != nil {
		return nil, errors.Join(err, closeAll(all))
	}
	return db, nil
}

// Files returns the paths of the files of a database.
func Files(path string) []string { return []string{path, path + ".log1", path + ".log2"} }

// isFresh reports whether there is no database at path. Logs alone are one that has lost its main file, unless they are
// empty: a crash came while the database was made.
func isFresh(path string) (bool, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, log := range Files(path)[1:] {
		file, err := openFile(log, os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		used, err := hasRecords(file)
		if err = errors.Join(err, file.Close()); err != nil {
			return false, err
		}
		if used {
			return false, fmt.Errorf("%w: %s is missing", ErrDamaged, path)
		}
	}
	return true, nil
}

// makeFiles makes the files of an empty database. The main file comes last, complete. While they are made, it has
// another name and is locked, so that another process does not touch the logs.
func makeFiles(path string) (err error) {
	names := Files(path)
	names[0] += ".new"
	var all [3]File
	defer func() { err = errors.Join(err, closeAll(all)) }()
	for i, name := range names {
		file, err := openFile(name, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return err
		}
		all[i] = file
		if i > 0 {
			continue
		}
		if err := lock(file.File); err != nil {
			return err
		}
		if fresh, err := isFresh(path); err != nil || !fresh {
			return err // made by another process meanwhile
		}
	}
	if err := create(all); err != nil {
		return err
	}
	if err := os.Rename(names[0], path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// openFiles opens and locks the files of a database.
func openFiles(path string) (all [3]File, err error) {
	for i, name := range Files(path) {
		file, err := openFile(name, os.O_RDWR)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s is missing", ErrDamaged, name)
		}
		if err == nil && i == 0 {
			all[0] = file
			err = lock(file.File)
		}
		if err != nil {
			return all, errors.Join(err, closeAll(all))
		}
		all[i] = file
	}
	return all, nil
}

// openFile opens a regular file. It does not wait for the other end of a pipe.
func openFile(name string, flags int) (osFile, error) {
	file, err := os.OpenFile(name, flags|nonBlocking, 0o600)
	if err != nil {
		return osFile{}, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is not a regular file", ErrDamaged, name)
	}
	if err != nil {
		return osFile{}, errors.Join(err, file.Close())
	}
	return osFile{file}, nil
}

func closeAll(all [3]File) error {
	var errs []error
	for _, file := range all {
		if file != nil {
			errs = append(errs, file.Close())
		}
	}
	return errors.Join(errs...)
}

// lock locks a database for this process until the file is closed. It waits up to lockPatience. It returns ErrUnsuitable
// if there are no locks, or if a second one is granted while the first one is held.
func lock(file *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; {
		err := takeLock(file)
		switch {
		case err == nil:
			return probe(file.Name())
		case !errors.Is(err, ErrInUse):
			return fmt.Errorf("%w: locking %s: %w", ErrUnsuitable, file.Name(), err)
		case time.Now().After(deadline):
			return err
		}
		<-time.After(lockPatience / 20)
	}
}

// probe returns ErrUnsuitable if the lock of a file that is locked can be had again.
func probe(name string) error {
	second, err := openFile(name, os.O_RDWR)
	if err != nil {
		return err
	}
	err = takeLock(second.File)
	if closeErr := second.Close(); closeErr != nil {
		return closeErr
	}
	switch {
	case errors.Is(err, ErrInUse):
		return nil
	case err == nil:
		return fmt.Errorf("%w: %s: a second lock was granted", ErrUnsuitable, name)
	}
	return fmt.Errorf("%w: locking %s: %w", ErrUnsuitable, name, err)
}
