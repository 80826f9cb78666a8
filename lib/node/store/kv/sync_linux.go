package kv

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes the file's content durable, but not its times.
func syncData(file *os.File) error {
	for {
		if err := syscall.Fdatasync(int(file.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
