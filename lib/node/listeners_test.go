package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/rpc"
)

// room is listeners in a bubble of test time.
type room struct {
	*listeners
	t     *testing.T
	moved map[string]bool // owners of another swarm
	stamp int64           // of the last request
}

// inRoom runs do where time passes only when everybody waits. Nothing may be left of what do began.
func inRoom(t *testing.T, do func(t *testing.T, r *room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &room{t: t, moved: make(map[string]bool)}
		r.listeners = newListeners(rand.Reader, func(owner string) bool { return !r.moved[owner] })
		do(t, r)
		r.pass(rpc.ListenGrace + rpc.MaxWait)
		if len(r.audiences) != 0 || r.count != 0 || r.bytes != 0 {
			t.Errorf("there is left: %d audiences, %d listeners, %d bytes", len(r.audiences), r.count, r.bytes)
		}
	})
}

const bob = "05aa"

func (r *room) request(name byte, wait time.Duration, acks ...ack) listenRequest {
	r.stamp++
	return listenRequest{owner: bob, listener: shortID{name}, timestamp: r.stamp, acks: acks, wait: wait}
}

// heard is what came of a listen request.
type heard struct {
	messages []rpc.Delivery
	err      error
	took     time.Duration
}

func (h heard) data() (data []string) {
	for _, message := range h.messages {
		data = append(data, message.Data)
	}
	return data
}

// ack acknowledges a message with a text that tells the listener.
func (r *room) ack(message rpc.Delivery, text string) ack {
	r.t.Helper()
	raw, err := hex.DecodeString(message.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return ack{shortID(raw), text}
}

// ask makes a request and waits for the answer.
func (r *room) ask(request listenRequest) heard {
	start := time.Now()
	messages, err := r.listen(r.t.Context(), request)
	return heard{messages, err, time.Since(start)}
}

// background makes a request that stays open. When background returns, it waits.
func (r *room) background(request listenRequest) <-chan heard {
	answer := make(chan heard, 1)
	go func() { answer <- r.ask(request) }()
	synctest.Wait()
	return answer
}

// sent is what came of a delivery.
type sent struct {
	ack  string
	err  error
	took time.Duration
}

func (r *room) send(data string, wait time.Duration) sent {
	start := time.Now()
	ack, err := r.deliver(r.t.Context(), bob, data, wait)
	return sent{ack, err, time.Since(start)}
}

// sendLater delivers in the background. When it returns, the message is in line.
func (r *room) sendLater(data string, wait time.Duration) <-chan sent {
	outcome := make(chan sent, 1)
	go func() { outcome <- r.send(data, wait) }()
	synctest.Wait()
	return outcome
}

// pass lets time pass, and everybody act upon it.
func (r *room) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (r *room) want(what string, got, want any) {
	r.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// The life of a listener: registered by its first request, there while one is open and for a while after, then gone.
func TestListenerLife(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		r.want("before", r.send("x", time.Second), sent{err: errNobodyListens})
		r.want("registering", r.ask(r.request(1, 0)), heard{})
		r.pass(rpc.ListenGrace - 1)
		r.want("an open request", r.ask(r.request(1, rpc.MaxWait)), heard{took: rpc.MaxWait})
		r.pass(rpc.ListenGrace - 1)
		r.want("at the end of the grace", r.send("x", 0), sent{err: errNotAcked})
		r.pass(1)
		r.want("after it", r.send("x", time.Second), sent{err: errNobodyListens})
		r.want("again", r.ask(r.request(1, 0)), heard{})
		leaving := r.request(1, rpc.MaxWait)
		leaving.stop = true
		r.want("leaving", r.ask(leaving), heard{})
		r.want("after it has left", r.send("x", time.Second), sent{err: errNobodyListens})
		r.want("leaving again", r.ask(leaving), heard{})
	})
}

// Deliverers do not wait for those who have gone, and an acknowledgement that arrives by then counts.
func TestLastListenerGoes(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		r.ask(r.request(1, 0))
		r.pass(rpc.ListenGrace - time.Second)
		r.want("dying", r.send("x", rpc.MaxWait), sent{err: errNobodyListens, took: time.Second})

		r.ask(r.request(2, 0))
		first, second := r.sendLater("a", rpc.MaxWait), r.sendLater("b", rpc.MaxWait)
		got := r.ask(r.request(2, 0))
		leaving := r.request(2, 0, r.ack(got.messages[1], "B"))
		leaving.stop = true
		r.want("leaving", r.ask(leaving), heard{})
		r.want("what was not acknowledged", <-first, sent{err: errNobodyListens})
		r.want("what was", <-second, sent{ack: "B"})
	})
}

// Who has hung up is handed nothing.
func TestHungUp(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		ctx, hangUp := context.WithCancel(t.Context())
		request, broken := r.request(1, rpc.MaxWait), make(chan error, 1)
		go func() {
			_, err := r.listen(ctx, request)
			broken <- err
		}()
		synctest.Wait()
		hangUp()
		r.want("request", <-broken, context.Canceled)
		outcome := r.sendLater("hello", rpc.DefaultWait)
		got := r.ask(r.request(1, rpc.MaxWait))
		r.want("next", got.data(), []string{"hello"})
		r.want("at once", got.took, time.Duration(0))
		r.ask(r.request(1, 0, r.ack(got.messages[0], "ok")))
		r.want("deliverer", <-outcome, sent{ack: "ok"})

		ctx, hangUp = context.WithCancel(t.Context())
		go func() {
			_, err := r.deliver(ctx, bob, "bye", rpc.MaxWait)
			broken <- err
		}()
		synctest.Wait()
		hangUp()
		r.want("deliverer that hangs up", <-broken, context.Canceled)
		r.want("nothing is left of it", r.ask(r.request(1, 0)), heard{})
	})
}

