// Package loopback has addresses of this machine for tests whose servers go down and come back.
//
// Who comes back wants its old port, and on 127.0.0.1 anybody may have got that port meanwhile: every listener that leaves
// the choice of its port to the system. An address of one's own makes that impossible.
package loopback

import (
	"net"
	"os"
	"runtime"
)

// Own returns an IP address of this machine that no other process of a test run uses, where there is one, and else
// 127.0.0.1. It is the same for all of a process's life.
func Own() string {
	if runtime.GOOS != "linux" { // where all of 127.0.0.0/8 is this machine
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return net.IPv4(127, byte(pid>>16)+1, byte(pid>>8), byte(pid)).String()
}
