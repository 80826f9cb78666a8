//go:build !unix

package cli

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// survived are signals that would kill the process where an error says more. These systems have none.
var survived []os.Signal

// stdoutClosed would report whether the process was started without a stdout. Here writing returns an error.
func stdoutClosed() bool { return false }

// awaitInput would wait for input. Here reading itself waits, and a second signal ends it.
func awaitInput(ctx context.Context, _ *os.File) error { return context.Cause(ctx) }

// awaitOutput would wait until a pipe takes output. Here writing itself waits, and a second signal ends it.
func awaitOutput(context.Context, *os.File) error { return nil }

// awaitNoReader would wait until a pipe has no reader any more. Here only the next write notices.
func awaitNoReader(ctx context.Context, _ *os.File) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// hideTyping would turn off the echo of the terminal.
func hideTyping(*os.File) (show func() error, err error) { return nil, errors.ErrUnsupported }

// Detached returns the attributes of a child that survives the terminal of its parent.
func Detached() *syscall.SysProcAttr { return nil }

// Terminate ends a process. These systems have no gentle way; the nodes' stores survive it.
func Terminate(process *os.Process) error { return process.Kill() }

// lockFolder would lock a folder. Here the later of two changes at one moment wins.
func lockFolder(dir string) (*os.File, error) { return os.Open(dir) }
