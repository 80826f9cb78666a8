package network

import (
	"context"
	"errors"
	"slices"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/syncroute"
)

// waiting makes node answer listen requests only when release is called, and signals each on arrived.
func waiting(t *testing.T, node *fakenet.Node) (arrived <-chan struct{}, release func()) {
	t.Helper()
	came, ready := make(chan struct{}, 10), make(chan struct{})
	node.Answer(func(call fakenet.Call) (int, string) {
		if call.Method != syncroute.MethodListen {
			return 0, ""
		}
		came <- struct{}{}
		<-ready
		return storage.StatusOK, `{"messages":[]}`
	})
	return came, func() { close(ready) }
}

func listenRequest(t *testing.T) []byte {
	t.Helper()
	body, err := storage.NewRequest(syncroute.MethodListen, rpc20.SwarmParams{PubKey: someone(t).String()})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// probes is how often nodes were asked whether they are there.
func probes(net *fakenet.Network) (times int) {
	for _, node := range net.Nodes {
		times += len(node.Calls(storage.MethodSwarm))
	}
	return times
}

func wantNoBlame(t *testing.T, c *Client, net *fakenet.Network) {
	t.Helper()
	for _, node := range net.Nodes {
		if hasFailed(c, node.Key()) {
			t.Errorf("node %s is blamed", node.Name())
		}
	}
}

// A patient call to a slow target waits. Meanwhile its path carries other requests, and no node is suspected.
func TestTargetThatWaits(t *testing.T) {
	net := startFakenet(t, 8)
	c := clientOf(t, net)
	target := nodeOf(t, c, net.Nodes[0])
	arrived, release := waiting(t, net.Nodes[0])
	group := c.Group()
	answered := make(chan error, 1)
	var heard Answer
	go func() {
		var err error
		heard, err = group.Request(t.Context(), target, listenRequest(t))
		answered <- err
	}()
	<-arrived
	other, err := group.Request(t.Context(), target, question(t))
	if err != nil {
		t.Error(err)
	}
	release()
	if err := <-answered; err != nil || heard.Status != storage.StatusOK || !slices.Equal(heard.Path, other.Path) {
		t.Errorf("got %+v, %v; the other request went over %v", heard, err, other.Path)
	}
	wantNoBlame(t, c, net)
}

// A caller that hangs up while the target waits blames no node, sends no probe, and keeps the path.
func TestHangingUpWhileTargetWaits(t *testing.T) {
	net := startFakenet(t, 8)
	c := clientOf(t, net)
	target := nodeOf(t, c, net.Nodes[0])
	arrived, release := waiting(t, net.Nodes[0])
	defer release()
	group := c.Group()
	path, err := group.path(t.Context(), target.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	before := probes(net)
	ctx, hangUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := group.Request(ctx, target, listenRequest(t))
		answered <- err
	}()
	<-arrived
	hangUp()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	wantNoBlame(t, c, net)
	if now := probes(net); now != before {
		t.Errorf("nodes were asked %d times whether they are there", now-before)
	}
	if again, err := group.path(t.Context(), target.Ed25519); err != nil || !slices.Equal(again, path) {
		t.Errorf("the path was %v and is %v, %v", path, again, err)
	}
}

// What the target itself says, with whatever status, is an answer. Relays use some of the same numbers outside.
func TestTargetRefuses(t *testing.T) {
	net := startFakenet(t, 8)
	c := clientOf(t, net)
	target := nodeOf(t, c, net.Nodes[0])
	for _, status := range []int{storage.StatusNoListener, storage.StatusBadGateway, storage.StatusNotReady,
		storage.StatusTimeout} {
		net.Nodes[0].Answer(func(fakenet.Call) (int, string) { return status, "no\n" })
		if answer, err := c.Request(t.Context(), target, listenRequest(t)); err != nil || answer.Status != status ||
			answer.Body != "no\n" {
			t.Errorf("status %d: got %+v, %v", status, answer, err)
		}
	}
	wantNoBlame(t, c, net)
}
