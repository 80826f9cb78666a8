//go:build !windows

package kv

import (
	"errors"
	"os"
	"syscall"
)

// nonBlocking keeps open from waiting for the other end of a named pipe.
const nonBlocking = syscall.O_NONBLOCK

// takeLock locks the file until it is closed. It returns ErrInUse if another process has it locked.
func takeLock(file *os.File) error {
	for {
		switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrInUse
		default:
			return err
		}
	}
}
