package inbox

import (
	"math/rand/v2"
	"slices"
	"testing"

	"sessiontool/lib/sessionid"
)

// However events came, those of a sender get into their order, and senders are mixed by time.
func TestInOrder(t *testing.T) {
	alice, bob := sessionid.ID{1}, sessionid.ID{2}
	of := func(from sessionid.ID, at int64, chain, counter uint32) Waiting {
		return Waiting{From: from, TimestampMS: at, Chain: chain, Counter: counter}
	}
	want := []Waiting{
		of(alice, 10, 0, 0), // a request has no session yet
		of(bob, 15, 0, 0),
		of(alice, 20, 1, 0),
		of(alice, 19, 1, 1), // the clock goes back
		of(bob, 25, 0, 0),
		of(alice, 90, 1, 2), // it goes ahead, and the others wait for this one
		of(alice, 31, 2, 0),
		of(alice, 91, 0, 0),
		of(bob, 95, 0, 0),
	}
	for range 50 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		InOrder(got)
		if senders := func(all []Waiting, who sessionid.ID) (times []int64) {
			for _, event := range all {
				if event.From == who {
					times = append(times, event.TimestampMS)
				}
			}
			return times
		}; !slices.Equal(senders(got, bob), senders(want, bob)) {
			t.Fatalf("of bob %+v", got)
		}
		var ratcheted []uint32
		for _, event := range got {
			if event.Chain != 0 {
				ratcheted = append(ratcheted, event.Chain*10+event.Counter)
			}
		}
		if !slices.Equal(ratcheted, []uint32{10, 11, 12, 20}) {
			t.Fatalf("the session's order is %v", ratcheted)
		}
	}
}
