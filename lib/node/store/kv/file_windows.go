package kv

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

const nonBlocking = 0

// takeLock locks the file until it is closed. It returns ErrInUse if another process has it locked. It locks a byte far
// behind the end, because a lock on Windows keeps others from reading what it covers.
func takeLock(file *os.File) error {
	err := windows.LockFileEx(windows.Handle(file.Fd()),
		windows.LOCKFILE_FAIL_IMMEDIATELY|windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0,
		&windows.Overlapped{Offset: 0xffffffff, OffsetHigh: 0x7fffffff})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrInUse
	}
	return err
}

func syncData(file *os.File) error { return file.Sync() }
