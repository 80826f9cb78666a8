package route

import (
	"slices"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
)

// Pages are read until the node says that there are no more, without asking once too often.
func TestRetrieve28(t *testing.T) {
	s := three28(t)
	bob := newPersonWith(t, "bob", client28(t, s.seed), Options{})
	want := s.put(bob.ID(), 23)
	got, err := bob.retrieved(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatalf("%d nodes gave messages, %v", len(got), err)
	}
	for node, list := range got {
		if !slices.Equal(list, want) {
			t.Errorf("%s gave %q", node, list)
		}
	}
	for _, node := range s.nodes {
		asked := node.Calls(storage.MethodRetrieve)
		if len(asked) != 3 {
			t.Errorf("%d pages have been asked for, want 3", len(asked))
		}
		if p := asked[0].Params; p["pubkey"] != bob.ID().String() || p["namespace"] != "0" || p["last_hash"] != "" {
			t.Errorf("asked with %v", p)
		}
	}
}

// pollsWhatever polls messages that need not open.
func (p *person) pollsWhatever() {
	p.t.Helper()
	if err := p.Poll(p.t.Context(), PollOptions{}, func(inbox.Event) error { return nil }); err != nil {
		p.t.Fatal(err)
	}
}

// A poll goes on where the last one ended. What it knows of the node's list of 2.0 is another matter.
func TestPoll28HasCursorsOfItsOwn(t *testing.T) {
	s := three28(t)
	bob := newPersonWith(t, "bob", client28(t, s.seed), Options{})
	s.put(bob.ID(), 3)
	for range 2 {
		bob.pollsWhatever()
	}
	for _, node := range s.nodes {
		asked := node.Calls(storage.MethodRetrieve)
		last := s.messages[2].Hash
		if len(asked) != 2 || asked[0].Params["last_hash"] != "" || asked[1].Params["last_hash"] != last {
			t.Errorf("asked %+v", asked)
		}
		for cursor, want := range map[string]string{node.Name(): "", node.Name() + "/0": last} {
			if got, err := bob.LastHash(t.Context(), cursor); err != nil || got != want {
				t.Errorf("%s is read up to %q, %v, want %q", cursor, got, err, want)
			}
		}
	}
}

// A node that gave a hash of another length, as none should, would answer 400 for ever if it was sent back.
func TestRetrieve28BehindAHashThatIsNone(t *testing.T) {
	s := three28(t)
	bob := newPersonWith(t, "bob", client28(t, s.seed), Options{})
	s.messages = []storage.Stored{{Data: "x", Hash: "short", Expiration: 1}}
	for range 2 {
		bob.pollsWhatever()
	}
	for _, call := range calls(storage.MethodRetrieve, s.nodes...) {
		if call.Params["last_hash"] != "" {
			t.Errorf("asked with %v", call.Params)
		}
	}
}

// A node that is not a member names the members.
func TestRetrieve28FromTheWrongSwarm(t *testing.T) {
	net := startFakenet(t, 8)
	wrong, right := net.Nodes[:3], net.Nodes[3:6]
	s := newSwarm28(right...)
	always(storage.MethodRetrieve, storage.StatusWrongSwarm, fakenet.Swarm(right...), wrong...)
	bob := newPersonWith(t, "bob", client28(t, net.SeedURL()), Options{})
	net.OneSwarm(wrong...)
	if _, err := bob.network.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.network.AdoptSwarm(t.Context(), bob.ID(), fakenet.Swarm(wrong...)); err != nil {
		t.Fatal(err)
	}
	net.OneSwarm(right...)
	s.put(bob.ID(), 1)
	if got, err := bob.retrieved(t.Context()); err != nil || len(got) != 3 {
		t.Errorf("%d nodes gave messages, %v", len(got), err)
	}
}
