package page

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/node"
)

// send makes the events of one message in a network of newNetwork: three stores over three relays each, and the copies
// to the other members.
func (n *network) send(random *rand.Rand, happen func(i int, e node.Event), hash string) {
	count := len(n.state.Nodes)
	target := random.IntN(count)
	members := n.swarmOf(target)
	name := func(i int) string { return n.state.Nodes[i].PubkeyEd25519 }
	for _, member := range members[:3] {
		at := random.IntN(count)
		for hop := range 3 {
			next := random.IntN(count)
			if hop == 2 {
				next = member
			}
			happen(at, node.Event{Kind: node.EventRelayed, Hop: hop, Peer: name(next)})
			at = next
		}
		happen(member, node.Event{Kind: node.EventExited, Hop: 3})
		happen(member, node.Event{Kind: node.EventStored, Hashes: []string{hash}})
		happen(member, node.Event{Kind: node.EventServed, Method: "store", Status: 200})
		for _, other := range members {
			if other != member {
				happen(other, node.Event{Kind: node.EventReplicated, Peer: name(member), Count: 1, Hashes: []string{hash}})
			}
		}
	}
}

// swarmOf returns the members of a node's swarm.
func (n *network) swarmOf(i int) (members []int) {
	for k, other := range n.state.Nodes {
		if other.SwarmID == n.state.Nodes[i].SwarmID {
			members = append(members, k)
		}
	}
	return members
}

// busy is the load that the page must bear: 200 messages a second in a network of 300 nodes.
const busyNodes, busyRate = 300, 200

// BenchmarkBusySecond is one second of a busy network with one open page: its events, five frames, and the comparison
// with the state of the second before. Its time is the part of a core that the page takes, without the inspection of the
// nodes' databases, which takes 1/inspectShare at most.
func BenchmarkBusySecond(b *testing.B) {
	n := newNetwork(busyNodes, 5)
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1_000_000, 0)
	c, err := newCollector(n, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	s := c.open()
	<-s.frames
	messages, bytes := 0, 0
	for b.Loop() {
		for range 5 {
			for range busyRate / 5 {
				messages++
				n.send(random, c.add, fmt.Sprintf("%016x%048x", messages, messages))
			}
			now = now.Add(frameInterval)
			c.send(now, false)
			bytes += len(<-s.frames)
		}
		for i := range n.state.Nodes {
			n.state.Nodes[i].Load.Messages++
		}
		c.inspect()
	}
	b.ReportMetric(float64(bytes)/float64(b.N)/1024, "KiB/op")
}

// TestBusyPage serves the page of a busy network for a browser, for the time in SESSIONTOOL_TEST_PAGE: see
// scripts/browser/speed.mjs.
func TestBusyPage(t *testing.T) {
	text := os.Getenv("SESSIONTOOL_TEST_PAGE")
	if text == "" {
		t.Skip("SESSIONTOOL_TEST_PAGE is not set")
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork(busyNodes, 5)
	p := serve(t, n, nil)
	fmt.Println(p.URL())
	random := rand.New(rand.NewPCG(1, 2))
	ticker := time.NewTicker(time.Second / busyRate)
	defer ticker.Stop()
	for messages := 0; time.Duration(messages)*time.Second/busyRate < span; messages++ {
		<-ticker.C
		n.send(random, n.happen, fmt.Sprintf("%016x%048x", messages, messages))
		n.change(func(s *devnet.Inspection) { s.Nodes[random.IntN(busyNodes)].Load.Messages++ })
	}
}
