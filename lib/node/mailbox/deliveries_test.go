package mailbox

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sessiontool/lib/storage/syncroute"
)

// A message goes to the open request. Its acknowledgement comes with the next request and goes to the deliverer.
func TestDeliver(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		first := r.background(r.request(1, syncroute.MaxWait))
		r.pass(time.Second)
		outcome := r.sendLater("hello", syncroute.DefaultWait)
		got := <-first
		r.want("data", got.data(), []string{"hello"})
		r.want("answered", got.took, time.Second)
		r.pass(time.Second)
		second := r.background(r.request(1, syncroute.MaxWait, r.ack(got.messages[0], "got it")))
		r.want("deliverer", <-outcome, sent{ack: "got it", took: time.Second})
		r.want("nothing more", <-second, heard{took: syncroute.MaxWait})
	})
}

// A delivery between two requests is in the answer to the second.
func TestDeliverBetweenRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		outcome := r.sendLater("hello", syncroute.DefaultWait)
		got := r.ask(r.request(1, syncroute.MaxWait))
		r.want("data", got.data(), []string{"hello"})
		r.want("took", got.took, time.Duration(0))
		r.want("unacknowledged", <-outcome, sent{err: ErrNotAcked, took: syncroute.DefaultWait})
		r.want("late", r.ask(r.request(1, time.Second, r.ack(got.messages[0], "late"))), heard{took: time.Second})
	})
}

// A message whose answer was lost is handed out again after redeliverAfter, also within one open request. Acknowledged
// messages are not.
func TestRedelivery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		outcome := r.sendLater("hello", 5*time.Second)
		lost := r.ask(r.request(1, 0)) // at 0 s
		r.want("first", lost.data(), []string{"hello"})
		r.pass(time.Second)
		again := r.ask(r.request(1, syncroute.MaxWait)) // at 2 s
		r.want("again", again, heard{lost.messages, nil, time.Second})
		once := r.ask(r.request(1, syncroute.MaxWait)) // at 4 s
		r.want("once more", once, heard{lost.messages, nil, redeliverAfter})
		none := r.ask(r.request(1, syncroute.MaxWait)) // a further delivery would be due at 6 s
		r.want("no more", none, heard{took: syncroute.MaxWait})
		r.want("deliverer", <-outcome, sent{err: ErrNotAcked, took: 5 * time.Second})
	})
}

// Messages come in the order in which they were delivered, also over several answers.
func TestOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		var want, got []string
		var acks []Ack
		var outcomes []<-chan sent
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
			outcomes = append(outcomes, r.sendLater(want[i], syncroute.MaxWait))
		}
		for len(got) < len(want) {
			answer := r.ask(r.request(1, syncroute.MaxWait, acks...))
			if len(answer.messages) == 0 || len(answer.messages) > syncroute.MaxDeliveries {
				t.Fatalf("%d messages in one answer", len(answer.messages))
			}
			got, acks = append(got, answer.data()...), nil
			for _, message := range answer.messages {
				acks = append(acks, r.ack(message, "ack of "+message.Data))
			}
		}
		r.want("order", got, want)
		r.ask(r.request(1, 0, acks...))
		for i, outcome := range outcomes {
			r.want("outcome", <-outcome, sent{ack: "ack of " + want[i]})
		}
	})
}

// Every listener of an owner gets every message. The first acknowledgement counts, and the others do not get the
// message again.
func TestSeveralListeners(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		first, second := r.background(r.request(1, syncroute.MaxWait)), r.background(r.request(2, syncroute.MaxWait))
		outcome := r.sendLater("hello", syncroute.MaxWait)
		one, two := <-first, <-second
		r.want("both", one.messages, two.messages)
		r.ask(r.request(2, 0, r.ack(two.messages[0], "two")))
		r.ask(r.request(1, 0, r.ack(one.messages[0], "one")))
		r.want("deliverer", <-outcome, sent{ack: "two"})
		r.want("third", r.ask(r.request(3, redeliverAfter)), heard{took: redeliverAfter})
	})
}

