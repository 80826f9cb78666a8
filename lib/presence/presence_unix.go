//go:build unix

package presence

import (
	"os"
	"syscall"
)

// createLocked makes the file under another name, locks it and only then renames it, so that nobody ever sees it
// without its lock and takes it for the trace of a dead process.
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

// removeIfDead removes path if nobody holds its lock, and reports whether the file is gone.
func removeIfDead(path string) bool {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return os.IsNotExist(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false
	}
	return os.Remove(path) == nil
}
