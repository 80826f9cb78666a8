// Package loopback gives tests that restart a server a loopback address of their own.
//
// A restarted server needs its old port. On 127.0.0.1 the system may have given that port to another listener
// meanwhile. On an address that only one process uses, it cannot.
package loopback

import (
	"net"
	"os"
	"runtime"
)

// Own returns a loopback address that no other process of a test run uses. It returns the same address for as long as
// the process runs. On systems other than Linux it returns 127.0.0.1.
func Own() string {
	if runtime.GOOS != "linux" { // only Linux routes all of 127.0.0.0/8 to itself
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return net.IPv4(127, byte(pid>>16)+1, byte(pid>>8), byte(pid)).String()
}