// A listener cannot acknowledge a delivery of another owner. IDs cannot be guessed: they come from the source of
// randomness.
func TestAckOfAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		outcome := r.sendLater("hello", time.Second)
		got := r.ask(r.request(1, 0))
		stranger := r.request(2, 0, r.ack(got.messages[0], "fake"))
		stranger.Owner = "05bb"
		r.want("stranger", r.ask(stranger), heard{})
		r.ask(r.request(1, 0, Ack{ID{}, "guess"}))
		r.want("deliverer", <-outcome, sent{err: ErrNotAcked, took: time.Second})

		r.random = strings.NewReader("sixteen bytes id")
		r.sendLater("hello", time.Second)
		r.want("id", r.ask(r.request(1, 0)).messages[0].ID, hex.EncodeToString([]byte("sixteen bytes id")))
		r.want("no more randomness", r.send("hello", 0).err, io.EOF)
	})
}

// Pending deliveries are bounded for one owner and for the node. Settled ones free their room.
func TestDeliverBounds(t *testing.T) {
	large := strings.Repeat("x", 128<<10)
	keyed := func(r *testHub, owner string, name byte) {
		request := r.request(name, 0)
		request.Owner = owner
		r.ask(request)
	}
	inBubble(t, func(t *testing.T, r *testHub) {
		keyed(r, bob, 1)
		for range maxOwnerPending {
			r.sendLater("", time.Second)
		}
		r.want("one too many", r.send("", time.Second).err, ErrBusy)
		r.pass(time.Second)
		r.want("free again", r.send("", time.Second).err, ErrNotAcked)
		for range maxOwnerPendingBytes / len(large) {
			r.sendLater(large, time.Second)
		}
		r.want("one byte too many", r.send("x", time.Second).err, ErrBusy)
	})
	inBubble(t, func(t *testing.T, r *testHub) {
		for i := range maxPendingBytes / maxOwnerPendingBytes {
			to := fmt.Sprint(i)
			keyed(r, to, 1)
			for range maxOwnerPendingBytes / len(large) {
				go r.Deliver(t.Context(), to, large, time.Second)
			}
		}
		synctest.Wait()
		keyed(r, bob, 1)
		r.want("bytes", r.pendingBytes, maxPendingBytes)
		r.want("one byte too many at all", r.send("x", time.Second).err, ErrBusy)
	})
}

// One answer has about a megabyte at most, but at least one message.
func TestAnswerBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		r.ask(r.request(1, 0))
		third := strings.Repeat("x", syncroute.MaxDeliveredBytes/3)
		for range 4 {
			r.sendLater(third, time.Second)
		}
		r.sendLater(strings.Repeat("x", syncroute.MaxDeliveredBytes+1), time.Second)
		for _, want := range []int{3, 1, 1, 0} {
			r.want("messages", len(r.ask(r.request(1, 0)).messages), want)
		}
	})
}

// Under load no message is lost, none is acknowledged twice, and nothing is left. With -race this looks for races.
func TestListenersUnderLoad(t *testing.T) {
	inBubble(t, func(t *testing.T, r *testHub) {
		const owners, each = 8, 50
		stop := make(chan struct{})
		for i := range owners {
			for name := range byte(2) {
				go func() {
					var acks []Ack
					for stamp := int64(0); ; stamp++ {
						request := Request{
							Owner: fmt.Sprint(i), Listener: ID{name}, Timestamp: stamp, Acks: acks, Wait: time.Second,
						}
						select {
						case <-stop:
							request.Stop = true
						default:
						}
						messages, err := r.Listen(t.Context(), request)
						if err != nil {
							t.Error(err)
						}
						if request.Stop {
							return
						}
						acks = nil
						for _, message := range messages {
							acks = append(acks, r.ack(message, message.Data))
						}
					}
				}()
			}
		}
		synctest.Wait()
		results := make(chan error)
		for i := range owners {
			for j := range each {
				go func() {
					data := fmt.Sprint(i, "/", j)
					got, err := r.Deliver(t.Context(), fmt.Sprint(i), data, syncroute.MaxWait)
					if err == nil && got != data {
						err = errors.New("acknowledgement of another message: " + got)
					}
					results <- err
				}()
			}
		}
		for range owners * each {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		close(stop)
	})
}
