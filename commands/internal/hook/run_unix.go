//go:build unix

package hook

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup puts a command into a process group of its own: a Ctrl-C at the terminal is for listen, which then ends the
// command.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup signals a command and its children. It ignores a group that has ended.
func signalGroup(process *os.Process, signal syscall.Signal) { _ = syscall.Kill(-process.Pid, signal) }

// signalOf returns the signal that ended a command.
func signalOf(exit *exec.ExitError) (int, bool) {
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return int(status.Signal()), true
}
