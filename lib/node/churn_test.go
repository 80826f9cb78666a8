package node

import (
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/swarm"
)

// churnVariable asks for the network of 100 nodes instead of the small one.
const churnVariable = "SESSIONTOOL_TEST_CHURN"

// churn is a network whose nodes come and go.
type churn struct {
	*testNetwork
	ids      []swarm.SwarmID
	mu       sync.Mutex // guards states and stopped, which the clients look at
	stopped  map[int]bool
	retiring map[int]bool // in no swarm, until they have given everything away
	gone     map[int]bool
}

// TestChurn has nodes join, leave, move, stop and start while clients store. Nothing that was acknowledged is lost: in
// the end every member of a key's swarm has every message.
func TestChurn(t *testing.T) {
	swarms, members, steps, pause := 4, 4, 12, 150*time.Millisecond
	large := os.Getenv(churnVariable) != ""
	if large {
		swarms, members, steps, pause = 20, 5, 60, time.Second
	}
	if testing.Short() {
		t.Skip("takes seconds")
	}
	c := startChurn(t, swarms, members)
	var users []user
	for range 16 {
		users = append(users, newUser(t, 0))
	}
	l := c.startLoad(users, c.memberFor)
	for step := range steps {
		l.more(t, 20)
		<-time.After(pause)
		c.step(step)
	}
	l.end()
	c.restartAll()
	c.wantEverywhere(l)
	t.Logf("%d stores acknowledged by %d nodes in %d swarms over %d changes", l.stored.Load(), swarms*members, swarms, steps)
	if resident, ok := residentBytes(); ok && large {
		t.Logf("%d MiB resident", resident>>20)
		if resident > 1<<30 {
			t.Errorf("the process takes %d MiB", resident>>20)
		}
	}
}

func startChurn(t *testing.T, swarms, members int) *churn {
	c := &churn{stopped: make(map[int]bool), retiring: make(map[int]bool), gone: make(map[int]bool)}
	for i := range swarms {
		c.ids = append(c.ids, swarm.SwarmID(math.MaxUint64/uint64(swarms)*uint64(i)+1))
	}
	var places []swarm.SwarmID
	for i := range swarms * members {
		places = append(places, c.ids[i%swarms])
	}
	c.testNetwork = startNetwork(t, places, func(_ int, config *Config) { config.PollInterval = 50 * time.Millisecond })
	return c
}

// memberFor returns a running member of u's swarm, as the list stands.
func (c *churn) memberFor(u user) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, _ := swarm.Choose(swarm.Position(u.X25519.Public), c.inUse())
	members := c.running(id)
	if len(members) == 0 {
		return "", false
	}
	return c.address(members[mathrand.IntN(len(members))]), true
}

// inUse returns the swarms that the list has.
func (c *churn) inUse() (ids []swarm.SwarmID) {
	for i := range c.states {
		if id := swarm.SwarmID(c.states[i].SwarmID); !c.gone[i] && id != swarm.NoSwarm && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// running returns the running members of a swarm.
func (c *churn) running(id swarm.SwarmID) (members []int) {
	for i, state := range c.states {
		if state.SwarmID == uint64(id) && !c.stopped[i] && !c.gone[i] {
			members = append(members, i)
		}
	}
	return members
}

// step makes one change. A swarm keeps two running members, so that some node always answers.
func (c *churn) step(step int) {
	c.finishRetiring()
	id := c.ids[mathrand.IntN(len(c.ids))]
	members := c.running(id)
	spare := len(members) > 2
	switch step % 6 {
	case 0:
		c.join(id)
	case 1, 4:
		if spare {
			c.setStopped(members[0], true)
			c.stop(members[0])
		}
	case 2:
		c.restartAll()
	case 3: // to another swarm
		if spare {
			c.place(members[0], c.ids[mathrand.IntN(len(c.ids))])
		}
	case 5: // for good
		if spare {
			c.place(members[0], swarm.NoSwarm)
			c.retiring[members[0]] = true
		}
	}
}

func (c *churn) setStopped(i int, stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped[i] = stopped
}

// publish makes the current states the list. The caller holds c.mu.
func (c *churn) publish() {
	states := slices.Clone(c.states)
	for i := len(states) - 1; i >= 0; i-- {
		if c.gone[i] {
			states = slices.Delete(states, i, i+1)
		}
	}
	c.directory.set(states...)
}

func (c *churn) place(i int, id swarm.SwarmID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states[i].SwarmID = uint64(id)
	c.publish()
}

// join adds a node with an empty disk.
func (c *churn) join(id swarm.SwarmID) {
	dir := filepath.Join(c.t.TempDir(), "joined")
	keys, err := LoadKeys(dir, rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	listener := listen(c.t, "127.0.0.1:0")
	config := c.configs[0]
	config.DataDir = dir
	c.mu.Lock()
	i := len(c.states)
	c.states = append(c.states, nodeState(keys, listener.Addr().(*net.TCPAddr), id))
	c.stopped[i] = true
	c.publish()
	c.mu.Unlock()
	c.configs, c.nodes = append(c.configs, config), append(c.nodes, nil)
	c.start(i, listener)
	c.setStopped(i, false)
}

// finishRetiring takes those nodes off the list that owe nobody anything any more.
func (c *churn) finishRetiring() {
	for i := range c.retiring {
		node := c.nodes[i]
		settled, err := node.Settled()
		if err != nil {
			c.t.Fatal(err)
		}
		if !settled || node.members.view().blockHash != c.directory.blockHash() {
			continue
		}
		delete(c.retiring, i)
		c.mu.Lock()
		c.gone[i] = true
		c.publish()
		c.mu.Unlock()
		c.stop(i)
	}
}

func (c *churn) restartAll() {
	for i, stopped := range c.stopped {
		if stopped {
			c.restart(i)
			c.setStopped(i, false)
		}
	}
}

// wantEverywhere waits until every member of every user's swarm has what was acknowledged.
func (c *churn) wantEverywhere(l *load) {
	c.t.Helper()
	for _, u := range l.users {
		id, _ := swarm.Choose(swarm.Position(u.X25519.Public), c.inUse())
		for _, i := range c.running(id) {
			eventually(c.t, fmt.Sprintf("node %d to have what it should", i), func() bool { return c.lacks(i, u, l) == 0 })
		}
	}
}

// lacks counts the acknowledged messages of u that node i does not have.
func (c *churn) lacks(i int, u user, l *load) (count int) {
	held, err := c.nodes[i].Messages(u.pubKey())
	if err != nil {
		c.t.Fatal(err)
	}
	hashes := make(map[string]bool, len(held))
	for _, m := range held {
		hashes[m.Hash] = true
	}
	for _, hash := range l.acked[u.pubKey()] {
		if !hashes[hash] {
			count++
		}
	}
	return count
}

// residentBytes returns how much memory this process has, where that can be told.
func residentBytes() (int64, bool) {
	if runtime.GOOS != "linux" {
		return 0, false
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(status), "VmRSS:")
	if !ok {
		return 0, false
	}
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kilobytes << 10, err == nil
}
