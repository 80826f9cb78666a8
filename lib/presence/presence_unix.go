//go:build unix

package presence

import (
	"os"
	"syscall"
)

// createLocked creates the file under another name, locks it, and then renames it. Other processes therefore never see
// it without its lock and take it for the file of a crashed process.
func createLocked(path string) (*os.File, error) {
	hidden := path + ".new"
	file, err := os.OpenFile(hidden, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		err = os.Rename(hidden, path)
	}
	if err != nil {
		file.Close()
		os.Remove(hidden)
		return nil, err
	}
	return file, nil
}

// isLocked reports whether a process holds the lock of the file at path. It tries a shared lock, so that two
// simultaneous calls do not see each other's lock.
func isLocked(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}
