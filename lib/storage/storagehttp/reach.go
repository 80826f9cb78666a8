package storagehttp

import (
	"errors"
	"net"
	"syscall"
)

// ErrNoIPv4 reports a machine that has IPv6 alone, and an address of IPv4 that it should connect to. No server is at
// fault then.
var ErrNoIPv4 = errors.New("this machine has no way to an IPv4 address")

// lacksIPv4 reports whether a connection to an IPv4 address failed because the machine has a route for IPv6 alone.
func lacksIPv4(err error) bool {
	failed := (*net.OpError)(nil)
	if !errors.As(err, &failed) || failed.Op != "dial" || !noRoute(err) {
		return false
	}
	to, ok := failed.Addr.(*net.TCPAddr)
	return ok && to.IP.To4() != nil && !to.IP.IsLoopback() && hasRoute("udp6", "[2001:db8::1]:9")
}

// noRoute reports whether the system refused a connection without sending a packet.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EADDRNOTAVAIL)
}

// hasRoute reports whether the machine has a route to an address. Connecting a UDP socket sends nothing.
func hasRoute(network, address string) bool {
	conn, err := net.Dial(network, address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
