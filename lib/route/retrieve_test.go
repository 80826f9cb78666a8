package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// retrieved collects what Retrieve hands over, by node.
func (p *person) retrieved(ctx context.Context) (map[network.Key][]string, error) {
	got := make(map[network.Key][]string)
	err := p.Retrieve(ctx, mailbox.RetrieveOptions{MaxRead: 5000}, func(page mailbox.Page) (int, error) {
		if len(page.Messages) == 0 {
			p.t.Error("a page is empty")
		}
		for _, stored := range page.Messages {
			got[page.Node.Ed25519] = append(got[page.Node.Ed25519], stored.Data)
		}
		return len(page.Messages), nil
	})
	return got, err
}

// Without cursors everything is read, page by page, and nothing is remembered.
func TestRetrieve(t *testing.T) {
	net := startFakenet(t, 5)
	bob := newPerson(t, "bob", net.SeedURL())
	var data []string
	for i := range 23 {
		data = append(data, fmt.Sprint("data ", i))
	}
	for _, b := range boxes(net.Nodes...) {
		b.put(data...)
	}
	for range 2 {
		got, err := bob.retrieved(t.Context())
		if err != nil || len(got) != 3 {
			t.Fatalf("%d nodes gave messages, %v", len(got), err)
		}
		for node, list := range got {
			if !slices.Equal(list, data) {
				t.Errorf("%s gave %q", node, list)
			}
		}
	}
	for _, node := range net.Nodes {
		for _, call := range node.Calls(storage.MethodRetrieve) {
			p := call.Params
			if p["pubKey"] != bob.ID().String() || p["timestamp"] == "" || p["signature"] == "" ||
				len(p["pubkey_ed25519"]) != 64 {
				t.Errorf("asked with %v", p)
			}
		}
	}
}

// fullPage is a page behind which there may be more.
func fullPage(data string) (page []storage.Stored) {
	for i := range rpc20.MaxRetrieved {
		page = append(page, storage.Stored{Data: data, Hash: fmt.Sprint(i)})
	}
	return page
}

// A node that goes round in circles, or never ends, is left at some time.
func TestEndlessNodes(t *testing.T) {
	net := startFakenet(t, 5)
	bob := newPerson(t, "bob", net.SeedURL())
	for _, node := range net.Nodes[:2] {
		always(storage.MethodRetrieve, storage.StatusOK, pageOf(fullPage("a")...), node)
	}
	for _, node := range net.Nodes[2:] {
		n := 0
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodRetrieve {
				return 0, ""
			}
			page := make([]storage.Stored, 200)
			for i := range page {
				n++
				page[i] = storage.Stored{Data: "c", Hash: fmt.Sprint(n)}
			}
			return storage.StatusOK, pageOf(page...)
		})
	}
	got, err := bob.retrieved(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatalf("%d nodes gave messages, %v", len(got), err)
	}
	for node, list := range got {
		if list[0] == "a" && len(list) != 2*rpc20.MaxRetrieved || list[0] == "c" && len(list) != 5000 {
			t.Errorf("%s gave %d messages like %q", node, len(list), list[0])
		}
	}
}

// A node that is not a member names the members, and is trusted as far as the others agree.
func TestRetrieveFromTheWrongSwarm(t *testing.T) {
	net := startFakenet(t, 10)
	bob := newPerson(t, "bob", net.SeedURL())
	wrong, right := net.Nodes[:3], net.Nodes[3:6]
	net.OneSwarm(wrong...)
	if _, err := bob.network.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.network.AdoptSwarm(t.Context(), bob.ID(), fakenet.Swarm(wrong...)); err != nil {
		t.Fatal(err)
	}
	net.OneSwarm(right...)
	always(storage.MethodRetrieve, storage.StatusWrongSwarm, fakenet.Swarm(right...), wrong...)
	for _, b := range boxes(right...) {
		b.put("data")
	}
	got, err := bob.retrieved(t.Context())
	if err != nil || len(got) != 3 {
		t.Errorf("%d nodes gave messages, %v", len(got), err)
	}
	for _, node := range right {
		if !slices.Equal(got[node.Key()], []string{"data"}) {
			t.Errorf("%s gave %q", node.Name(), got[node.Key()])
		}
	}
}

