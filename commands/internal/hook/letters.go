package hook

import (
	"errors"
	"fmt"
	"os"
)

// CheckDeadLetters returns an error if records cannot be appended to a file. It makes the file.
func CheckDeadLetters(path string) error {
	file, err := openLetters(path)
	if err != nil {
		return err
	}
	return file.Close()
}

func openLetters(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	return file, nil
}

// bury appends a record to the file of those that are given up: as a whole, or not at all on a full disk.
func (r *Runner) bury(line []byte) error {
	r.dead.Lock()
	defer r.dead.Unlock()
	file, err := openLetters(r.options.DeadLetter)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("dead letters: %w", err), file.Close())
	}
	_, err = file.Write(line)
	// Only a file has a size to return to, and a disk to reach: a pipe and a terminal refuse both.
	switch {
	case err != nil && info.Mode().IsRegular():
		err = errors.Join(err, file.Truncate(info.Size()))
	case err == nil && info.Mode().IsRegular():
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return nil
}
