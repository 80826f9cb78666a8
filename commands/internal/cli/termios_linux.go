package cli

import "golang.org/x/sys/unix"

// Requests that read and set a terminal's modes.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)
