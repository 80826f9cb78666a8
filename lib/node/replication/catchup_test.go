package replication

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
)

// Lists that are cut off are compared only up to where both are complete.
func TestDifferencesOfCutLists(t *testing.T) {
	numbered := func(n ...int) (list []listed) {
		for _, i := range n {
			list = append(list, listed{name: store.Name([]byte(fmt.Sprintf("%0*d", store.NameSize, i)))})
		}
		return list
	}
	var even, all []int
	for i := range 2 * MaxNames {
		if i%2 == 0 {
			even = append(even, i)
		}
		if i < MaxNames {
			all = append(all, i)
		}
	}
	theirs, ours := numbered(even...), numbered(all...)
	end, cut := commonEnd(theirs, ours)
	if !cut || end != numbered(MaxNames - 1)[0].name {
		t.Fatalf("lists can be compared up to %s (%v)", end[:], cut)
	}
	lacking, surplus := differences(theirs, ours, end, cut)
	if len(lacking) != 0 || len(surplus) != MaxNames/2 {
		t.Errorf("%d are lacking, %d surplus; want 0 and %d", len(lacking), len(surplus), MaxNames/2)
	}
	if _, cut := commonEnd(theirs[:5], ours[:5]); cut {
		t.Error("short lists are said to be cut off")
	}
}

// The node compares with all peers at the start, with new members a little later, and again after failures with growing
// pauses.
func TestAppointments(t *testing.T) {
	c := newCatchUp(slog.New(slog.DiscardHandler), rand.New(rand.NewPCG(1, 2)), nil)
	one := &ring.Peer{Snode: storage.Snode{PubkeyEd25519: "one"}}
	two := &ring.Peer{Snode: storage.Snode{PubkeyEd25519: "two"}}
	c.setPeers([]*ring.Peer{one})
	if p, wait := c.next(); p != one || wait > 0 {
		t.Errorf("at the start the next is %v in %v", p, wait)
	}
	c.record(one, time.Now(), nil)
	c.setPeers([]*ring.Peer{one, two})
	if p, wait := c.next(); p != two || wait <= 0 || c.pending() != 1 {
		t.Errorf("when a member joins the next is %v in %v", p, wait)
	}
	for range 20 {
		c.record(two, time.Now(), context.DeadlineExceeded)
	}
	if p, wait := c.next(); p != two || wait > 2*lastRetry || wait < lastRetry/4 {
		t.Errorf("after failures the next is %v in %v", p, wait)
	}
	c.schedule("two")
	if p, wait := c.next(); p != two || wait > 0 {
		t.Errorf("when it is back the next is %v in %v", p, wait)
	}
	c.setPeers([]*ring.Peer{one})
	if p, _ := c.next(); p != nil {
		t.Errorf("when all others have gone the next is %v", p)
	}
}
