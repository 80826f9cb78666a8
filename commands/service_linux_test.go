package commands

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// manager is a service manager's socket.
type manager struct {
	conn *net.UnixConn
	mu   sync.Mutex
	got  []string
}

func newManager(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{conn: conn}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 1000)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.got = append(m.got, string(buffer[:n]))
			m.mu.Unlock()
		}
	}()
	return m
}

func (m *manager) count(state string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, got := range m.got {
		if got == state {
			n++
		}
	}
	return n
}

// serves starts a listen as a service manager does, and waits until it is ready.
func (p *person) serves(m *manager, socket string, args ...string) (cmd *exec.Cmd, out *bytes.Buffer) {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd, out = exec.Command(self, append([]string{"listen", "--poll-interval", "100ms"}, args...)...), &bytes.Buffer{}
	cmd.Args[0], cmd.Stdout, cmd.Stderr = "sessiontool", out, out
	cmd.Env = append(p.environment(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=100000")
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait() // how it ended is known
		}
	})
	before := m.count("READY=1")
	eventually(p.t, "the service to be ready", func() bool { return m.count("READY=1") > before })
	return cmd, out
}

// A listen under a service manager is ready after its first poll, answers the watchdog, serves figures and says that it
// stops. Its command stops with it, and what the command had not accepted comes again.
func TestListenIsAService(t *testing.T) {
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	socket := fmt.Sprintf("@sessiontool-service-%d", os.Getpid())
	m := newManager(t, socket)
	address := freeAddress(t)
	dir := t.TempDir()
	command := fmt.Sprintf(`read -r line; echo "$line" >>%[1]s/got
		case $line in *slow*) trap 'echo stopped >>%[1]s/got; exit 1' TERM; while :; do sleep 0.01; done;; esac`, dir)
	cmd, out := bob.serves(m, socket, "--metrics", address, "--exec", command)
	eventually(t, "the watchdog to be answered", func() bool { return m.count("WATCHDOG=1") > 2 })
	alice.must("", "send", "--to", bob.id, "--text", "quick", "--route", "async")
	got := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "got"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	eventually(t, "the first text", func() bool { return strings.Contains(got(), "quick") })
	alice.must("", "send", "--to", bob.id, "--text", "slow", "--route", "async")
	eventually(t, "the second text", func() bool { return strings.Contains(got(), "slow") })
	figures := fetch(t, "http://"+address+"/metrics")
	for _, line := range []string{
		`sessiontool_listen_records_total{type="message"} 2`, `sessiontool_listen_hook_runs_total{outcome="accepted"} 1`,
		"sessiontool_listen_hook_queue 1", "sessiontool_listen_outage 0",
	} {
		if !strings.Contains(figures, line+"\n") {
			t.Errorf("the figures lack %s:\n%s", line, figures)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // its exit code follows
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("it ends with %d:\n%s", code, out)
	}
	eventually(t, "the end to be announced", func() bool { return m.count("STOPPING=1") == 1 })
	if !strings.HasSuffix(got(), "stopped\n") {
		t.Errorf("the command did not get SIGTERM: %s", got())
	}
	if !strings.Contains(out.String(), `"outcome":"interrupted"`) {
		t.Errorf("the interrupted run is not printed:\n%s", out)
	}
	left := bob.must("", "poll")
	if !slices.Equal(texts(left), []string{"slow"}) || gjson.Get(left, "attempt").Int() != 2 {
		t.Errorf("the next poll prints %s", left)
	}
}

// fetch returns a page.
func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// freeAddress returns an address of this machine at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// A listen that is killed while its command works, and a poll that is killed after it printed, lose nothing that was not
// accepted or acknowledged.
func TestUnacknowledgedSurvivesKills(t *testing.T) {
	net := startDevnet(t, usual)
	alice, bob := newPerson(t, net.SeedURL(), "Alice"), newPerson(t, net.SeedURL(), "Bob")
	befriend(t, alice, bob)
	alice.must(draftLines(bob.id, "one", "two", "three"), "send")
	socket := filepath.Join(t.TempDir(), "socket")
	m := newManager(t, socket)
	file := filepath.Join(t.TempDir(), "got")
	cmd, _ := bob.serves(m, socket, "--exec", `read -r line; echo "$line" >>`+file+`; case $line in *two*) exec sleep 3;; esac`)
	eventually(t, "the second text", func() bool {
		got, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(got), "two")
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // it was killed
	for attempt := int64(2); attempt < 4; attempt++ {
		out := bob.must("", "poll", "--ack", "explicit")
		if !slices.Equal(texts(out), []string{"two", "three"}) || gjson.Get(out, "attempt").Int() != attempt {
			t.Errorf("attempt %d prints %s", attempt, out)
		}
	}
	out := bob.must("", "poll", "--ack", "explicit", "--count", "1")
	bob.must(out, "ack")
	if got := texts(bob.must("", "poll")); !slices.Equal(got, []string{"three"}) {
		t.Errorf("after the acknowledgement are left %q", got)
	}
	if out := bob.must("", "poll"); out != "" {
		t.Errorf("at the end is left %s", out)
	}
}

// A manager that does not exist is an error before anything starts.
func TestNoServiceManager(t *testing.T) {
	bob := newPerson(t, "http://127.0.0.1:1", "Bob")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "listen")
	cmd.Args[0], cmd.WaitDelay = "sessiontool", time.Second
	cmd.Env = append(bob.environment(), "NOTIFY_SOCKET="+filepath.Join(t.TempDir(), "none"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "NOTIFY_SOCKET") {
		t.Errorf("%v: %s", err, out)
	}
}
