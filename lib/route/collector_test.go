package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/route/mailbox"
	"sessiontool/lib/storage"
)

// opener is a receiveFunc that opens when its gate lets it, and fails as often as it is said to.
type opener struct {
	gate     chan struct{}
	failures map[int]bool // by the number of the call
	calls    int
	parts    []int // sizes of what was opened
	texts    []string
	cursors  []string // those of each part that has some
}

func (o *opener) open(_ context.Context, batch []account.Incoming, cursors []account.Cursor) ([]account.Opened, error) {
	<-o.gate
	o.calls++
	if o.failures[o.calls] {
		return nil, errors.New("no room")
	}
	o.parts = append(o.parts, len(batch))
	for _, in := range batch {
		o.texts = append(o.texts, in.Data)
	}
	for _, cursor := range cursors {
		o.cursors = append(o.cursors, cursor.Hash)
	}
	return make([]account.Opened, len(batch)), nil
}

// collecting returns a collector that opens beside, and a function that makes pages of a node.
func collecting(t *testing.T, o *opener) (*collector, func(from, to int) mailbox.Page, *int) {
	net := startFakenet(t, 5)
	bob := newPerson(t, "bob", net.SeedURL())
	took := new(int)
	c := bob.Router.collect(o.open, func(opened []account.Opened) { *took += len(opened) })
	c.beside = true
	return c, func(from, to int) mailbox.Page {
		page := mailbox.Page{Node: network.Node{Ed25519: net.Nodes[0].Key()}}
		for i := from; i < to; i++ {
			page.Messages = append(page.Messages, storage.Stored{Data: fmt.Sprint(i), Hash: fmt.Sprint("hash ", i)})
		}
		return page
	}, took
}

// numbers are the texts of messages from 0.
func numbers(to int) (texts []string) {
	for i := range to {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

// The next page is asked for while messages are opened. They are opened in order, in transactions of bounded size, and
// a cursor is stored with the last message before it.
func TestOpensBeside(t *testing.T) {
	o := &opener{gate: make(chan struct{})}
	c, page, took := collecting(t, o)
	for _, one := range []mailbox.Page{page(0, 600), page(590, 610)} {
		if fresh, err := c.take(t.Context(), one); err != nil || fresh != 0 {
			t.Fatalf("%d are new, %v", fresh, err)
		}
	}
	close(o.gate)
	if err := c.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.parts, []int{256, 256, 88, 10}) || !slices.Equal(o.texts, numbers(610)) || *took != 610 {
		t.Errorf("opened %v, of which %d were taken", o.parts, *took)
	}
	if !slices.Equal(o.cursors, []string{"hash 599", "hash 609"}) {
		t.Errorf("the cursors are %q", o.cursors)
	}
}

// What could not be opened is reported by the next page, and opened at the end.
func TestOpensAgain(t *testing.T) {
	o := &opener{gate: make(chan struct{}), failures: map[int]bool{2: true}}
	close(o.gate)
	c, page, took := collecting(t, o)
	if _, err := c.take(t.Context(), page(0, 600)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.take(t.Context(), page(600, 1200)); err == nil {
		t.Error("the failure is not reported")
	}
	if err := c.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.texts, numbers(1200)) || *took != 1200 || !slices.Equal(o.cursors, []string{"hash 1199"}) {
		t.Errorf("opened %v, of which %d were taken, with cursors %q", o.parts, *took, o.cursors)
	}
	o.failures = map[int]bool{o.calls + 1: true, o.calls + 2: true}
	if _, err := c.take(t.Context(), page(1200, 1500)); err != nil {
		t.Fatal(err)
	}
	if err := c.flush(t.Context()); err == nil {
		t.Error("two failures are not reported")
	}
}
