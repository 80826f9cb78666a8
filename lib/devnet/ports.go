package devnet

import (
	"errors"
	random "math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	// lowestPort and highestPort bound the ports of a network's own choice. Below them are those of well-known
	// services; above them are those that Linux and others give to outgoing connections and to listeners at any port.
	lowestPort  = 10_000
	highestPort = 32_767
	// portTries is how many ports are tried before the system chooses one.
	portTries = 20
)

// listenAnywhere opens a free port that the system gives to no outgoing connection, so that the network finds it free
// after it was down. If there is none, the system chooses.
func listenAnywhere(ip string) (net.Listener, error) {
	if highest := min(highestPort, outgoingPorts()-1); highest >= lowestPort {
		for range portTries {
			listener, err := listenAt(ip, uint16(lowestPort+random.IntN(highest-lowestPort+1)))
			if !errors.Is(err, syscall.EADDRINUSE) {
				return listener, err
			}
		}
	}
	return listenAt(ip, 0)
}

// outgoingPorts returns the first port that Linux gives to outgoing connections. Other systems begin above highestPort.
func outgoingPorts() int {
	content, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return highestPort + 1
	}
	first, _, _ := strings.Cut(string(content), "\t")
	port, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return port
}

func listenAt(ip string, port uint16) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(int(port))))
}

// listen opens the port, or any if it is taken or 0.
func (n *Network) listen(port uint16) (net.Listener, error) {
	if port == 0 {
		return listenAnywhere(n.options.ListenIP)
	}
	listener, err := listenAt(n.options.ListenIP, port)
	if err != nil {
		return listenAnywhere(n.options.ListenIP)
	}
	return listener, nil
}

func portOf(listener net.Listener) uint16 { return uint16(listener.Addr().(*net.TCPAddr).Port) }
