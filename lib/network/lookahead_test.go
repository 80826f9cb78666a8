package network

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

func expectedSwarms(c *Client) int {
	c.ahead.mu.Lock()
	defer c.ahead.mu.Unlock()
	return len(c.ahead.over)
}

// Swarms that are expected are looked up once each, beside each other, and Swarm waits for the result.
func TestExpectedSwarms(t *testing.T) {
	net := startFakenet(t, 8)
	tell(net, net.Nodes[:4]...)
	config := configOf(t, net.SeedURL())
	config.Late = time.Minute // no request is repeated on a busy machine
	c := open(t, config)
	var ids []sessionid.ID
	for range 2 * lookupsAtOnce {
		ids = append(ids, someone(t))
	}
	var work sync.WaitGroup
	for _, id := range ids {
		c.ExpectSwarm(id)
		c.ExpectSwarm(id)
	}
	for _, id := range ids {
		work.Go(func() {
			members, err := c.Swarm(t.Context(), id)
			if err != nil || len(members) != 4 {
				t.Errorf("%d members, %v", len(members), err)
			}
		})
	}
	work.Wait()
	for _, id := range ids {
		c.ExpectSwarm(id) // known
		if asked := lookups(net, id); asked != 1 {
			t.Errorf("the network was asked %d times", asked)
		}
	}
	await.Until(t, "the lookups to be forgotten", func() bool { return expectedSwarms(c) == 0 })
}

// A context ends the wait for an expected swarm, and Close ends its lookup.
func TestExpectedSwarmThatDoesNotCome(t *testing.T) {
	net := startFakenet(t, 8)
	asked := make(chan struct{}, len(net.Nodes))
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method == storage.MethodSwarm {
				asked <- struct{}{}
				<-release
			}
			return 0, ""
		})
	}
	c, err := New(configOf(t, net.SeedURL()))
	if err != nil {
		t.Fatal(err)
	}
	id := someone(t)
	c.ExpectSwarm(id)
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Swarm(ctx, id); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the wait ends with %v", err)
	}
	closeClient(t, c)
	await.Until(t, "the lookups to be forgotten", func() bool { return expectedSwarms(c) == 0 })
}
