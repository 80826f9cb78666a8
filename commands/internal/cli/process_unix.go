//go:build unix

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// survived are signals that would kill the process where an error says more: a reader that went away, and a file size
// limit.
var survived = []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ}

// stdoutClosed reports whether the process was started without a stdout. Go's runtime opens the null device in its
// place, for reading and writing; a shell that drops the output opens it for writing only.
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

// awaitInput returns when file has input or is at its end, or with the cause of the end of ctx.
func awaitInput(ctx context.Context, file *os.File) error { return await(ctx, file, unix.POLLIN) }

// awaitOutput returns when a pipe takes pipeAtomic bytes or has no reader any more, or with the cause of the end of ctx.
func awaitOutput(ctx context.Context, file *os.File) error {
	fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLOUT}}
	if n, err := unix.Poll(fds, 0); err == nil && n > 0 { // the usual case
		return nil
	}
	return await(ctx, file, unix.POLLOUT)
}

// await returns when one of the events, an error or a hang-up happens to file, or with the cause of the end of ctx.
func await(ctx context.Context, file *os.File, events int16) error {
	woken, wake, err := os.Pipe()
	if err != nil {
		return err
	}
	defer woken.Close()
	stop := context.AfterFunc(ctx, func() { wake.Close() }) // which ends the poll of woken
	defer func() {
		if stop() {
			wake.Close()
		}
	}()
	for ctx.Err() == nil {
		fds := []unix.PollFd{
			{Fd: int32(file.Fd()), Events: events}, {Fd: int32(woken.Fd()), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for a file: %w", err)
		}
		if fds[0].Revents != 0 {
			return nil
		}
	}
	return context.Cause(ctx)
}

// awaitNoReader returns nil when a pipe has no reader any more, or the cause of the end of ctx. Linux reports that at
// once. Others report it only together with what was asked for, and are asked again and again.
func awaitNoReader(ctx context.Context, file *os.File) error {
	if runtime.GOOS == "linux" {
		return await(ctx, file, 0)
	}
	ticker := time.NewTicker(readerCheck)
	defer ticker.Stop()
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLOUT}}
		_, err := unix.Poll(fds, 0)
		if err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// hideTyping turns off the echo of a terminal and makes it return whole lines, until show is called.
func hideTyping(terminal *os.File) (show func() error, err error) {
	fd := int(terminal.Fd())
	modes, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	hidden := *modes
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setTermios, &hidden); err != nil {
		return nil, err
	}
	return func() error { return unix.IoctlSetTermios(fd, setTermios, modes) }, nil
}

// Detached returns the attributes of a child that survives the terminal of its parent.
func Detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// Terminate asks a process to end.
func Terminate(process *os.Process) error { return process.Signal(syscall.SIGTERM) }

// lockFolder locks a folder until it is closed. It returns errConfigBusy if another process holds the lock.
func lockFolder(dir string) (*os.File, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return folder, nil
	}
	folder.Close()
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return nil, errConfigBusy
	}
	return nil, fmt.Errorf("locking %s: %w", dir, err)
}
