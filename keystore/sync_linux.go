package keystore

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes what was written durable, without the times of the file.
func syncData(file *os.File) error {
	for {
		if err := syscall.Fdatasync(int(file.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
