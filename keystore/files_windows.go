package keystore

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const nonBlocking = 0

// checkMode accepts every file: on Windows the access list of the profile folder protects it, which modes do not show.
func checkMode(string, fs.FileInfo) error { return nil }

// CheckTrusted accepts every file, for the same reason.
func CheckTrusted(*os.File) error { return nil }

// syncDir does nothing: Windows cannot sync a directory, and journals its entries.
func syncDir(string) error { return nil }

// syncData makes what was written durable.
func syncData(file *os.File) error { return file.Sync() }

// takeLock locks the file until it is closed. It returns errBusy if another process holds a conflicting lock. It locks
// a byte far behind the end, because a lock on Windows keeps others from reading what it covers.
func takeLock(file *os.File, exclusive bool) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0,
		&windows.Overlapped{Offset: 0xffffffff, OffsetHigh: 0x7fffffff})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errBusy
	}
	return err
}
