// Package sdnotify tells systemd, or another service manager with its protocol, how a service is: that it is ready, that
// it still works, and that it stops. See sd_notify(3). Without a manager it does nothing.
package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// The variables of the protocol. A child process must not get them.
var variables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}

// Notifier sends states to the service manager. A nil Notifier does nothing.
type Notifier struct {
	conn     net.Conn
	watchdog time.Duration
}

// Open connects to the socket that the environment names. It returns nil if there is none. A name that begins with @ is
// in the abstract namespace of Linux.
func Open(env func(string) string) (*Notifier, error) {
	name := env("NOTIFY_SOCKET")
	if name == "" {
		return nil, nil
	}
	if name[0] != '@' && name[0] != '/' {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor an abstract name", name)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	n := &Notifier{conn: conn}
	if pid := env("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		micros, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64)
		if err == nil && micros > 0 {
			n.watchdog = time.Duration(micros) * time.Microsecond
		}
	}
	return n, nil
}

// Watchdog returns how often the manager wants to hear that the service works, 0 if it does not.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready reports that the service is up.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Working answers the watchdog.
func (n *Notifier) Working() error { return n.send("WATCHDOG=1") }

// Status shows a line to the user of the manager.
func (n *Notifier) Status(line string) error {
	return n.send("STATUS=" + strings.ReplaceAll(line, "\n", " "))
}

// Stopping reports that the service begins to stop.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

func (n *Notifier) send(state string) error {
	if n == nil {
		return nil
	}
	if _, err := n.conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}

// Close ends the connection.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}

// Without returns an environment without the variables of the protocol, for a child process.
func Without(environment []string) (rest []string) {
	for _, one := range environment {
		name, _, _ := strings.Cut(one, "=")
		keep := true
		for _, variable := range variables {
			keep = keep && name != variable
		}
		if keep {
			rest = append(rest, one)
		}
	}
	return rest
}
