package network

import (
	"errors"
	"net"
	"testing"

	"sessiontool/lib/fakeproxy"
	"sessiontool/lib/storage/storagehttp"
)

// Seeds and guards are asked through the proxy. When it is down, an error says so, and no node is blamed.
func TestProxy(t *testing.T) {
	fake := startFakenet(t, 6)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := fakeproxy.SOCKS(listener)
	defer proxy.Stop()
	config := configOf(t, fake.SeedURL())
	if config.Proxy, err = storagehttp.ParseProxy("socks5h://" + listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c := open(t, config)
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Request(t.Context(), nodes[0], question(t)); err != nil {
		t.Fatal(err)
	}
	if proxy.Made() < 2 {
		t.Errorf("%d connections go through the proxy", proxy.Made())
	}
	proxy.Stop()
	wantProxyError := func(c *Client, what string) {
		t.Helper()
		if _, err := c.Request(t.Context(), nodes[1], question(t)); !errors.Is(err, storagehttp.ErrProxy) {
			t.Errorf("%s: %v", what, err)
		}
		for _, node := range nodes {
			if c.Suspect(node.Ed25519) {
				t.Errorf("%s: node %s is blamed", what, node.Ed25519)
			}
		}
	}
	wantProxyError(c, "a path is known")
	config.StateFile = ""
	fresh := open(t, config)
	if _, err := fresh.Nodes(t.Context()); !errors.Is(err, storagehttp.ErrProxy) || !errors.Is(err, ErrNoSeed) {
		t.Errorf("the seeds: %v", err)
	}
	fresh.setNodes(nodes)
	wantProxyError(fresh, "guards are chosen")
}
