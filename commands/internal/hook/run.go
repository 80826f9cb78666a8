package hook

import (
	"bytes"
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// notStarted is the exit code of shells for a command that did not start.
const notStarted = 127

// leftBehind is how long the output of a command is read after its end, which a child of it may hold open.
const leftBehind = time.Second

// run runs the command with a line on its stdin, and returns its exit code. When the runner's context ends, the command
// and its children get SIGTERM, and SIGKILL after the grace.
func (r *Runner) run(line []byte) int {
	shell, flag := "/bin/sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	cmd := exec.Command(shell, flag, r.options.Command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(line), r.options.Output, r.options.Output
	cmd.Env, cmd.SysProcAttr, cmd.WaitDelay = r.options.Env, ownGroup(), leftBehind
	if err := cmd.Start(); err != nil {
		return notStarted
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return exitCode(err)
	case <-r.ctx.Done():
	}
	signalGroup(cmd.Process, syscall.SIGTERM)
	select {
	case err := <-ended:
		return exitCode(err)
	case <-time.After(r.options.grace):
	}
	signalGroup(cmd.Process, syscall.SIGKILL)
	return exitCode(<-ended)
}

// exitCode returns the exit code of a command as shells do: 128 and the signal for one that a signal ended.
func exitCode(err error) int {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return notStarted
	}
	if signal, ok := signalOf(exit); ok {
		return 128 + signal
	}
	return exit.ExitCode()
}
