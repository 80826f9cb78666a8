package route

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/message"
	"sessiontool/lib/network"
)

// listenProcess is a Listen at work, as a process of its own.
type listenProcess struct {
	*person
	stop context.CancelFunc
	done chan error

	mu     sync.Mutex
	events []inbox.Event
	pulse  Pulse
}

// pulseTime is how often an ear's pulse is felt.
const pulseTime = 5 * time.Millisecond

// listens starts to listen. The test's end stops it.
func (p *person) listens(owner string, options ListenOptions) *listenProcess {
	p.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	e := &listenProcess{person: p.anew(owner), stop: stop, done: make(chan error, 1)}
	options.Heartbeat, options.Beat = pulseTime, func(pulse Pulse) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.pulse = pulse
		return nil
	}
	go func() { e.done <- e.Listen(ctx, options, e.take) }()
	p.t.Cleanup(func() {
		stop()
		if err := <-e.done; err != nil && !errors.Is(err, context.Canceled) {
			p.t.Errorf("%s: %v", owner, err)
		}
	})
	return e
}

func (e *listenProcess) take(event inbox.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, event)
	return nil
}

// ends stops listening and returns what Listen does.
func (e *listenProcess) ends() error {
	e.stop()
	err := <-e.done
	e.done <- nil // for the clean-up
	return err
}

// node waits until the ear listens somewhere, and returns the node's name.
func (e *listenProcess) node() (name string) {
	e.t.Helper()
	eventually(e.t, e.Name()+" to listen", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		name = e.pulse.Node
		return name != ""
	})
	return name
}

// heard returns the texts that came, and how many of them over the synchronous route.
func (e *listenProcess) texts() (texts []string, sync int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.events {
		texts = append(texts, event.Text)
		if event.Route == message.RouteSync {
			sync++
		}
	}
	return texts, sync
}

// hears waits for exactly these texts, in whatever order.
func (e *listenProcess) wantTexts(want ...string) {
	e.t.Helper()
	var got []string
	eventually(e.t, e.Name()+" to hear", func() bool {
		got, _ = e.texts()
		return len(got) >= len(want)
	})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.t.Errorf("%s heard %q, not %q", e.Name(), got, want)
	}
}

// knows waits until p knows that other listens at a node.
func (p *person) knows(other *person, node string) {
	p.t.Helper()
	eventually(p.t, p.Name()+" to know where "+other.Name()+" listens", func() bool {
		status, _, err := p.StatusOf(p.t.Context(), other.ID())
		return err == nil && status.Node == node
	})
}

// texts sends a text and returns its receipt.
func (p *person) texts(to *person, text string) account.Receipt {
	p.t.Helper()
	out, err := p.Account.Send(p.t.Context(), account.Draft{To: to.ID(), Text: text})
	var receipt account.Receipt
	if err == nil {
		receipt, err = p.Router.Send(p.t.Context(), out)
	}
	if err == nil {
		err = p.Finish(p.t.Context(), out.Seq)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return receipt
}

// wantRoute checks the route of a receipt, and the reason.
func wantRoute(t testing.TB, receipt account.Receipt, route message.Route, reason account.Reason) {
	t.Helper()
	if !receipt.OK || receipt.Route != route || receipt.Reason != reason {
		t.Errorf("route %q, reason %q, want %q, %q: %+v", receipt.Route, receipt.Reason, route, reason, receipt)
	}
}

// members are those of p's own swarm.
func (p *person) members() []network.Node {
	p.t.Helper()
	swarm, err := p.network.Swarm(p.t.Context(), p.ID())
	if err != nil {
		p.t.Fatal(err)
	}
	return swarm
}

// hold keeps a keystore locked until release is called.
func hold(t testing.TB, store *keystore.Store, account string) (release func()) {
	t.Helper()
	locked, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- store.Update(t.Context(), account, func(*keystore.Tx) error {
			close(locked)
			<-free
			return nil
		})
	}()
	select {
	case <-locked:
	case err := <-ended:
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		close(free)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release) // if the test does not come to it
	return release
}

// hang makes all nodes call reached for every request, and hold it up until it is given up or all are released.
func hang(net *fakenet.Network, reached func(), release <-chan struct{}) {
	for _, node := range net.Nodes {
		node.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			reached()
			select {
			case <-r.Context().Done():
			case <-release:
			}
			panic(http.ErrAbortHandler)
		})
	}
}
