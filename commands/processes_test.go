package commands

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// process is a command that runs until it is stopped, in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	record string // the line that it printed when it was ready

	mu  sync.Mutex
	log bytes.Buffer // its stderr
}

// Write implements io.Writer for the log.
func (p *process) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(data)
}

// launch starts a command and waits for its first record. It is stopped at the end of the test.
func launch(t *testing.T, home string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(self, args...)}
	p.cmd.Args[0] = "sessiontool"
	p.cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), complaints + "=" + os.Getenv(complaints)}
	p.cmd.Stderr = p
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	p.record, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("sessiontool %s: %v\n%s", strings.Join(args, " "), err, p.text())
	}
	return p
}

// end ends the process and waits for it. Ending it again does nothing.
func (p *process) end(signal os.Signal) {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Signal(signal) // it may have ended by itself, which Wait reports
		p.cmd.Wait()                 // how it ended is what the signal says
	}
}

// text returns what it has logged.
func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// eventually waits for something that processes bring about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(3 * time.Minute) // which only a hang reaches
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Several machines' worth of processes form one network: a registry alone, and nodes that know nothing but its URL,
// each with a folder and a port of its own. One node is killed and replaced, another killed and started again, and the
// registry is stopped and started; messages still arrive, and whatever was logged and measured meanwhile names no user.
func TestNetworkOfProcesses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	home, nodesHome := t.TempDir(), t.TempDir()
	registryDir := filepath.Join(home, "registry")
	// With swarms of four at most, of which a poll asks one that has stored.
	upRegistry := func(listen string) *process {
		return launch(t, home, "devnet", "up", "--nodes", "0", "--swarm-size", "2", "--dir", registryDir,
			"--listen", listen)
	}
	registry := upRegistry(registryIP())
	seed := gjson.Get(registry.record, "seeds.0").Str
	processes := []*process{registry}
	run := func(name string) *process {
		p := launch(t, nodesHome, "node", "run", "--seed", seed, "--data", filepath.Join(nodesHome, name),
			"--metrics", "127.0.0.1:0", "--log-level", "debug", "--log-format", "json")
		processes = append(processes, p)
		return p
	}
	var nodes []*process
	for i := range 6 {
		nodes = append(nodes, run(fmt.Sprint("node", i)))
	}
	// Nodes ask for the list once a second; until then they do not relay to newcomers.
	know := func(count int, nodes ...*process) {
		t.Helper()
		eventually(t, fmt.Sprintf("the nodes to know %d nodes", count), func() bool {
			return !slices.ContainsFunc(nodes, func(p *process) bool {
				lists := strings.Split(p.text(), `"new node list"`)
				return !strings.Contains(lists[len(lists)-1], fmt.Sprintf(`"nodes":%d,`, count))
			})
		})
	}
	know(6, nodes...)
	key := func(p *process) string { return gjson.Get(p.record, "pubkey_ed25519").Str }

	alice, bob := newPerson(t, seed, "Alice"), newPerson(t, seed, "Bob")
	befriend(t, alice, bob)
	talk := func(text string) {
		t.Helper()
		alice.must("", "send", "--to", bob.id, "--text", text)
		if got := texts(bob.must("", "poll")); !slices.Contains(got, text) {
			t.Errorf("Bob reads %q, not %q", got, text)
		}
	}
	talk("all six are there")

	nodes[0].end(syscall.SIGKILL)
	talk("one of six was killed")
	nodes = append(nodes, run("replacement"))
	if listed := bob.must("", "swarm", "nodes"); !strings.Contains(listed, key(nodes[6])) {
		t.Errorf("the replacement is not listed:\n%s", listed)
	}
	know(7, nodes[1:]...)
	talk("another one took its place")

	was := key(nodes[1])
	nodes[1].end(syscall.SIGKILL)
	if nodes[1] = run("node1"); key(nodes[1]) != was {
		t.Errorf("a node came back as %s, was %s", key(nodes[1]), was)
	}
	know(7, nodes[1:]...)
	talk("a killed one came back")

	// While there is no registry, the nodes go on.
	registry.end(syscall.SIGTERM)
	talk("without a registry")
	registry = upRegistry(registryIP())
	processes = append(processes, registry)
	if again := gjson.Get(registry.record, "seeds.0").Str; again != seed {
		t.Errorf("the registry came back at %s, was at %s", again, seed)
	}
	if count := gjson.Get(registry.record, "nodes").Int(); count != 7 {
		t.Errorf("the registry came back with %d nodes", count)
	}
	talk("with the registry back")

	// A registry that has lost its list gets it back from the nodes.
	registry.end(syscall.SIGTERM)
	if err := os.Rename(registryDir, registryDir+".lost"); err != nil {
		t.Fatal(err)
	}
	processes = append(processes, upRegistry(strings.TrimSuffix(strings.TrimPrefix(seed, "http://"), "/json_rpc")))
	operator := &person{t: t, home: home}
	eventually(t, "the nodes to register again", func() bool {
		return gjson.Get(operator.must("", "devnet", "status"), "nodes").Int() == 6
	})
	know(6, nodes[1:]...)
	talk("with a new registry")

	operator.must("", "devnet", "difficulty", "5")
	eventually(t, "the nodes to learn the difficulty", func() bool {
		out := alice.must("", "send", "--to", bob.id, "--text", "harder")
		return gjson.Get(out, "difficulty").Int() == 5
	})

	wantNoUsers(t, processes, nodes[1:], alice, bob)
}

// registryIP is an address at which no other process takes the registry's port while it is down, if this system has
// such an address: the port of 127.0.0.1 might go to any process that listens at a free port.
func registryIP() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return "127.0.0.3"
}

// wantNoUsers fails the test if a Session ID is in what processes have logged, or in the metrics of nodes.
func wantNoUsers(t *testing.T, processes, nodes []*process, people ...*person) {
	t.Helper()
	var all strings.Builder
	for _, p := range nodes {
		all.WriteString(scrape(t, gjson.Get(p.record, "metrics_url").Str))
	}
	for _, want := range []string{ // of some node: not each is on some path
		"sessiontool_node_up{", `endpoint="onion_v2",status="200"`, `method="store",status="200"`,
		"sessiontool_messages{",
		"sessiontool_request_duration_seconds_bucket{", `step="relay"`, `step="final"`, "sessiontool_queued_messages{",
		"sessiontool_listeners{", "sessiontool_waiting_deliveries{",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the metrics lack %s:\n%s", want, all.String())
		}
	}
	lines := 0
	for _, p := range processes {
		text := p.text()
		all.WriteString(text)
		if !slices.Contains(p.cmd.Args, "json") {
			continue
		}
		for line := range strings.Lines(text) {
			lines++
			if !json.Valid([]byte(line)) {
				t.Errorf("a line of the log is no JSON: %s", line)
			}
		}
	}
	if lines == 0 {
		t.Error("nothing was logged")
	}
	for _, who := range people {
		if key := partOfID(who.id); strings.Contains(strings.ToLower(all.String()), key) {
			t.Errorf("the logs or metrics name %s", who.id)
		}
	}
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", response.StatusCode, err)
	}
	return string(body)
}
