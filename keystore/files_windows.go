package keystore

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const nonBlocking = 0

// checkMode accepts everything: on Windows, access is a matter of the profile directory's list, which modes do not show.
func checkMode(string, fs.FileInfo) error { return nil }

// CheckTrusted accepts everything, for the same reason.
func CheckTrusted(*os.File) error { return nil }

// syncDir does nothing: Windows has no way to sync a directory and journals its entries.
func syncDir(string) error { return nil }

// syncData makes what was written durable.
func syncData(file *os.File) error { return file.Sync() }

// takeLock takes a lock on the file, which is released when the file is closed. It returns errBusy if another holds one.
// What is locked is a byte far behind the end, because on Windows a lock keeps others from reading what it covers.
func takeLock(file *os.File, exclusive bool) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: 0xffffffff, OffsetHigh: 0x7fffffff})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errBusy
	}
	return err
}
