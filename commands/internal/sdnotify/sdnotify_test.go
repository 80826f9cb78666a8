//go:build linux

package sdnotify

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// states are what a manager at a socket gets.
func states(t *testing.T, name string, want int, do func(*Notifier) error) (got []string) {
	t.Helper()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	env := map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": fmt.Sprint(os.Getpid())}
	n, err := Open(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Watchdog() != 30*time.Second {
		t.Errorf("the watchdog wants to hear every %v", n.Watchdog())
	}
	if err := do(n); err != nil {
		t.Fatal(err)
	}
	if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1000)
	for range want {
		n, err := manager.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(buffer[:n]))
	}
	return got
}

// The manager gets each state as a datagram, at a socket in a folder and at one in the abstract namespace.
func TestNotifier(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "socket"), fmt.Sprintf("@sessiontool-test-%d", os.Getpid())} {
		got := states(t, name, 4, func(n *Notifier) error {
			for _, send := range []func() error{
				n.Ready, n.Working, n.Stopping, func() error { return n.Status("two\nlines") },
			} {
				if err := send(); err != nil {
					return err
				}
			}
			return nil
		})
		if want := []string{"READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=two lines"}; !slices.Equal(got, want) {
			t.Errorf("at %s the manager gets %q", name, got)
		}
	}
}

// Without a manager nothing happens, a watchdog of another process is not ours, and a wrong socket is an error.
func TestNoManager(t *testing.T) {
	none, err := Open(func(string) string { return "" })
	if err != nil || none != nil || none.Ready() != nil || none.Watchdog() != 0 || none.Close() != nil {
		t.Errorf("without a manager: %v, %v", none, err)
	}
	for _, name := range []string{"relative", filepath.Join(t.TempDir(), "none"), "@"} {
		n, err := Open(func(variable string) string { return map[string]string{"NOTIFY_SOCKET": name}[variable] })
		if err == nil {
			t.Errorf("%s: %v", name, n)
		}
	}
	left := Without([]string{"A=1", "NOTIFY_SOCKET=x", "WATCHDOG_USEC=1", "WATCHDOG_PID=2", "NOTIFY_SOCKETS=y"})
	if strings.Join(left, " ") != "A=1 NOTIFY_SOCKETS=y" {
		t.Errorf("a child gets %q", left)
	}
}
