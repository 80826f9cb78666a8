// Package atomicfile replaces small files whole or not at all. It promises that after a crash at any point a reader
// finds the old content or the new, never a part, and that new content is on disk when Write returns.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes data the content of the file at path, which gets the given mode. The file's folder must exist; the
// content is first written to a file next to it, which is gone again whatever happens short of a crash.
func Write(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(dir)
}