// A swarm without reachable members is looked up again.
func TestRetrieveFromASwarmThatIsGone(t *testing.T) {
	net := startFakenet(t, 12)
	bob := newPerson(t, "bob", net.SeedURL())
	net.OneSwarm(net.Nodes[:3]...)
	if _, err := bob.network.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.network.AdoptSwarm(t.Context(), bob.ID(), fakenet.Swarm(net.Nodes[:3]...)); err != nil {
		t.Fatal(err)
	}
	for _, node := range net.Nodes[:3] {
		node.Stop()
	}
	net.OneSwarm(net.Nodes[3:6]...)
	always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(net.Nodes[3:6]...), net.Nodes...)
	if _, err := bob.retrieved(t.Context()); err != nil {
		t.Error(err)
	}
}

// A member that gives nothing useful is replaced by one that does.
func TestRetrieveFromNodesInTrouble(t *testing.T) {
	bad := []struct {
		status int
		body   string
	}{
		{500, "internal error"}, {503, "Service node is initializing\n"}, {401, "retrieve: request signature required"},
		{200, "no JSON"}, {200, `{"snodes":[]}`}, {200, `{"messages":[{"data":"x"}]}`}, {421, "no swarm"}, {421,
			`{"snodes":[]}`},
	}
	net := startFakenet(t, len(bad)+1)
	for i, node := range net.Nodes[:len(bad)] {
		always(storage.MethodRetrieve, bad[i].status, bad[i].body, node)
	}
	last := net.Nodes[len(bad)]
	boxes(last)[0].put("data")
	bob := newPerson(t, "bob", net.SeedURL())
	got, err := bob.retrieved(t.Context())
	if err != nil || len(got) != 1 || !slices.Equal(got[last.Key()], []string{"data"}) {
		t.Errorf("got %v, %v", got, err)
	}
	always(storage.MethodRetrieve, 500, "internal error", last)
	_, err = bob.retrieved(t.Context())
	wantError(t, "all in trouble", err, ErrNotRetrieved)
}

// A node that dies after its first page is replaced, and what it gave is not lost.
func TestNodeDiesBetweenPages(t *testing.T) {
	net := startFakenet(t, 4)
	for _, node := range net.Nodes {
		asked := 0
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodRetrieve {
				return 0, ""
			}
			if asked++; asked > 1 {
				return 500, "internal error"
			}
			return storage.StatusOK, pageOf(fullPage("data")...)
		})
	}
	bob := newPerson(t, "bob", net.SeedURL())
	got, err := bob.retrieved(t.Context())
	wantError(t, "no list was read to its end", err, ErrNotRetrieved)
	if len(got) != 4 {
		t.Errorf("%d nodes gave messages, want all", len(got))
	}
}

// Who handles pages may stop everything, and nothing is left running.
func TestHandlerStopsRetrieve(t *testing.T) {
	net := startFakenet(t, 5)
	for _, b := range boxes(net.Nodes...) {
		for i := range 30 {
			b.put(fmt.Sprint("data ", i))
		}
	}
	bob := newPerson(t, "bob", net.SeedURL())
	enough, pages := errors.New("enough"), 0
	err := bob.Retrieve(t.Context(), mailbox.RetrieveOptions{}, func(mailbox.Page) (int, error) {
		pages++
		return 0, enough
	})
	wantError(t, "handler fails", err, enough)
	if pages != 1 {
		t.Errorf("%d pages were handled after the handler had enough", pages-1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = bob.Retrieve(ctx, mailbox.RetrieveOptions{}, func(mailbox.Page) (int, error) {
		cancel()
		return 0, nil
	})
	wantError(t, "cancelled", err, context.Canceled)
}
