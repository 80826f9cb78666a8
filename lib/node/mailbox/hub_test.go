package mailbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/storage/syncroute"
)

// testHub is a Hub in a bubble of test time.
type testHub struct {
	*Hub
	t     *testing.T
	moved map[string]bool // owners of another swarm
	stamp int64           // timestamp of the latest request
}

// inBubble runs do in a bubble where time passes only while all goroutines wait. Nothing that do began may be left.
func inBubble(t *testing.T, do func(t *testing.T, r *testHub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &testHub{t: t, moved: make(map[string]bool)}
		r.Hub = New(rand.Reader, func(owner string) bool { return !r.moved[owner] })
		do(t, r)
		r.pass(syncroute.ListenGrace + syncroute.MaxWait)
		if len(r.mailboxes) != 0 || r.count != 0 || r.pendingBytes != 0 {
			t.Errorf("there is left: %d audiences, %d listeners, %d bytes", len(r.mailboxes), r.count, r.pendingBytes)
		}
	})
}

const bob = "05aa"

func (r *testHub) request(name byte, wait time.Duration, acks ...Ack) Request {
	r.stamp++
	return Request{Owner: bob, Listener: ID{name}, Timestamp: r.stamp, Acks: acks, Wait: wait}
}

// heard is the result of a listen request.
type heard struct {
	messages []syncroute.Delivery
	err      error
	took     time.Duration
}

func (h heard) data() (data []string) {
	for _, message := range h.messages {
		data = append(data, message.Data)
	}
	return data
}

// ack acknowledges a message with a text that identifies the listener.
func (r *testHub) ack(message syncroute.Delivery, text string) Ack {
	r.t.Helper()
	raw, err := hex.DecodeString(message.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return Ack{ID(raw), text}
}

// ask makes a request and waits for the answer.
func (r *testHub) ask(request Request) heard {
	start := time.Now()
	messages, err := r.Listen(r.t.Context(), request)
	return heard{messages, err, time.Since(start)}
}

// background makes a request that stays open. When background returns, the request waits.
func (r *testHub) background(request Request) <-chan heard {
	answer := make(chan heard, 1)
	go func() { answer <- r.ask(request) }()
	synctest.Wait()
	return answer
}

// sent is the result of a delivery.
type sent struct {
	ack  string
	err  error
	took time.Duration
}

func (r *testHub) send(data string, wait time.Duration) sent {
	start := time.Now()
	ack, err := r.Deliver(r.t.Context(), bob, data, wait)
	return sent{ack, err, time.Since(start)}
}

// sendLater delivers in the background. When it returns, the delivery is pending.
func (r *testHub) sendLater(data string, wait time.Duration) <-chan sent {
	outcome := make(chan sent, 1)
	go func() { outcome <- r.send(data, wait) }()
	synctest.Wait()
	return outcome
}

// pass lets time pass until all goroutines wait again.
func (r *testHub) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *testHub) want(what string, got, want any) {
	r.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// A listener is registered by its first request, stays for the grace period after the latest one, and is then removed.
func TestListenerLife(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.want("before", r.send("x", time.Second), sent{err: ErrNoListener})
		r.want("registering", r.ask(r.request(1, 0)), heard{})
		r.pass(syncroute.ListenGrace - 1)
		r.want("an open request", r.ask(r.request(1, syncroute.MaxWait)), heard{took: syncroute.MaxWait})
		r.pass(syncroute.ListenGrace - 1)
		r.want("at the end of the grace", r.send("x", 0), sent{err: ErrNotAcked})
		r.pass(1)
		r.want("after it", r.send("x", time.Second), sent{err: ErrNoListener})
		r.want("again", r.ask(r.request(1, 0)), heard{})
		leaving := r.request(1, syncroute.MaxWait)
		leaving.Stop = true
		r.want("leaving", r.ask(leaving), heard{})
		r.want("after it has left", r.send("x", time.Second), sent{err: ErrNoListener})
		r.want("leaving again", r.ask(leaving), heard{})
	})
}

// Deliveries do not wait for listeners that have left. An acknowledgement that arrived before counts.
func TestLastListenerGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		r.pass(syncroute.ListenGrace - time.Second)
		r.want("dying", r.send("x", syncroute.MaxWait), sent{err: ErrNoListener, took: time.Second})

		r.ask(r.request(2, 0))
		first, second := r.sendLater("a", syncroute.MaxWait), r.sendLater("b", syncroute.MaxWait)
		got := r.ask(r.request(2, 0))
		leaving := r.request(2, 0, r.ack(got.messages[1], "B"))
		leaving.Stop = true
		r.want("leaving", r.ask(leaving), heard{})
		r.want("what was not acknowledged", <-first, sent{err: ErrNoListener})
		r.want("what was", <-second, sent{ack: "B"})
	})
}

