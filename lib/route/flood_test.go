package route

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

func TestBackOff(t *testing.T) {
	pauses := backOff{first: time.Second, longest: 5 * time.Second}
	var got []time.Duration
	for _, useful := range []bool{true, false, false, false, false, false, true, true, true, false} {
		got = append(got, pauses.after(useful)/time.Millisecond)
	}
	if want := []time.Duration{0, 1000, 2000, 4000, 5000, 5000, 2500, 1250, 0, 1000}; !slices.Equal(got, want) {
		t.Errorf("the pauses are %d ms, want %d", got, want)
	}
}

// A node that always has a delivery which does not open, as many strangers may keep it supplied with, is asked a few
// times and not as fast as it answers.
func TestGarbageDeliveriesAreNotAskedFor(t *testing.T) {
	net := startFakenet(t, 8)
	var delivered atomic.Int32
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			switch {
			case call.Method == storage.MethodRetrieve:
				return storage.StatusOK, pageOf()
			case call.Method != syncroute.MethodListen:
				return 0, ""
			}
			answer, err := json.Marshal(syncroute.ListenAnswer{Messages: []syncroute.Delivery{
				{ID: fmt.Sprintf("%0*x", 2*syncroute.DeliveryIDSize, delivered.Add(1)), Data: "Z2FyYmFnZQ=="},
			}})
			if err != nil {
				t.Error(err)
			}
			return storage.StatusOK, string(answer)
		})
	}
	bob := newPerson(t, "bob", net.SeedURL())
	err := bob.Listen(t.Context(), ListenOptions{For: 2 * time.Second}, func(event inbox.Event) error {
		t.Errorf("the reader gets %+v", event)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, node := range net.Nodes {
		asked += len(node.Calls(syncroute.MethodListen))
	}
	// After 0, 250, 750 and 1750 ms, beside registering and leaving, and less often on a busy machine.
	if delivered.Load() == 0 || asked > 6 {
		t.Errorf("the node was asked %d times in 2 s", asked)
	}
}

// A listener that gets garbage with every poll reports it once, and then not for a minute.
func TestListenReportsGarbageSeldom(t *testing.T) {
	net := startFakenet(t, 5)
	var stored atomic.Int32
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			switch {
			case call.Method == syncroute.MethodListen:
				return storage.StatusBadRequest, storage.TextNoMethod
			case call.Method != storage.MethodRetrieve:
				return 0, ""
			case call.Params["lastHash"] != "" && stored.Load()%2 == 0:
				stored.Add(1)
				return storage.StatusOK, pageOf()
			}
			text := fmt.Sprint("garbage ", stored.Add(1))
			return storage.StatusOK, pageOf(storage.Stored{Data: text, Hash: text})
		})
	}
	bob := newPerson(t, "bob", net.SeedURL())
	reports, counted := 0, 0
	options := ListenOptions{For: 2 * time.Second, PollInterval: 20 * time.Millisecond, MaxIdle: 1900 * time.Millisecond}
	err := bob.Listen(t.Context(), options, func(event inbox.Event) error {
		reports++
		for _, count := range event.Report.Unopenable {
			counted += count.Messages
		}
		return nil
	})
	if err != nil || reports != 1 || counted == 0 || int(stored.Load()) <= counted {
		t.Errorf("%d reports of %d messages, %d answers with them, %v", reports, counted, stored.Load(), err)
	}
	// The poll that follows reports the rest.
	rest := 0
	err = bob.Poll(t.Context(), PollOptions{}, func(event inbox.Event) error {
		for _, count := range event.Report.Unopenable {
			rest += count.Messages
		}
		return nil
	})
	if err != nil || rest == 0 {
		t.Errorf("the next poll reports %d messages, %v", rest, err)
	}
}
