package devnet

import (
	"context"
	"errors"
	"sync"
	"testing"

	"sessiontool/lib/node"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

// stub is a Page.
type stub struct {
	address string
	closed  int
}

func (s *stub) URL() string { return "http://" + s.address + "/" }

func (s *stub) Close(context.Context) error {
	s.closed++
	return nil
}

// An inspection shows what each node holds, which ones do not run, and the nodes from outside. An observer also sees
// nodes that start after it.
func TestInspectAndObserve(t *testing.T) {
	n := startNetwork(t, Options{Nodes: 4, SwarmSize: 4})
	var mu sync.Mutex
	seen := make(map[int][]node.EventKind)
	n.Observe(func(i int, e node.Event) {
		mu.Lock()
		defer mu.Unlock()
		seen[i] = append(seen[i], e.Kind)
	})
	if err := n.StopNode(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if err := n.StartNode(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	store(t, n, 3)
	mu.Lock()
	if len(seen[3]) == 0 {
		t.Error("a node that was started again is not observed")
	}
	mu.Unlock()
	n.Observe(nil)
	if _, err := n.SetFault(t.Context(), []string{"1"}, Fault{Kind: FaultSkew, Skew: 1}); err != nil {
		t.Fatal(err)
	}
	if err := n.StopNode(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	outside := ring.KeysFromSeed([32]byte{1})
	states := append(n.states(), nodelist.State{
		PubkeyLegacy: outside.Name(), PubkeyEd25519: outside.Name(), PublicIP: "192.0.2.1", StoragePort: 1,
		SwarmID: uint64(swarm.NoSwarm),
	})
	if err := n.registry.setOwn(n.seedPort, states); err != nil {
		t.Fatal(err)
	}
	state, err := n.Inspect()
	if err != nil || len(state.Nodes) != 5 {
		t.Fatalf("%+v, %v", state, err)
	}
	if got := state.Nodes[3]; got.Load.Messages != 1 || !got.Running || got.Version != "2.8.0" || got.Load.MaxBytes == 0 {
		t.Errorf("node 3: %+v", got)
	}
	if got := state.Nodes[2]; got.Running || len(got.Faults) != 1 || got.Faults[0].Kind != FaultStop {
		t.Errorf("node 2: %+v", got)
	}
	if got := state.Nodes[1]; !got.Running || len(got.Faults) != 1 || got.Faults[0].Kind != FaultSkew {
		t.Errorf("node 1: %+v", got)
	}
	if got := state.Nodes[4]; got.Own || got.PubkeyEd25519 != outside.Name() || got.Address == "" {
		t.Errorf("the node from outside: %+v", got)
	}
	figures, err := n.Figures(3)
	if err != nil || len(figures.Storage) != 1 || figures.Storage[0].What != storage.MethodStore ||
		len(figures.Durations) == 0 {
		t.Errorf("%+v, %v", figures, err)
	}
	if _, err := n.Figures(4); !errors.Is(err, ErrNode) {
		t.Errorf("figures of a node from outside: %v", err)
	}
}

// A network has one page, which orders open and close, and which ends with it.
func TestPageOrders(t *testing.T) {
	var opened []*stub
	n := startNetwork(t, Options{Nodes: 4, Control: true, Pages: func(_ *Network, o PageOptions) (Page, error) {
		if o.Address == "bad" {
			return nil, errors.New("cannot listen")
		}
		opened = append(opened, &stub{address: o.Address})
		return opened[len(opened)-1], nil
	}})
	remote, err := Connect(n.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if remote.Token() == "" || remote.Token() != n.ControlToken() {
		t.Error("the token of the note is not the network's")
	}
	if _, err := remote.OpenPage(t.Context(), PageOptions{Address: "bad"}); !errors.Is(err, ErrPage) {
		t.Errorf("a page that cannot be opened: %v", err)
	}
	for range 2 {
		status, err := remote.OpenPage(t.Context(), PageOptions{Address: "a:1"})
		if err != nil || status.PageURL != "http://a:1/" {
			t.Errorf("%+v, %v", status, err)
		}
	}
	if status, err := remote.ClosePage(t.Context()); err != nil || status.PageURL != "" || opened[0].closed != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := n.OpenPage(PageOptions{Address: "a:2"}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, n)
	if len(opened) != 2 || opened[1].closed != 1 {
		t.Errorf("%d pages were opened, the last was closed %d times", len(opened), opened[len(opened)-1].closed)
	}
	if _, err := n.OpenPage(PageOptions{}); !errors.Is(err, ErrPage) {
		t.Errorf("a page of a closed network: %v", err)
	}
	if _, err := (&Network{}).OpenPage(PageOptions{}); !errors.Is(err, ErrPage) {
		t.Errorf("a network without pages: %v", err)
	}
}
