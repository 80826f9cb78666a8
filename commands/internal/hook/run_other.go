//go:build !unix

package hook

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// signalGroup ends a command: other systems have no signals. It ignores one that has ended.
func signalGroup(process *os.Process, _ syscall.Signal) { _ = process.Kill() }

func signalOf(*exec.ExitError) (int, bool) { return 0, false }
