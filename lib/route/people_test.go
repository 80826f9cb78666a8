package route

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/network"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// person is an account and its router.
type person struct {
	*account.Account
	*Router
	t       testing.TB
	network *network.Client
	store   *keystore.Store
	dir     string // of the keystore
}

// newPerson creates an account on a network with a seed of this URL.
func newPerson(t testing.TB, name, seed string) *person {
	t.Helper()
	return newPersonWith(t, name, configOf(t, seed), Options{})
}

func newPersonWith(t testing.TB, name string, config network.Config, options Options) *person {
	t.Helper()
	return newPersonIn(t, name, config, options, environment(name))
}

func newPersonIn(t testing.TB, name string, config network.Config, options Options, env account.Environment) *person {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keystore")
	store, err := keystore.Create(t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := sessionid.GenerateSeed(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := account.Create(t.Context(), store, env, name, name, secret)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, Account: a, network: newClient(t, config), store: store, dir: dir}
	options.probeLeast = probeTimeout // a busy machine must not decide which route a text takes
	p.Router = New(a, p.network, options)
	return p
}

// stamp is the time that the person's network has.
func (p *person) stamp() time.Time {
	if p == nil {
		return time.Now()
	}
	return p.network.Now()
}

// environment is the environment of a process that runs, unless its name is that of a crashed one.
func environment(owner string) account.Environment {
	return account.Environment{Now: time.Now, Random: rand.Reader, Owner: owner,
		StateOf: func(owner string) presence.State {
			if owner == crashed {
				return presence.Crashed
			}
			return presence.Alive
		}}
}

const crashed = "crashed"

// anew is the same account as another process opens it.
func (p *person) anew(owner string) *person {
	p.t.Helper()
	a, err := account.Open(p.t.Context(), p.store, environment(owner), p.Name())
	if err != nil {
		p.t.Fatal(err)
	}
	return &person{t: p.t, Account: a, Router: New(a, p.network, p.options), network: p.network, store: p.store,
		dir: p.dir}
}

// reconnects goes on with what a new process knows of the network: what the old one remembered.
func (p *person) reconnects(config network.Config) {
	p.t.Helper()
	if err := p.network.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.network = newClient(p.t, config)
	p.Router = New(p.Account, p.network, p.options)
}

// drafted puts a friend request, which needs no friendship, into the outbox.
func (p *person) drafted(to sessionid.ID, text string) account.Outgoing {
	p.t.Helper()
	out, err := p.RequestFriend(p.t.Context(), account.Draft{To: to, Text: text, TTLMillis: account.MinTTL}, true)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// asks sends a friend request and finishes it.
func (p *person) asks(to *person, text string) {
	p.t.Helper()
	p.sent(p.RequestFriend(p.t.Context(), account.Draft{To: to.ID(), Text: text}, true))
}

// says sends a text and finishes it.
func (p *person) says(to *person, text string) {
	p.t.Helper()
	p.sent(p.Account.Send(p.t.Context(), account.Draft{To: to.ID(), Text: text}))
}

// sent sends what stands in the outbox and takes its receipt.
func (p *person) sent(out account.Outgoing, err error) {
	p.t.Helper()
	if err == nil {
		_, err = p.Router.Send(p.t.Context(), out)
	}
	if err == nil {
		err = p.Finish(p.t.Context(), out.Seq)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// befriends makes friends without any network.
func (p *person) befriends(other *person) {
	p.t.Helper()
	p.hands(other)(p.RequestFriend(p.t.Context(), account.Draft{To: other.ID()}, false))
	other.hands(p)(other.Accept(p.t.Context(), p.ID().String()))
	for _, out := range p.waiting() {
		p.hands(other)(out, nil) // confirms
	}
}

// hands gives to other what p has just put into its outbox, and takes it out.
func (p *person) hands(other *person) func(account.Outgoing, error) {
	return func(out account.Outgoing, err error) {
		p.t.Helper()
		var opened []account.Opened
		if err == nil {
			opened, err = other.Receive(p.t.Context(), []account.Incoming{{Data: out.Data}}, nil)
		}
		if err == nil {
			err = errors.Join(other.MarkDelivered(p.t.Context(), opened[0].Event), p.Discard(p.t.Context(), out))
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// seals makes a text for a friend, which is not sent.
func (p *person) seals(to *person, text string) (data string) {
	p.t.Helper()
	out, err := p.Account.Send(p.t.Context(), account.Draft{To: to.ID(), Text: text})
	if err == nil {
		err = p.Discard(p.t.Context(), out)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return out.Data
}

// polls returns the texts of the events that a poll delivers, in their order.
func (p *person) polls() []string {
	p.t.Helper()
	texts, err := p.tryPoll()
	if err != nil {
		p.t.Fatal(err)
	}
	return texts
}

func (p *person) tryPoll() (texts []string, err error) {
	err = p.Poll(p.t.Context(), PollOptions{}, func(event inbox.Event) error {
		if event.Kind == inbox.EventFailure {
			p.t.Errorf("a message cannot be opened: %s %s", event.Code, event.Text)
		}
		texts = append(texts, event.Text)
		return nil
	})
	return texts, err
}

// gets polls until it has all of these texts, each once, in whatever order.
func (p *person) gets(want ...string) {
	p.t.Helper()
	var got []string
	eventually(p.t, fmt.Sprintf("%s to get %q", p.Name(), want), func() bool {
		got = append(got, p.polls()...)
		return len(got) >= len(want)
	})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.t.Errorf("%s got %q, want %q", p.Name(), got, want)
	}
}

// getsNothing checks that a poll has nothing new.
func (p *person) getsNothing() {
	p.t.Helper()
	if got := p.polls(); len(got) > 0 {
		p.t.Errorf("%s got %q, want nothing", p.Name(), got)
	}
}

// waiting claims and returns the unclaimed outbox entries.
func (p *person) waiting() []account.Outgoing {
	p.t.Helper()
	claimed, err := p.ClaimOutbox(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return claimed
}

// someone draws a Session ID.
func someone(t testing.TB) sessionid.ID {
	t.Helper()
	seed, err := sessionid.GenerateSeed(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sessionid.KeysFromSeed(seed).ID()
}
