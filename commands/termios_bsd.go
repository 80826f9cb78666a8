//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package commands

import "golang.org/x/sys/unix"

// Requests that read and set a terminal's modes.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)
