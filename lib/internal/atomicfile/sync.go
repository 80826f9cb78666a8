//go:build !windows

package atomicfile

import (
	"errors"
	"os"
)

// SyncDir makes changes of the entries of a folder durable, such as a rename.
func SyncDir(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