// A request whose client has hung up gets no messages.
func TestHungUp(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		ctx, hangUp := context.WithCancel(t.Context())
		request, broken := r.request(1, syncroute.MaxWait), make(chan error, 1)
		go func() {
			_, err := r.Listen(ctx, request)
			broken <- err
		}()
		synctest.Wait()
		hangUp()
		r.want("request", <-broken, context.Canceled)
		outcome := r.sendLater("hello", syncroute.DefaultWait)
		got := r.ask(r.request(1, syncroute.MaxWait))
		r.want("next", got.data(), []string{"hello"})
		r.want("at once", got.took, time.Duration(0))
		r.ask(r.request(1, 0, r.ack(got.messages[0], "ok")))
		r.want("deliverer", <-outcome, sent{ack: "ok"})

		ctx, hangUp = context.WithCancel(t.Context())
		go func() {
			_, err := r.Deliver(ctx, bob, "bye", syncroute.MaxWait)
			broken <- err
		}()
		synctest.Wait()
		hangUp()
		r.want("deliverer that hangs up", <-broken, context.Canceled)
		r.want("nothing is left of it", r.ask(r.request(1, 0)), heard{})
	})
}

// A fifth listener replaces the one with the oldest request, which gets an error.
func TestFifthListener(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		var open []<-chan heard
		for name := range byte(maxOwnerListeners) {
			open = append(open, r.background(r.request(name, syncroute.MaxWait)))
			r.pass(time.Millisecond)
		}
		outcome := r.sendLater("hello", syncroute.MaxWait)
		for _, answer := range open {
			r.want("message", (<-answer).data(), []string{"hello"})
		}
		again := r.background(r.request(0, syncroute.MaxWait)) // so that 1 is the oldest
		replaced := r.background(r.request(1, syncroute.MaxWait))
		r.ask(r.request(0, 0))
		<-again
		r.pass(time.Millisecond)
		for name := range byte(maxOwnerListeners) {
			if name != 1 {
				r.ask(r.request(name, 0))
			}
		}
		fifth := r.ask(r.request(9, syncroute.MaxWait))
		r.want("the fifth", fifth.data(), []string{"hello"})
		r.want("the replaced one", (<-replaced).err, ErrBusy)
		r.want("listeners", r.count, maxOwnerListeners)
		r.ask(r.request(9, 0, r.ack(fifth.messages[0], "nine")))
		r.want("deliverer", (<-outcome).ack, "nine")
	})
}

// A listener has one request at a time: the next one ends the one before. Requests with older timestamps are refused.
// A request with the newest timestamp may come twice, since clients repeat it when a path fails; it has no effect.
func TestOneRequestAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		old := r.request(1, syncroute.MaxWait)
		first := r.background(old)
		last := r.request(1, syncroute.MaxWait)
		second := r.background(last)
		r.want("first", <-first, heard{})
		r.want("older", r.ask(old), heard{err: ErrOldRequest})
		r.want("repeated", r.ask(last), heard{})
		outcome := r.sendLater("hello", syncroute.MaxWait)
		got := <-second
		r.want("message", got.data(), []string{"hello"})
		r.pass(syncroute.ListenGrace / 2)
		r.want("repeated again", r.ask(last), heard{})
		r.pass(syncroute.ListenGrace / 2)
		r.want("the grace is not longer for it", <-outcome, sent{err: ErrNotAcked, took: syncroute.MaxWait})
		r.want("gone", r.send("hello", 0), sent{err: ErrNoListener})
		other := r.request(2, 0)
		other.Timestamp = 0
		r.want("another listener has times of its own", r.ask(other), heard{})
	})
}

// When an owner moves to another swarm, its listeners and deliveries get ErrMoved.
func TestOwnerMoves(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		listening := r.background(r.request(1, syncroute.MaxWait))
		r.ask(r.request(2, 0))
		first := r.sendLater("a", syncroute.MaxWait)
		<-listening
		listening = r.background(r.request(1, syncroute.MaxWait))
		stays := r.request(3, syncroute.MaxWait)
		stays.Owner = "05bb"
		other := r.background(stays)
		r.moved[bob] = true
		r.DropMoved()
		r.want("listener", <-listening, heard{err: ErrMoved})
		r.want("deliverer", <-first, sent{err: ErrMoved})
		r.want("next listen", r.ask(r.request(1, syncroute.MaxWait)), heard{err: ErrMoved})
		r.want("next deliver", r.send("x", syncroute.MaxWait), sent{err: ErrMoved})
		r.want("another owner", <-other, heard{took: syncroute.MaxWait})
	})
}

// Close ends everything at once, and later calls fail.
func TestListenersClose(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		waiting := r.sendLater("a", syncroute.MaxWait)
		r.ask(r.request(1, 0))
		listening := r.background(r.request(1, syncroute.MaxWait))
		r.Close()
		r.want("listener", <-listening, heard{err: ErrClosing})
		r.want("deliverer", <-waiting, sent{err: ErrClosing})
		r.want("next listen", r.ask(r.request(1, syncroute.MaxWait)), heard{err: ErrClosing})
		r.want("next deliver", r.send("x", syncroute.MaxWait), sent{err: ErrClosing})
	})
}

// The number of listeners is bounded. A listener that is registered already is not refused.
func TestListenerBound(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		for i := range maxListeners {
			request := r.request(byte(i%2), 0)
			request.Owner = fmt.Sprint(i / 2)
			if got := r.ask(request); got.err != nil {
				t.Fatal(got.err)
			}
		}
		r.want("one too many", r.ask(r.request(1, 0)).err, ErrBusy)
		again := r.request(1, 0)
		again.Owner = "7"
		r.want("one that is there", r.ask(again), heard{})
		r.want("load", r.Load(), Load{Listeners: maxListeners})
	})
}
