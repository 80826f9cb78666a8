package account

import (
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/lifetime"
	"sessiontool/lib/account/listeners"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/account/strangers"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/account/usedkeys"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
)

// world is the shared state of a test's accounts: the time, and the states of their processes.
type world struct {
	t         *testing.T
	now       time.Time
	random    io.Reader
	processes map[string]presence.State
	folders   map[*keystore.Store]string
	stages    func(stage string) // called as keystore.Options.CommitHook, if set
}

// newWorld makes t run beside other tests: most of its time goes by waiting for disks.
func newWorld(t *testing.T) *world {
	t.Parallel()
	return &world{
		t: t, now: time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC),
		random:    rand.NewChaCha8([32]byte([]byte("the randomness of a test's world"))),
		processes: make(map[string]presence.State), folders: make(map[*keystore.Store]string),
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// person is an account, opened by one process.
type person struct {
	*Account
	w    *world
	seed sessionid.Seed
}

// person creates an account. Its name is also its display name.
func (w *world) person(name string) *person {
	w.t.Helper()
	seed, err := sessionid.GenerateSeed(w.random)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.personWith(name, seed)
}

// personWith makes a keystore of its own for the owner of seed.
func (w *world) personWith(name string, seed sessionid.Seed) *person {
	w.t.Helper()
	a, err := Create(w.t.Context(), w.keystore(), w.environment(name), name, name, seed)
	if err != nil {
		w.t.Fatal(err)
	}
	return &person{a, w, seed}
}

func (w *world) keystore() *keystore.Store {
	w.t.Helper()
	options := keystore.Options{CommitHook: func(stage string) {
		if w.stages != nil {
			w.stages(stage)
		}
	}}
	dir := filepath.Join(w.t.TempDir(), "keystore")
	store, err := keystore.Create(w.t.Context(), dir, keystore.Unlock{}, options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.folders[store] = dir
	return store
}

// environment is that of a process that runs from now on.
func (w *world) environment(owner string) Environment {
	w.processes[owner] = presence.Alive
	return Environment{
		Now: func() time.Time { return w.now }, Random: w.random, Owner: owner,
		StateOf: func(owner string) presence.State { return w.processes[owner] },
	}
}

// anew is the same account as a second process, called owner, opens it.
func (p *person) anew(owner string) *person {
	p.w.t.Helper()
	env := p.w.environment(owner)
	env.Plain, env.Original = p.env.Plain, p.env.Original
	a, err := Open(p.w.t.Context(), p.store, env, p.name)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return &person{a, p.w, p.seed}
}

// ends says how p's process came to its end.
func (p *person) ends(how presence.State) { p.w.processes[p.env.Owner] = how }

// losesAll is the same person with the same words on a new machine.
func (p *person) losesAll() *person {
	p.w.t.Helper()
	return p.w.personWith(p.name, p.seed)
}

// says sends a text and returns it as the network will hand it over.
func (p *person) says(to *person, text string) string {
	p.w.t.Helper()
	return p.sends(p.Send(p.w.t.Context(), Draft{To: to.ID(), Text: text}))
}

// asks sends a friend request.
func (p *person) asks(to *person, text string) string {
	p.w.t.Helper()
	return p.sends(p.RequestFriend(p.w.t.Context(), Draft{To: to.ID(), Text: text}, true))
}

// accepts answers the waiting request of from.
func (p *person) accepts(from *person) string {
	p.w.t.Helper()
	return p.sends(p.Accept(p.w.t.Context(), from.ID().String()))
}

// sends takes a message out of the outbox.
func (p *person) sends(out Outgoing, err error) string {
	p.w.t.Helper()
	if err == nil {
		err = p.Discard(p.w.t.Context(), out)
	}
	if err != nil {
		p.w.t.Fatal(err)
	}
	return out.Data
}

// answers sends what waits in the outbox: the messages that p makes by itself.
func (p *person) answers() (sent []string) {
	p.w.t.Helper()
	if err := p.AnswerOwed(p.w.t.Context()); err != nil {
		p.w.t.Fatal(err)
	}
	if empty, err := p.OutboxEmpty(p.w.t.Context()); err == nil && empty {
		return nil // as most of the time, and this costs no commit
	}
	claimed, err := p.ClaimOutbox(p.w.t.Context())
	if err != nil {
		p.w.t.Fatal(err)
	}
	for _, out := range claimed {
		sent = append(sent, p.sends(out, nil))
	}
	return sent
}

// gets receives messages in one batch and returns what became of them.
func (p *person) gets(batch ...string) []Opened {
	p.w.t.Helper()
	incoming := make([]Incoming, len(batch))
	for i, data := range batch {
		incoming[i] = Incoming{Data: data, Hash: inbox.ID(data)[:8], Route: "async"}
	}
	opened, err := p.Receive(p.w.t.Context(), incoming, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return opened
}

// get receives one message and returns its event.
func (p *person) get(data string) inbox.Event {
	p.w.t.Helper()
	return p.gets(data)[0].Event
}

// chat lets two people exchange what they have to say by themselves until nothing is left.
func (w *world) chat(a, b *person) {
	w.t.Helper()
	for {
		fromA, fromB := a.answers(), b.answers()
		if len(fromA)+len(fromB) == 0 {
			return
		}
		b.gets(fromA...)
		a.gets(fromB...)
	}
}

// friends makes two people who have asked, accepted, and confirmed.
func (w *world) friends() (alice, bob *person) {
	w.t.Helper()
	alice, bob = w.person("alice"), w.person("bob")
	bob.get(alice.asks(bob, "hi bob"))
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.talk(alice, bob)
	return alice, bob
}

// talk checks that texts pass in both directions.
func (w *world) talk(a, b *person) {
	w.t.Helper()
	wantText(w.t, b.get(a.says(b, "ping")), "ping")
	wantText(w.t, a.get(b.says(a, "pong")), "pong")
}

func wantText(t *testing.T, event inbox.Event, text string) {
	t.Helper()
	if event.Kind != inbox.EventMessage || event.Text != text {
		t.Errorf("got %s %q (%s), want the message %q", event.Kind, event.Text, event.Code, text)
	}
}

// wantState checks how far p has come with other.
func (p *person) wantState(other *person, want State) {
	p.w.t.Helper()
	contact, err := p.Contact(p.w.t.Context(), other.ID())
	if err != nil || contact.State != want {
		p.w.t.Errorf("%s's state with %s is %s (%v), want %s", p.name, other.name, contact.State, err, want)
	}
}

// oneTimePrekeys lists the unused one-time prekeys.
func (p *person) oneTimePrekeys() []Prekey {
	p.w.t.Helper()
	prekeys, err := p.Prekeys(p.w.t.Context())
	if err != nil {
		p.w.t.Fatal(err)
	}
	return slices.DeleteFunc(prekeys, func(key Prekey) bool { return !key.OneTime })
}

// wantFailure checks that a message was refused.
func wantFailure(t *testing.T, event inbox.Event, code inbox.FailureCode) {
	t.Helper()
	if event.Kind != inbox.EventFailure || event.Code != code {
		t.Errorf("got %s %q (%s), want the failure %s", event.Kind, event.Text, event.Code, code)
	}
}

// wantOnlySeen checks that nothing has changed but what the reader of the inbox knows.
func wantOnlySeen(t *testing.T, before, after map[string]string) {
	t.Helper()
	for _, content := range []map[string]string{before, after} {
		maps.DeleteFunc(content, func(name, _ string) bool {
			table, _, _ := strings.Cut(name, " ")
			return slices.Contains([]keystore.Table{
				inbox.TableSeen, tableTimes, inbox.TableEvents, inbox.TableUndelivered, strangers.Table,
				strangers.TableRefusals, lifetime.Table,
			}, keystore.Table(table))
		})
	}
	for name, value := range after {
		if before[name] != value {
			t.Errorf("%s has changed from %q to %q", name, before[name], value)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
}

// content is everything that is stored of an account, for comparisons: the values of all tables by name.
func (p *person) content() map[string]string {
	p.w.t.Helper()
	all := make(map[string]string)
	err := p.view(p.w.t.Context(), func(tx *keystore.Tx) error {
		for _, table := range []keystore.Table{
			tableIdentity, prekeystore.TableSigned, prekeystore.TableOneTime, prekeystore.TableContacts,
			tables.Counters, tableTimes, lifetime.Table, usedkeys.Table,
			listeners.Table, contacts.Table, sessions.TableChannels, tableRequests, tableBoxes,
			sessions.Table, inbox.TableUndelivered, outbox.TableDigests, outbox.TableKeys, inbox.TableSeen,
			inbox.TableCursors, contacts.TableOwed, strangers.Table,
		} {
			err := tx.ForEach(table, func(name string, value []byte) error {
				all[string(table)+" "+name] = string(value)
				return nil
			})
			if err != nil {
				return err
			}
		}
		for _, table := range []keystore.Table{
			inbox.TableEvents, outbox.Table, outbox.TableKeyQueue, strangers.TableRefusals,
		} {
			err := tx.Range(table, 0, func(seq uint64, value []byte) error {
				all[string(table)+" "+strconv.FormatUint(seq, 10)] = string(value)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		p.w.t.Fatal(err)
	}
	return all
}
