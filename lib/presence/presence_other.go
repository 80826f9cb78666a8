//go:build !unix

package presence

import (
	"os"
	"time"
)

// createLocked creates and opens the file. These systems refuse to rename an open file, which serves as the lock.
func createLocked(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

// isLocked reports whether a process has the file at path open.
func isLocked(path string) bool {
	probe := path + "." + time.Now().Format("150405.000000000")
	if err := os.Rename(path, probe); err != nil {
		return !os.IsNotExist(err)
	}
	os.Rename(probe, path)
	return false
}
