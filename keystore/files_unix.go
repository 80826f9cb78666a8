//go:build !windows

package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// nonBlocking keeps open from waiting for the other end of a named pipe.
const nonBlocking = syscall.O_NONBLOCK

// checkMode returns [ErrPermissions], with the command that fixes it, if a file belongs to another user or its mode
// gives access to group or others.
func checkMode(path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	mode := info.Mode()
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s has mode %04o; run: chmod %o %s", ErrPermissions, path, mode.Perm(), mode.Perm()&0o700,
		path)
}

// checkOwner accepts files of the user and of root.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	return fmt.Errorf("%w: %s belongs to user %d; run: chown %d %s", ErrPermissions, path, stat.Uid, os.Geteuid(), path)
}

// CheckTrusted returns [ErrPermissions], with the command that fixes it, if users other than the owner and root could
// have written the file. It is for files that a program believes, such as settings and passphrases. CheckTrusted
// accepts pipes and devices.
func CheckTrusted(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	if err := checkOwner(file.Name(), info); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; run: chmod go-w %s", ErrPermissions, file.Name(), mode, file.Name())
	}
	return nil
}

// syncDir makes the directory's entries durable.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// takeLock locks the file until it is closed. It returns errBusy if another process holds a conflicting lock.
func takeLock(file *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for {
		switch err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errBusy
		default:
			return err
		}
	}
}
