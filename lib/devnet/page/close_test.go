package page

import (
	"context"
	"io"
	"testing"
	"time"

	"sessiontool/lib/node"
)

// Closing ends open pages at once, takes the observer away, and refuses what comes later.
func TestCloseEndsStreams(t *testing.T) {
	n := newNetwork(4, 4)
	p := serve(t, n, nil)
	stream := open(t, p)
	var hello helloText
	read(t, stream, "hello", &hello)
	if err := p.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(stream); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.observe != nil {
		t.Error("the network is still observed")
	}
	if p.collector.open() != nil {
		t.Error("a closed page opens a stream")
	}
}

// Events of nodes that have joined since the last inspection, and of unknown peers, are left out.
func TestUnknownNodes(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	n := newNetwork(4, 4)
	c := collect(t, n, &now)
	c.add(4, node.Event{Kind: node.EventStored, Hashes: []string{"h"}})
	c.add(1, node.Event{Kind: node.EventRelayed, Hop: 1, Peer: "unknown"})
	c.add(1, node.Event{Kind: node.EventReplicated, Peer: "unknown", Count: 1, Hashes: []string{"h"}})
	c.add(3, node.Event{Kind: node.EventStored, Hashes: []string{"known"}})
	c.add(2, node.Event{Kind: node.EventReplicated, Peer: "unknown", Count: 1, Hashes: []string{"known"}})
	if m := c.followed.byHash["known"]; m == nil || len(m.Copies) != 2 || m.Copies[1].From != stranger {
		t.Errorf("a message from an unknown node: %+v", m)
	}
	c.frame, c.followed = frame{}, followed{}
	c.add(1, node.Event{Kind: node.EventReplicated, Peer: "unknown", Count: 1, Hashes: []string{"h"}})
	if len(c.frame.edges) != 0 || len(c.followed.order) != 0 {
		t.Errorf("%v, %v", c.frame.edges, c.followed.order)
	}
	for _, e := range []node.Event{
		{Kind: node.EventServed, Method: "retrieve", Status: 200}, {Kind: node.EventServed, Method: "deliver", Status: 200},
		{Kind: node.EventServed, Method: "listen", Status: 200}, {Kind: node.EventServed, Method: "store", Status: 200},
		{Kind: node.EventServed, Method: "info", Status: 200}, {Kind: node.EventServed, Method: "store", Status: 421},
	} {
		c.add(2, e)
	}
	want := [kinds]uint32{kindRetrieved: 1, kindDelivered: 1, kindListened: 1, kindOther: 1, kindRefused: 1}
	if c.frame.counts != want {
		t.Errorf("counted %v, want %v", c.frame.counts, want)
	}
}
