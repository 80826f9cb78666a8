//go:build unix

package distance

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/network"
	"sessiontool/lib/node/mailbox"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/syncroute"
)

// listen answers a listener as a node does. It checks no signature.
func (s *server) listen(ctx context.Context, params gjson.Result) (network.Carried, error) {
	request := mailbox.Request{
		Owner: owner(params), Timestamp: params.Get("timestamp").Int(), Stop: params.Get("stop").Bool(),
		Wait: time.Duration(params.Get("wait_ms").Int()) * time.Millisecond,
	}
	s.world.id(params.Get("listener").Str, &request.Listener)
	for _, ack := range params.Get("acks").Array() {
		one := mailbox.Ack{Text: ack.Get("ack").Str}
		s.world.id(ack.Get("id").Str, &one.Delivery)
		request.Acks = append(request.Acks, one)
	}
	messages, err := s.hub.Listen(ctx, request)
	if err != nil {
		return network.Carried{}, err
	}
	return s.world.answer(syncroute.ListenAnswer{Messages: append([]syncroute.Delivery{}, messages...)})
}

// deliver answers a deliverer as a node does.
func (s *server) deliver(ctx context.Context, params gjson.Result) (network.Carried, error) {
	wait := time.Duration(params.Get("wait_ms").Int()) * time.Millisecond
	ack, err := s.hub.Deliver(ctx, owner(params), params.Get("data").Str, wait)
	if err != nil {
		return network.Carried{Response: onion.Response{Status: http.StatusNotFound, Body: err.Error()}}, nil
	}
	return s.world.answer(syncroute.DeliverAnswer{Ack: ack})
}

func (w *world) id(text string, id *mailbox.ID) {
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		w.t.Error(err)
	}
}

func (w *world) answer(body any) (network.Carried, error) {
	text, err := json.Marshal(body)
	return network.Carried{Response: onion.Response{Status: http.StatusOK, Body: string(text)}}, err
}

// line is a line of a process, and when it came.
type line struct {
	text string
	at   time.Time
}

// lines hands on what a process prints, line by line.
type lines chan line

func (l lines) Write(text []byte) (int, error) {
	for one := range strings.Lines(string(text)) {
		l <- line{strings.TrimSuffix(one, "\n"), time.Now()}
	}
	return len(text), nil
}

// bobListens lets bob, a friend of alice, listen for a time, and alice learn that and what an onion request takes. It
// returns the texts that bob prints, and a channel that is closed when he has ended.
func (w *world) bobListens(during string) (printed lines, ended <-chan struct{}) {
	printed = make(lines, 512)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, err := w.runTo(printed, "bob", "", "listen", "--for", during, "--only", "message", "--select", "text")
		if err != nil {
			w.t.Error(err)
		}
	}()
	<-time.After(5 * time.Second) // of the bubble: the listener has registered and said so
	for range 5 {
		w.run("alice", "", "poll")
	}
	return printed, over
}

// A text to a friend that listens is on the reader's screen when the deliver request has come to the listening node and
// the listen request has been answered: the way of one onion request, since answers cost nothing here. The sender knows
// it one onion request later, which carries the acknowledgement.
func TestSyncRoute(t *testing.T) {
	both(t, 12, 2, func(t *testing.T, w *world) {
		w.befriend("alice", "bob")
		printed, ended := w.bobListens("60s")
		before := w.counts()
		const texts = 10
		for i := range texts {
			text, started := fmt.Sprint("text ", i), time.Now()
			got, took := w.run("alice", "", "send", "--to", w.person("bob"), "--text", text, "--select", "route")
			if strings.TrimSpace(got) != "sync" {
				t.Errorf("the route is %s", got)
			}
			wantTrips(t, "a send", took, 2)
			one := <-printed
			if one.text != text {
				t.Errorf("the listener prints %q", one.text)
			}
			if way := trips(one.at.Sub(started)); way < 0.99 || way > 1.1 {
				t.Errorf("the text arrives after %.2f onion requests", way)
			}
		}
		// an acknowledgement that takes its time is no reason to look for a fault on the way
		after := w.counts()
		if delivered := after[syncroute.MethodDeliver] - before[syncroute.MethodDeliver]; delivered != texts {
			t.Errorf("%d texts took %d deliveries", texts, delivered)
		}
		if probes := after[storage.MethodSwarm] - before[storage.MethodSwarm]; probes > 0 {
			t.Errorf("nodes were probed %d times", probes)
		}
		<-ended
	})
}

// A batch to a friend that listens takes little longer than one to a friend that does not: all but its last texts are
// stored, which the listener fetches before it prints one that is delivered.
func TestBatchToListener(t *testing.T) {
	both(t, 12, 2, func(t *testing.T, w *world) {
		w.befriend("alice", "bob")
		const few, many = 20, 300
		printed, ended := w.bobListens("120s")
		started := time.Now()
		next := 0
		send := func(n int) (routes string, took time.Duration) {
			var drafts strings.Builder
			for i := range n {
				fmt.Fprintf(&drafts, `{"to":%q,"text":"text %d"}`+"\n", w.person("bob"), next+i)
			}
			routes, took = w.run("alice", drafts.String(), "send", "--select", "route")
			for range n {
				if one, want := <-printed, fmt.Sprint("text ", next); one.text != want {
					t.Errorf("the listener prints %q in place of %q", one.text, want)
				}
				next++
			}
			return routes, took
		}
		routes, took := send(few)
		if delivered := strings.Count(routes, "\nsync"); !strings.HasSuffix(routes, "sync\n") || delivered > 5 {
			t.Errorf("the routes are %q", routes)
		}
		if took := trips(took); took > 15 {
			t.Errorf("a batch of %d takes %.1f onion round trips", few, took)
		}
		if _, took := send(many); trips(took) > 15 {
			t.Errorf("a batch of %d takes %.1f onion round trips", many, trips(took))
		}
		t.Logf("all is printed after %v", time.Since(started))
		<-ended
	})
}

// counts returns the requests so far.
func (w *world) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.begun)
}
