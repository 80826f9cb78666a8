package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/loopback"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// childVariable makes the test program run a node instead of tests. Its value is a childConfig in JSON.
const childVariable = "SESSIONTOOL_TEST_NODE"

// killsVariable is how often nodes are killed; without it, a few times.
const killsVariable = "SESSIONTOOL_TEST_KILLS"

type childConfig struct{ Dir, Address, List string }

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := runChild(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runChild(text string) error {
	var child childConfig
	if err := json.Unmarshal([]byte(text), &child); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", child.Address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin) // ends with the process that started this one
		cancel()
	}()
	return Run(ctx, Config{DataDir: child.Dir, Listener: listener, Directory: fileDirectory(child.List)})
}

// fileDirectory is a Directory that reads its list from a file.
type fileDirectory string

func (f fileDirectory) Nodes(context.Context, string) (*nodelist.Result, error) {
	data, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	var result nodelist.Result
	return &result, json.Unmarshal(data, &result)
}

// processes is nodes of one swarm, each in a process of its own that can be killed.
type processes struct {
	*testNetwork // for its client
	list         string
	commands     []*exec.Cmd
}

func startProcesses(t *testing.T, count int) *processes {
	t.Helper()
	p := &processes{testNetwork: &testNetwork{t: t, client: newClient()}, list: filepath.Join(t.TempDir(), "list")}
	t.Cleanup(p.client.CloseIdleConnections)
	for range count {
		dir := t.TempDir()
		keys, err := ring.LoadKeys(dir, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		listener := listen(t, loopback.Own()+":0")
		p.states = append(p.states, nodeState(keys, listener.Addr().(*net.TCPAddr), 5))
		p.configs = append(p.configs, Config{DataDir: dir})
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(nodelist.Result{States: p.states, BlockHash: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.list, list, 0o600); err != nil {
		t.Fatal(err)
	}
	p.commands = make([]*exec.Cmd, count)
	t.Cleanup(func() {
		for i := range p.commands {
			p.kill(i)
		}
	})
	for i := range p.commands {
		p.run(i)
	}
	return p
}

// run starts node i and returns when it answers.
func (p *processes) run(i int) {
	p.t.Helper()
	text, err := json.Marshal(childConfig{p.configs[i].DataDir, p.address(i), p.list})
	if err != nil {
		p.t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	command.Stderr = os.Stderr
	if _, err := command.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.commands[i] = command
	eventually(p.t, fmt.Sprintf("node %d to answer", i), func() bool {
		got, err := p.try(i, http.MethodGet, storage.StatsPath, nil, nil)
		return err == nil && got.status == 200
	})
}

// kill ends node i with SIGKILL.
func (p *processes) kill(i int) {
	command := p.commands[i]
	if command == nil {
		return
	}
	p.commands[i] = nil
	command.Process.Kill() // an error means that it is dead
	command.Wait()         // says that it was killed
}

// load is clients that store at random nodes until stop, and remember what was acknowledged.
type load struct {
	users  []user
	stop   context.CancelFunc
	group  sync.WaitGroup
	mu     sync.Mutex
	acked  map[string][]string // hashes by the owner's key
	stored atomic.Int64
}

// startLoad starts a client for each user. target returns the node to store at, or false for none at the moment.
func (n *testNetwork) startLoad(users []user, target func(u user) (string, bool)) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{users: users, stop: cancel, acked: make(map[string][]string)}
	for _, u := range users {
		l.group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				address, ok := target(u)
				if !ok {
					continue
				}
				body, hash := n.nextStore(u, i)
				got, err := n.tryAt(address, http.MethodPost, storage.RPCPath, nil, body)
				if err == nil && got.status == 200 {
					l.stored.Add(1)
					l.mu.Lock()
					l.acked[u.pubKey()] = append(l.acked[u.pubKey()], hash)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// nextStore makes store i of a user, by both storage RPCs in turn, and the hash of its message.
func (n *testNetwork) nextStore(u user, i int) (body []byte, hash string) {
	text, now := strconv.Itoa(i), time.Now()
	if i%2 == 0 {
		params := solved(n.t, u.pubKey(), text, now, time.Hour, 1)
		return request(n.t, storage.MethodStore, params), store.NewMessage20(params).HashText()
	}
	params := u.put(0, text, now, time.Hour)
	m := store.NewMessage28(u.pubKey(), 0, params.Timestamp, params.TTL, []byte(text))
	return request(n.t, storage.MethodStore, params), m.HashText()
}

func (l *load) end() {
	l.stop()
	l.group.Wait()
}

// more waits until that many more messages have been acknowledged.
func (l *load) more(t *testing.T, count int64) {
	t.Helper()
	goal := l.stored.Load() + count
	eventually(t, "stores to be acknowledged", func() bool { return l.stored.Load() >= goal })
}

// wantRetrieved retrieves everything of all users at node i until all that was acknowledged is there.
func (p *processes) wantRetrieved(i int, l *load) {
	p.t.Helper()
	for _, u := range l.users {
		missing := 0
		eventually(p.t, fmt.Sprintf("node %d to have all acknowledged messages", i), func() bool {
			stored := make(map[string]bool)
			for last := ""; ; {
				page := decode[rpc20.RetrieveAnswer](p.t,
					p.call(i, storage.MethodRetrieve, u.retrieve(last, time.Now())), 200)
				for _, m := range page.Messages {
					stored[m.Hash], last = true, m.Hash
				}
				if len(page.Messages) == 0 {
					break
				}
			}
			missing = 0
			for _, hash := range l.acked[u.pubKey()] {
				if !stored[hash] {
					missing++
				}
			}
			return missing == 0
		})
	}
}

func kills(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv(killsVariable)
	if text == "" {
		return usual
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func someUsers(t *testing.T, count int) (users []user) {
	for range count {
		users = append(users, newUser(t, 5))
	}
	return users
}

// Nodes are killed under load, one at a time and then all at once. Whatever was acknowledged, every member has in the
// end.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, test := range []struct {
		name   string
		rounds int
		all    bool
	}{{"one", kills(t, 8), false}, {"all at once", kills(t, 2), true}} {
		t.Run(test.name, func(t *testing.T) {
			p := startProcesses(t, 3)
			l := p.startLoad(someUsers(t, 8), func(user) (string, bool) { return p.address(mathrand.IntN(3)), true })
			for round := range test.rounds {
				l.more(t, 40)
				victims := []int{round % 3}
				if test.all {
					victims = []int{0, 1, 2}
				}
				for _, i := range victims {
					p.kill(i)
				}
				if !test.all {
					l.more(t, 20) // which the killed node misses
				}
				for _, i := range victims {
					p.run(i)
				}
			}
			l.end()
			for i := range 3 {
				p.wantRetrieved(i, l)
			}
			t.Logf("%d stores acknowledged over %d rounds", l.stored.Load(), test.rounds)
		})
	}
}

// A node whose large database turns out to be damaged stops serving and says so.
func TestDamagedWhileRunning(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	u := newUser(t, 5)
	dir := network.configs[0].DataDir
	if err := network.nodes[0].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(dir, store.DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		var messages []store.Message
		for k := range 50 {
			data := fmt.Sprint(i, "-", k, strings.Repeat("x", 70_000))
			messages = append(messages, store.NewMessage20(rpc20.StoreParams{
				PubKey: u.pubKey(), TTL: "86400000", Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10), Data: data,
			}))
		}
		if err := s.Insert(false, messages...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, store.FolderName, "tree"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt(make([]byte, 100_000), 20<<20) // over messages
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	config := network.configs[0]
	config.Listener = listen(t, network.address(0))
	n, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	<-n.Done()
	if err := n.Close(t.Context()); !errors.Is(err, store.ErrDamaged) || !errors.Is(err, store.ErrFolder) {
		t.Errorf("closing says %v", err)
	}
}
