package account

import (
	"slices"
	"testing"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
)

// Who takes a message back makes the inbox forget what it said, and the request that it was. A stranger's wish is not
// shown.
func TestUnsend(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.person("alice"), w.person("bob"), w.person("carol")
	kept := bob.get(alice.boxes(bob, message.TextV1("stays", "alice", 7), 7))
	first := bob.get(alice.boxes(bob, message.TextV1("wrong person", "alice", 8), 8))
	other := bob.get(carol.boxes(bob, message.TextV1("carol's", "carol", 8), 8))

	take := func(from *person, timestamp, at uint64, author string) {
		t.Helper()
		content := message.Content{Body: message.Unsend{TimestampMS: timestamp, Author: author}, SigTimestampMS: at}
		if event := bob.get(from.boxes(bob, content, at)); event.Kind != inbox.EventControl ||
			event.Text != "unsend" || event.About.TimestampMS != timestamp {
			t.Fatalf("the request is %+v", event)
		}
	}
	stored := func() map[string]inbox.Event {
		t.Helper()
		events, err := bob.Inbox(t.Context(), 20)
		events = slices.DeleteFunc(events, func(e inbox.Event) bool { return e.Kind == inbox.EventUnsend })
		if err != nil || len(events) != 3 {
			t.Fatalf("inbox %+v, %v", events, err)
		}
		byID := make(map[string]inbox.Event)
		for _, event := range events {
			byID[event.ID] = event
		}
		return byID
	}
	// Only the author can unsend a message, whatever author the request names.
	take(carol, 7, 9, carol.ID().String())
	take(carol, 7, 10, alice.ID().String())
	take(alice, 7, 11, carol.ID().String())
	take(alice, 99, 12, alice.ID().String()) // there is no such message
	for id, event := range stored() {
		if event.Unsent || event.Text == "" {
			t.Errorf("%s is taken back: %+v", id, event)
		}
	}
	take(alice, 8, 13, alice.ID().String())
	take(alice, 7, 14, alice.ID().String())
	after := stored()
	for _, id := range []string{kept.ID, first.ID} {
		if event := after[id]; !event.Unsent || event.Text != "" || event.From != alice.ID() ||
			event.Kind != inbox.EventMessage {
			t.Errorf("what was taken back is still %+v", event)
		}
	}
	if event := after[other.ID]; event.Unsent || event.Text != "carol's" {
		t.Errorf("of somebody else there is %+v", event)
	}
	requests, err := bob.FriendRequests(t.Context())
	if err != nil || len(requests) != 2 {
		t.Fatalf("requests %+v, %v", requests, err)
	}
	for _, request := range requests {
		if want := map[string]string{kept.ID: "", other.ID: "carol's"}[request.ID]; request.Text != want {
			t.Errorf("request %+v, want the text %q", request, want)
		}
	}
}

// What is taken back in the same batch says nothing any more, in whatever order the two come.
func TestUnsendInOneBatch(t *testing.T) {
	w := newWorld(t)
	for name, order := range map[string][]int{"after": {0, 1}, "before": {1, 0}} {
		alice, bob := w.pals()
		unsend := message.Content{Body: message.Unsend{TimestampMS: 8, Author: alice.ID().String()}, SigTimestampMS: 9}
		data := []string{alice.boxes(bob, message.TextV1("oops", "alice", 8), 8), alice.boxes(bob, unsend, 9)}
		opened := bob.gets(data[order[0]], data[order[1]])
		got := opened[order[0]].Event
		if got.Kind != inbox.EventMessage || !got.Unsent || got.Text != "" || got.TimestampMS != 8 {
			t.Errorf("%s: what was taken back is %+v", name, got)
		}
		if event := opened[order[1]].Event; event.Kind != inbox.EventUnsend {
			t.Errorf("%s: the request is %+v", name, event)
		}
	}
}
