//go:build !unix

package commands

import (
	"os"
	"syscall"
)

// detached makes a child survive its parent's terminal.
func detached() *syscall.SysProcAttr { return nil }

// terminate ends a process. These systems have no gentle way; the nodes' stores survive it.
func terminate(process *os.Process) error { return process.Kill() }
