package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/internal/loopback"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/swarm"
)

// churnVariable asks for the network of 100 nodes instead of the small one.
const churnVariable = "SESSIONTOOL_TEST_CHURN"

// churn is a network whose nodes come and go.
type churn struct {
	*testNetwork
	changes sync.WaitGroup // nodes that are being started or stopped

	mu      sync.Mutex // guards what follows, and the network's states, configs and nodes
	founded []swarm.SwarmID
	stopped map[int]bool // do not run at the moment
	halted  []int        // of these, the ones that can be started again
	leaving map[int]bool // in no swarm, until they have given everything away
	gone    map[int]bool
	joins   int
	leaves  int
}

// TestChurn has nodes join, leave, stop and start, and swarms be founded and dissolved, while clients store. Nothing
// that was acknowledged is lost: in the end every member of a key's swarm has every message.
func TestChurn(t *testing.T) {
	swarms, members, steps, interval := 4, 4, 16, 150*time.Millisecond
	large := os.Getenv(churnVariable) != ""
	if large {
		swarms, members, steps, interval = 20, 5, 120, time.Second
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
	begin, most := time.Now(), int64(0)
	for step := range steps {
		<-time.After(time.Until(begin.Add(time.Duration(step+1) * interval)))
		c.step(step)
		resident, _ := residentBytes()
		most = max(most, resident)
	}
	took := time.Since(begin)
	l.end()
	c.changes.Wait()
	c.resumeAll()
	c.changes.Wait()
	c.wantEverywhere(l)
	t.Logf("%d stores acknowledged; %d nodes joined and %d left within %v, one every %v; "+
		"%d swarms in the end; %d MiB resident at most",
		l.stored.Load(), c.joins, c.leaves, took.Round(time.Millisecond),
		(took / time.Duration(c.joins+c.leaves)).Round(time.Millisecond),
		len(c.inUse()), most>>20)
	if large && most > 1<<30 {
		t.Errorf("the process takes %d MiB", most>>20)
	}
}

func startChurn(t *testing.T, swarms, members int) *churn {
	c := &churn{stopped: make(map[int]bool), leaving: make(map[int]bool), gone: make(map[int]bool)}
	var places []swarm.SwarmID
	for i := range swarms * members {
		places = append(places, swarm.SwarmID(math.MaxUint64/uint64(swarms)*uint64(i%swarms)+1))
	}
	c.testNetwork = startNetwork(t, places, func(_ int, config *Config) { config.PollInterval = 50 * time.Millisecond })
	t.Cleanup(c.changes.Wait)
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

// members returns the members of a swarm, running its running ones.
func (c *churn) members(id swarm.SwarmID) (members []int) {
	for i, state := range c.states {
		if state.SwarmID == uint64(id) && !c.gone[i] {
			members = append(members, i)
		}
	}
	return members
}

func (c *churn) running(id swarm.SwarmID) (members []int) {
	return slices.DeleteFunc(c.members(id), func(i int) bool { return c.stopped[i] })
}

// step has one node join or leave and, now and then, other things happen. What takes long goes on in the background. A
// swarm keeps two running members, so that some node always answers.
func (c *churn) step(step int) {
	c.finishLeaving()
	c.mu.Lock()
	defer c.mu.Unlock()
	if step%2 == 0 {
		c.join(c.smallest())
	} else if i, ok := c.spare(); ok {
		c.place(swarm.NoSwarm, i)
		c.leaving[i] = true
		c.leaves++
	}
	switch step % 8 {
	case 1:
		if i, ok := c.spare(); ok {
			c.halt(i)
		}
	case 3:
		c.found()
	case 5:
		c.resumeAll()
	case 7:
		c.dissolve()
	}
}

// smallest returns the swarm with the fewest running members.
func (c *churn) smallest() swarm.SwarmID {
	return slices.MinFunc(c.inUse(), func(a, b swarm.SwarmID) int { return len(c.running(a)) - len(c.running(b)) })
}

// spare returns a running node of some swarm that can do without it.
func (c *churn) spare() (int, bool) {
	ids := c.inUse()
	mathrand.Shuffle(len(ids), func(i, k int) { ids[i], ids[k] = ids[k], ids[i] })
	for _, id := range ids {
		if members := c.running(id); len(members) > 2 {
			return members[mathrand.IntN(len(members))], true
		}
	}
	return 0, false
}

// found makes a new swarm of nodes of others.
func (c *churn) found() {
	id := swarm.SwarmID(mathrand.Uint64())
	c.founded = append(c.founded, id)
	for range 3 {
		if i, ok := c.spare(); ok {
			c.states[i].SwarmID = uint64(id)
		}
	}
	c.publish()
}

// dissolve spreads the nodes of the swarm that was founded last over others.
func (c *churn) dissolve() {
	id := c.founded[len(c.founded)-1]
	others := slices.DeleteFunc(c.inUse(), func(other swarm.SwarmID) bool { return other == id })
	for k, i := range c.members(id) {
		c.states[i].SwarmID = uint64(others[k%len(others)])
	}
	c.publish()
}

// publish makes the current states the list.
func (c *churn) publish() {
	states := slices.Clone(c.states)
	for i := len(states) - 1; i >= 0; i-- {
		if c.gone[i] {
			states = slices.Delete(states, i, i+1)
		}
	}
	c.directory.set(states...)
}

func (c *churn) place(id swarm.SwarmID, i int) {
	c.states[i].SwarmID = uint64(id)
	c.publish()
}

// join adds a node with an empty disk.
func (c *churn) join(id swarm.SwarmID) {
	dir := c.t.TempDir()
	keys, err := ring.LoadKeys(dir, rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	listener := listen(c.t, loopback.Own()+":0")
	config := c.configs[0]
	config.DataDir = dir
	i := len(c.states)
	c.states = append(c.states, nodeState(keys, listener.Addr().(*net.TCPAddr), id))
	c.configs, c.nodes = append(c.configs, config), append(c.nodes, nil)
	c.stopped[i] = true
	c.joins++
	c.publish()
	c.launch(i, listener)
}

// launch starts node i in the background.
func (c *churn) launch(i int, listener net.Listener) {
	config := c.configs[i]
	config.Listener = listener
	c.changes.Go(func() {
		node, err := Start(context.Background(), config)
		if err != nil {
			c.t.Error(err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.nodes[i] = node
		delete(c.stopped, i)
	})
}

// halt stops a node that stays listed, in the background.
func (c *churn) halt(i int) {
	c.stopped[i] = true
	node := c.nodes[i]
	c.changes.Go(func() {
		c.end(node)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.halted = append(c.halted, i)
	})
}

// resumeAll starts the nodes again that have been stopped.
func (c *churn) resumeAll() {
	for _, i := range c.halted {
		c.launch(i, listen(c.t, c.address(i)))
	}
	c.halted = nil
}

// finishLeaving removes the leaving nodes that have settled from the list.
func (c *churn) finishLeaving() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.leaving {
		node := c.nodes[i]
		if node.members.View().BlockHash != c.directory.blockHash() {
			continue
		}
		settled, err := node.Settled()
		if err != nil {
			c.t.Fatal(err)
		}
		if !settled {
			continue
		}
		delete(c.leaving, i)
		c.gone[i] = true
		c.publish()
		c.changes.Go(func() { c.end(node) })
	}
}

func (c *churn) end(node *Node) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := node.Close(ctx); err != nil {
		c.t.Error(err)
	}
}

// wantEverywhere waits until every member of every user's swarm has what was acknowledged.
func (c *churn) wantEverywhere(l *load) {
	c.t.Helper()
	for _, u := range l.users {
		id, _ := swarm.Choose(swarm.Position(u.X25519.Public), c.inUse())
		for _, i := range c.running(id) {
			eventually(c.t, fmt.Sprintf("node %d to have what it should", i),
				func() bool { return c.lacks(i, u, l) == 0 })
		}
	}
}

// lacks counts the acknowledged messages of u that node i does not have.
func (c *churn) lacks(i int, u user, l *load) (count int) {
	stored, err := c.nodes[i].Messages(u.pubKey())
	if err != nil {
		c.t.Fatal(err)
	}
	hashes := make(map[string]bool, len(stored))
	for _, m := range stored {
		hashes[m.Hash] = true
	}
	for _, hash := range l.acked[u.pubKey()] {
		if !hashes[hash] {
			count++
		}
	}
	return count
}

// residentBytes returns the resident memory of this process, where the system reports it.
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
