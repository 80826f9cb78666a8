//go:build !unix

package presence

import "os"

// createLocked relies on these systems refusing to remove a file that is open.
func createLocked(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

// removeIfDead removes path if no process has it open, and reports whether the file is gone.
func removeIfDead(path string) bool {
	err := os.Remove(path)
	return err == nil || os.IsNotExist(err)
}
