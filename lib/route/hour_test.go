package route

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/message"
)

// longestLock is the longest time that a process may wait for the keystore because of a listener.
const longestLock = 100 * time.Millisecond

// process is the same account with a keystore of its own to open, for which it does not wait long.
func (p *person) process(owner string) *person {
	p.t.Helper()
	store, err := keystore.Open(p.t.Context(), p.dir, keystore.Unlock{}, keystore.Options{LockTimeout: longestLock})
	if err != nil {
		p.t.Fatal(err)
	}
	other := *p
	other.store = store
	return other.anew(owner)
}

// An account listens for an hour without losing the synchronous route. Other processes of the account send and poll all
// the time, and no lock of the keystore holds them up: no process waits for anything while it holds the lock. At the
// end no goroutine is left, which synctest checks.
func TestListenForAnHour(t *testing.T) {
	rounds, whole := 15, time.Hour // others want the keystore once a round
	if testing.Short() {
		rounds, whole = 3, 12*time.Minute
	}
	synctest.Test(t, func(t *testing.T) {
		net := startPipes(t, 6)
		alice, bob := newPersonWith(t, "alice", net.config(t), Options{}), newPersonWith(t, "bob", net.config(t),
			Options{})
		alice.befriends(bob)
		started := time.Now()
		var heard []string
		routes := make(map[message.Route]int)
		done := make(chan error)
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			done <- bob.process("bob listens").Listen(ctx, ListenOptions{}, func(event inbox.Event) error {
				heard = append(heard, event.Text)
				routes[event.Route]++
				return nil
			})
		}()
		<-time.After(time.Second)
		for round := range rounds {
			// at ever other moments of its rounds
			<-time.After(whole/time.Duration(rounds) - time.Duration(round)*time.Millisecond)
			wantRoute(t, alice.process(fmt.Sprint("alice sends ", round)).texts(bob, fmt.Sprint(round)),
				message.RouteSync, "")
			bob.process(fmt.Sprint("bob sends ", round)).says(alice, fmt.Sprint(round))
			bob.process(fmt.Sprint("bob polls ", round)).getsNothing()
			if got := alice.process(fmt.Sprint("alice polls ", round)).polls(); len(got) != 1 {
				t.Errorf("alice reads %q", got)
			}
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the listening ends with %v", err)
		}
		if len(heard) != rounds || routes[message.RouteSync] != rounds {
			t.Errorf("bob heard %q, by %v", heard, routes)
		}
		for i, text := range heard {
			if text != fmt.Sprint(i) {
				t.Errorf("text %d is %q", i, text)
			}
		}
		if passed := time.Since(started); passed < whole-time.Second {
			t.Errorf("only %v passed", passed)
		}
	})
}
