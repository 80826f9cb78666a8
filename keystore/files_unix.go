//go:build !windows

package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkMode returns ErrPermissions, with the command that mends it, if the mode lets group or others in.
func checkMode(path string, mode fs.FileMode) error {
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s has mode %04o; run: chmod %o %s", ErrPermissions, path, mode.Perm(), mode.Perm()&0o700, path)
}

// syncDir makes the directory's entries durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// releaseLock gives back the lock that bbolt took on the file.
func releaseLock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
