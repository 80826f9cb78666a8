package keystore

import (
	"io/fs"
	"os"
)

// checkMode accepts everything: on Windows, access is a matter of the profile directory's list, which modes do not show.
func checkMode(string, fs.FileMode) error { return nil }

// syncDir does nothing: Windows has no way to sync a directory and journals its entries.
func syncDir(string) error { return nil }

// releaseLock does nothing: on Windows, closing the file does it.
func releaseLock(*os.File) error { return nil }
