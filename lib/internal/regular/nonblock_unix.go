//go:build !windows

package regular

import "syscall"

// nonBlocking keeps open from waiting for the other end of a named pipe.
const nonBlocking = syscall.O_NONBLOCK
