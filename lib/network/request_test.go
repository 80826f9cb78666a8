package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

func TestRequest(t *testing.T) {
	for _, version := range []onion.Version{onion.V1, onion.V2} {
		t.Run(fmt.Sprint("version ", int(version)), func(t *testing.T) {
			net := startFakenet(t, 6)
			net.Nodes[0].Answer(func(call fakenet.Call) (int, string) {
				return 421, "as it <is> \u00e9\n" +
					call.Params["pubKey"]
			})
			config := configOf(t, net.SeedURL())
			config.OnionVersion = version
			c := open(t, config)
			body, err := storage.NewRequest(storage.MethodSwarm, rpc20.SwarmParams{PubKey: "somebody"})
			if err != nil {
				t.Fatal(err)
			}
			answer, err := c.Request(t.Context(), nodeOf(t, c, net.Nodes[0]), body)
			if err != nil {
				t.Fatal(err)
			}
			if want := "as it <is> \u00e9\nsomebody"; answer.Status != 421 || answer.Body != want {
				t.Errorf("got %d %q, want 421 %q", answer.Status, answer.Body, want)
			}
			for _, hop := range answer.Path {
				if passed := fakeNode(t, net, hop).Relayed(); passed == 0 {
					t.Errorf("%s is in the path and has passed nothing on", hop.Ed25519)
				}
			}
		})
	}
}

// A body that cannot be sent is only the caller's fault.
func TestBodyCannotTravel(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	config.OnionVersion = onion.V1
	c := open(t, config)
	target := nodeOf(t, c, net.Nodes[0])
	if _, err := c.Request(t.Context(), target,
		bytes.Repeat([]byte("x"), onion.MaxBody+1)); !errors.Is(err, onion.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := c.Request(t.Context(), target, []byte("\xff")); !errors.Is(err, onion.ErrNotText) {
		t.Errorf("no text: %v", err)
	}
	for _, node := range net.Nodes {
		if hasFailed(c, node.Key()) {
			t.Errorf("node %s is blamed", node.Name())
		}
	}
}

// A caller who gives up learns nothing about nodes.
func TestCancelledRequestBlamesNobody(t *testing.T) {
	net := startFakenet(t, 6)
	c := clientOf(t, net)
	target := nodeOf(t, c, net.Nodes[0])
	currentGuards(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	everywhere(net, func(http.ResponseWriter, *http.Request) bool {
		cancel()
		panic(http.ErrAbortHandler)
	})
	if _, err := c.Request(ctx, target, question(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	for _, node := range net.Nodes {
		if hasFailed(c, node.Key()) {
			t.Errorf("node %s is blamed", node.Name())
		}
	}
}

func TestConcurrentRequests(t *testing.T) {
	net := startFakenet(t, 12)
	c := clientOf(t, net)
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	net.Nodes[5].Stop()
	group := c.Group()
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			target := nodes[i%len(nodes)]
			answer, err := group.Request(t.Context(), target, question(t))
			switch {
			case target.Ed25519 == Key(net.Nodes[5].Key()):
				if !errors.Is(err, ErrTarget) {
					t.Errorf("stopped target: %v", err)
				}
			case err != nil || keysOf(answer.Path)[target.Ed25519]:
				t.Errorf("path %v, %v", answer.Path, err)
			}
			if _, err := c.Swarm(t.Context(), someone(t)); err != nil {
				t.Error(err)
			}
			c.SetDifficulty(int64(i))
			c.save()
		})
	}
	wait.Wait()
}
