//go:build unix

package commands

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// survived are signals that would kill where an error tells more: a reader that went away, and a file size limit.
var survived = []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ}

// stdoutClosed reports whether the process was started without a stdout. Go's runtime opens the null device in its
// place, for reading too, which nobody does who only wants to drop the output from a shell.
func stdoutClosed() bool {
	flags, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	if flags&unix.O_ACCMODE != unix.O_RDWR {
		return false
	}
	stdout, err := os.Stdout.Stat()
	if err != nil {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(stdout, null)
}

// detached makes a child survive its parent's terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to end.
func terminate(process *os.Process) error { return process.Signal(syscall.SIGTERM) }
