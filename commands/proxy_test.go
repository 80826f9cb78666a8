package commands

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"sessiontool/lib/fakeproxy"
)

// waysOut are the proxies of the tests, by scheme.
var waysOut = map[string]func(net.Listener) *fakeproxy.Proxy{"socks5h": fakeproxy.SOCKS, "http": fakeproxy.HTTP}

// islandProxy is the address of the proxy on an island, which is a machine whose only way out is a proxy: a network
// namespace with nothing but its own loopback device. A process in it passes connections on to a socket in the file
// system.
const islandProxy = "127.0.0.1:1080"

// bridgeToProxy listens at islandProxy and passes connections on to the socket that its first argument names. Then it runs
// the rest of its arguments, and prints what the kernel counts in this namespace: TCP connections that were begun and
// accepted, and UDP packets.
func bridgeToProxy() {
	if err := bridge(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

func bridge(socket string, command []string) error {
	if err := exec.Command("ip", "link", "set", "lo", "up").Run(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", islandProxy)
	if err != nil {
		return err
	}
	go func() {
		for {
			inside, err := listener.Accept()
			if err != nil {
				return
			}
			outside, err := net.Dial("unix", socket)
			if err != nil {
				inside.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(outside, inside) // either side's end ends both
				outside.Close()
			}()
			go func() {
				_, _ = io.Copy(inside, outside)
				inside.Close()
			}()
		}
	}()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	counted, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "\ncounted exit=%d %s\n", cmd.ProcessState.ExitCode(), counters(string(counted)))
	return nil
}

// counters picks the counters of connections and packets from the text of /proc/net/snmp.
func counters(snmp string) string {
	values := make(map[string]string)
	lines := strings.Split(snmp, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, numbers := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j := range names {
			values[names[0]+names[j]] = numbers[j]
		}
	}
	return fmt.Sprintf("begun=%s accepted=%s udp=%s",
		values["Tcp:ActiveOpens"], values["Tcp:PassiveOpens"], values["Udp:OutDatagrams"])
}

// counted is the counters of one command on the island.
type counted struct{ exit, begun, accepted, udp int }

// onIsland runs a command on the island.
func (p *person) onIsland(socket string, args ...string) (result, counted) {
	p.t.Helper()
	// testscript.Main puts its programs into a folder of PATH.
	bin := filepath.Dir(mustLook(p.t, "bridge"))
	cmd := exec.CommandContext(p.t.Context(), "unshare",
		append([]string{"-n", filepath.Join(bin, "bridge"), socket, filepath.Join(bin, "sessiontool")}, args...)...)
	cmd.Env = p.environment()
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("%v\n%s", err, problems.String())
	}
	var c counted
	written, last, found := strings.Cut(problems.String(), "\ncounted ")
	_, err := fmt.Sscanf(last, "exit=%d begun=%d accepted=%d udp=%d", &c.exit, &c.begun, &c.accepted, &c.udp)
	if err != nil || !found {
		p.t.Fatalf("%v in %q", err, last)
	}
	return result{out: out.String(), err: written, code: c.exit}, c
}

func mustLook(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// On a machine whose only way out is a proxy, every command of a conversation works through it, and no connection and
// no packet goes anywhere else. Without the proxy the error says so within 10 s.
func TestOnlyWayOutIsAProxy(t *testing.T) {
	if err := exec.Command("unshare", "-n", "ip", "link", "set", "lo", "up").Run(); err != nil {
		t.Skipf("this user cannot make a network namespace: %v", err)
	}
	network := startDevnet(t, usual)
	for scheme, start := range waysOut {
		t.Run(scheme, func(t *testing.T) {
			alice, bob := newPerson(t, network.SeedURL(), "Alice"), newPerson(t, network.SeedURL(), "Bob")
			befriend(t, alice, bob)
			bob.must("", "send", "--to", alice.id, "--text", "from the mainland")
			socket := filepath.Join(t.TempDir(), "proxy")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			proxy := start(listener)
			defer proxy.Stop()
			if err := os.RemoveAll(filepath.Join(alice.home, "keystore", "networks")); err != nil {
				t.Fatal(err)
			}
			through := []string{"--proxy", scheme + "://" + islandProxy}
			run := func(want int, args ...string) result {
				t.Helper()
				r, c := alice.onIsland(socket, append(through, args...)...)
				if r.code != want {
					t.Errorf("%s: exit %d: %s%s", args[0], r.code, r.out, r.err)
				}
				if c.begun != c.accepted || c.udp != 0 {
					t.Errorf("%s: begins %d connections, the proxy gets %d of them; %d packets by UDP",
						args[0], c.begun, c.accepted, c.udp)
				}
				return r
			}
			if got := texts(run(0, "poll").out); len(got) != 1 || got[0] != "from the mainland" {
				t.Errorf("poll prints %q", got)
			}
			run(0, "send", "--to", bob.id, "--text", "from the island")
			if got := texts(bob.must("", "poll")); len(got) != 1 || got[0] != "from the island" {
				t.Errorf("the other side reads %q", got)
			}
			bob.must("", "send", "--to", alice.id, "--text", "once more")
			if got := texts(run(0, "listen", "--count", "1").out); len(got) != 1 || got[0] != "once more" {
				t.Errorf("listen prints %q", got)
			}
			// The proxy resolves names: the island's own localhost has no seed.
			named := strings.Replace(network.SeedURL(), "127.0.0.1", "localhost", 1)
			if nodes := run(0, "swarm", "nodes", "--network", named).out; strings.Count(nodes, "\n") != usual.Nodes {
				t.Errorf("a seed with a name lists %q", nodes)
			}
			checks := run(0, "doctor", "--select", "{name,ok,detail}").out
			if !strings.Contains(checks, `"name":"proxy","ok":true,"detail":"`+through[1]) {
				t.Errorf("doctor prints %s", checks)
			}
			proxy.Stop()
			for _, args := range [][]string{
				{"send", "--to", bob.id, "--text", "into the sea"}, {"poll"}, {"swarm", "lookup", bob.id},
			} {
				r := run(5, args...)
				if code := gjson.Get(lastLine(r.err), "code").Str; code != "proxy_unreachable" {
					t.Errorf("%s without the proxy: %s", args[0], r.err)
				}
			}
		})
	}
}

// lastLine returns the last line that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// The setting names the proxy for every connection, none switches it off, other programs' variables count except for the
// hosts of NO_PROXY, and a password is accepted from the config file only and shown nowhere.
func TestProxySetting(t *testing.T) {
	network := startDevnet(t, usual)
	alice := newPerson(t, network.SeedURL(), "Alice")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := fakeproxy.SOCKS(listener)
	defer proxy.Stop()
	address := listener.Addr().String()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	config := filepath.Join(alice.home, ".config", "sessiontool", "config.json")
	if err := os.MkdirAll(filepath.Dir(config), 0o700); err != nil {
		t.Fatal(err)
	}
	far, down := "http://192.0.2.1:80", "http://"+closed.Addr().String()
	for i, c := range []struct {
		variables, args []string
		config          string
		code            string // of the error; empty for success
		proxied         bool
	}{
		{nil, []string{"--proxy", "socks5h://" + address}, "", "", true},
		{[]string{"SESSIONTOOL_PROXY=socks5://" + address}, nil, "", "", true},
		{nil, nil, "socks5h://u:secret@" + address, "", true},
		{[]string{"ALL_PROXY=socks5h://" + address}, nil, "", "", true},
		{[]string{"https_proxy=socks5://" + address, "ALL_PROXY=" + down}, nil, "", "", true},
		{[]string{"ALL_PROXY=" + down}, nil, "", "proxy_unreachable", false},
		{[]string{"ALL_PROXY=" + down, "NO_PROXY=localhost"}, nil, "", "proxy_unreachable", false},
		{[]string{"ALL_PROXY=" + down, "NO_PROXY=localhost,127.0.0.0/8"}, nil, "", "", false},
		{[]string{"HTTPS_PROXY=" + closed.Addr().String(), "no_proxy=127.0.0.1"}, nil, "", "", false},
		{[]string{"HTTPS_PROXY=" + closed.Addr().String(), "NO_PROXY=127.0.0.1"}, []string{"--network", far}, "",
			"proxy_unreachable", false},
		{[]string{"SESSIONTOOL_PROXY=socks5://" + address, "NO_PROXY=*"}, nil, "", "", true},
		{[]string{"NO_PROXY=*"}, nil, "socks5h://u:secret@" + address, "", true},
		{nil, []string{"--proxy", "http://" + closed.Addr().String()}, "", "proxy_unreachable", false},
		{[]string{"SESSIONTOOL_PROXY=http://" + closed.Addr().String()}, []string{"--proxy", "none"}, "", "", false},
		{nil, []string{"--proxy", "socks4://" + address}, "", "usage", false},
		{nil, []string{"--proxy", "socks5h://u:secret@" + address}, "", "usage", false},
		{[]string{"SESSIONTOOL_PROXY=socks5h://u:secret@" + address}, nil, "", "usage", false},
		{[]string{"ALL_PROXY=ftp://u:secret@host"}, nil, "", "usage", false},
	} {
		name := strconv.Itoa(i)
		text := "{}"
		if c.config != "" {
			text = fmt.Sprintf(`{"proxy":%q}`, c.config)
		}
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := proxy.Made()
		r := alice.with(c.variables, append(c.args, "swarm", "nodes", "-v")...)
		if code := gjson.Get(lastLine(r.err), "code").Str; r.code == 0 != (c.code == "") || code != c.code {
			t.Errorf("%s: exit %d: %s", name, r.code, r.err)
		}
		if proxied := proxy.Made() > before; proxied != c.proxied {
			t.Errorf("%s: the proxy is used: %v", name, proxied)
		}
		shown := alice.with(c.variables, append(c.args, "config", "show", "--origin")...)
		if strings.Contains(r.out+r.err+shown.out+shown.err, "secret") {
			t.Errorf("%s shows the password", name)
		}
	}
	shown := alice.with([]string{"ALL_PROXY=" + down, "NO_PROXY=localhost"}, "config", "show", "proxy", "--origin").out
	want := fmt.Sprintf(`"value":%q,"origin":"environment","source":"ALL_PROXY, except NO_PROXY=localhost"`, down)
	if !strings.Contains(shown, want) {
		t.Errorf("config show prints %s", shown)
	}
}

// with runs a command with further variables in its environment.
func (p *person) with(variables []string, args ...string) result {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), self, args...)
	cmd.Args[0] = "sessiontool"
	cmd.Env = append(p.environment(), variables...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return result{out: out.String(), err: problems.String(), code: cmd.ProcessState.ExitCode()}
}