// A fifth listener takes the place of the one that has asked longest ago, which is told.
func TestFifthListener(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		var open []<-chan heard
		for name := range byte(maxKeyListeners) {
			open = append(open, r.background(r.request(name, rpc.MaxWait)))
			r.pass(time.Millisecond)
		}
		outcome := r.sendLater("hello", rpc.MaxWait)
		for _, answer := range open {
			r.want("message", (<-answer).data(), []string{"hello"})
		}
		again := r.background(r.request(0, rpc.MaxWait)) // so that 1 is the oldest
		replaced := r.background(r.request(1, rpc.MaxWait))
		r.ask(r.request(0, 0))
		<-again
		r.pass(time.Millisecond)
		for name := range byte(maxKeyListeners) {
			if name != 1 {
				r.ask(r.request(name, 0))
			}
		}
		fifth := r.ask(r.request(9, rpc.MaxWait))
		r.want("the fifth", fifth.data(), []string{"hello"})
		r.want("the replaced one", (<-replaced).err, errListeningBusy)
		r.want("listeners", r.count, maxKeyListeners)
		r.ask(r.request(9, 0, r.ack(fifth.messages[0], "nine")))
		r.want("deliverer", (<-outcome).ack, "nine")
	})
}

// A listener has one request at a time: the next ends the one before. Older ones, which somebody repeats, are refused. The
// last one may come twice, since a client repeats it when a path fails: then it has no effect.
func TestOneRequestAtATime(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		old := r.request(1, rpc.MaxWait)
		first := r.background(old)
		last := r.request(1, rpc.MaxWait)
		second := r.background(last)
		r.want("first", <-first, heard{})
		r.want("older", r.ask(old), heard{err: errOldListen})
		r.want("repeated", r.ask(last), heard{})
		outcome := r.sendLater("hello", rpc.MaxWait)
		got := <-second
		r.want("message", got.data(), []string{"hello"})
		r.pass(rpc.ListenGrace / 2)
		r.want("repeated again", r.ask(last), heard{})
		r.pass(rpc.ListenGrace / 2)
		r.want("the grace is not longer for it", <-outcome, sent{err: errNotAcked, took: rpc.MaxWait})
		r.want("gone", r.send("hello", 0), sent{err: errNobodyListens})
		other := r.request(2, 0)
		other.timestamp = 0
		r.want("another listener has times of its own", r.ask(other), heard{})
	})
}

// Who belongs to another swarm by now is told so, whether he listens or delivers, and comes to nobody.
func TestOwnerMoves(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		listening := r.background(r.request(1, rpc.MaxWait))
		r.ask(r.request(2, 0))
		first := r.sendLater("a", rpc.MaxWait)
		<-listening
		listening = r.background(r.request(1, rpc.MaxWait))
		stays := r.request(3, rpc.MaxWait)
		stays.owner = "05bb"
		other := r.background(stays)
		r.moved[bob] = true
		r.drop()
		r.want("listener", <-listening, heard{err: errMoved})
		r.want("deliverer", <-first, sent{err: errMoved})
		r.want("next listen", r.ask(r.request(1, rpc.MaxWait)), heard{err: errMoved})
		r.want("next deliver", r.send("x", rpc.MaxWait), sent{err: errMoved})
		r.want("another owner", <-other, heard{took: rpc.MaxWait})
	})
}

// Closing ends everything at once, and nothing comes after.
func TestListenersClose(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		r.ask(r.request(1, 0))
		waiting := r.sendLater("a", rpc.MaxWait)
		r.ask(r.request(1, 0))
		listening := r.background(r.request(1, rpc.MaxWait))
		r.close()
		r.want("listener", <-listening, heard{err: errClosing})
		r.want("deliverer", <-waiting, sent{err: errClosing})
		r.want("next listen", r.ask(r.request(1, rpc.MaxWait)), heard{err: errClosing})
		r.want("next deliver", r.send("x", rpc.MaxWait), sent{err: errClosing})
	})
}

// The number of listeners is bounded, too. Who listens already is not in the way of himself.
func TestListenerBound(t *testing.T) {
	inRoom(t, func(t *testing.T, r *room) {
		for i := range maxListeners {
			request := r.request(byte(i%2), 0)
			request.owner = fmt.Sprint(i / 2)
			if got := r.ask(request); got.err != nil {
				t.Fatal(got.err)
			}
		}
		r.want("one too many", r.ask(r.request(1, 0)).err, errListeningBusy)
		again := r.request(1, 0)
		again.owner = "7"
		r.want("one that is there", r.ask(again), heard{})
		listening, waiting := r.load()
		r.want("load", []int{listening, waiting}, []int{maxListeners, 0})
	})
}
