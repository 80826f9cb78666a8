package route

import (
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Two people who listen and talk to each other lose the network for a minute: every connection breaks, and none can be
// opened. What they say meanwhile waits, and in the end each has heard everything, once.
func TestCutOffForAMinute(t *testing.T) {
	if testing.Short() {
		t.Skip("the minute is short, but there is much to do in it")
	}
	synctest.Test(t, func(t *testing.T) {
		const before, minute, after = 5 * time.Second, time.Minute, 15 * time.Second
		net := startPipes(t, 6)
		alice, bob := newPersonWith(t, "alice", net.config(t), Options{}), newPersonWith(t, "bob", net.config(t),
			Options{})
		alice.befriends(bob)
		options := ListenOptions{PollInterval: 5 * time.Second}
		listeners := []*listenProcess{alice.listens("alice listens", options), bob.listens("bob listens", options)}
		alice.knows(bob, listeners[1].node())
		bob.knows(alice, listeners[0].node())

		var mu sync.Mutex
		routes := make(map[string]int)
		var talking sync.WaitGroup
		talkers := []*talker{bob.talksTo(alice, time.Second), alice.talksTo(bob, time.Second)}
		for _, talker := range talkers {
			talking.Go(func() {
				for i, started := 0, time.Now(); time.Since(started) < before+minute+after; i++ {
					how := talker.say(strconv.Itoa(i))
					mu.Lock()
					routes[how]++
					mu.Unlock()
					<-time.After(time.Second)
				}
			})
		}
		<-time.After(before)
		net.setCut(true)
		<-time.After(minute)
		net.setCut(false)
		talking.Wait()
		t.Logf("%v", routes)
		if routes["sync "] == 0 || routes["left"] == 0 {
			t.Error("the minute made no difference")
		}
		for i, listener := range listeners {
			want := make([]string, talkers[i].sent.Load())
			for number := range want {
				want[number] = strconv.Itoa(number)
			}
			listener.wantAll(want)
		}
	})
}
