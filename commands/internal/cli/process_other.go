//go:build !unix

package cli

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// survived are signals that would kill where an error tells more. These systems have none.
var survived []os.Signal

// stdoutClosed reports whether the process was started without a stdout: writing to it tells here.
func stdoutClosed() bool { return false }

// awaitInput would wait for something to read. Here reading itself waits, and a second signal ends it.
func awaitInput(ctx context.Context, _ *os.File) error { return context.Cause(ctx) }

// hideTyping would keep what is typed from being shown.
func hideTyping(*os.File) (show func() error, err error) { return nil, errors.ErrUnsupported }

// Detached makes a child survive its parent's terminal.
func Detached() *syscall.SysProcAttr { return nil }

// Terminate ends a process. These systems have no gentle way; the nodes' stores survive it.
func Terminate(process *os.Process) error { return process.Kill() }
