package account

import (
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
)

// Names of service nodes.
var (
	nodeA = strings.Repeat("a", 64)
	nodeB = strings.Repeat("b", 64)
)

func (p *person) listensAt(node string) {
	p.w.t.Helper()
	if err := p.ListenAt(p.w.t.Context(), node, 22021); err != nil {
		p.w.t.Fatal(err)
	}
}

func (p *person) stopsListening() {
	p.w.t.Helper()
	if err := p.StopListening(p.w.t.Context()); err != nil {
		p.w.t.Fatal(err)
	}
}

// status is what p knows of another.
func (p *person) status(other *person) (Status, bool) {
	p.w.t.Helper()
	status, told, err := p.StatusOf(p.w.t.Context(), other.ID())
	if err != nil {
		p.w.t.Fatal(err)
	}
	return status, told
}

// wantNode checks where p believes that other listens.
func (p *person) wantNode(other *person, want string) {
	p.w.t.Helper()
	status, told := p.status(other)
	if !told || status.Node != want || status.ToldMS > p.w.now.UnixMilli() {
		p.w.t.Errorf("%s believes that %s is at %q (%+v, %v), want %q", p.name, other.name, status.Node, status, told,
			want)
	}
}

// Every message carries whether and where its account listens, whichever process makes it, as long as the listening
// process runs.
func TestStatusTravels(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	alice.wantNode(bob, "")
	listener := bob.anew("listener")
	listener.listensAt(nodeA)
	alice.get(bob.says(alice, "hi"))
	alice.wantNode(bob, nodeA)
	listener.listensAt(nodeB)
	alice.get(bob.says(alice, "moved"))
	alice.wantNode(bob, nodeB)

	// Of two that listen, the one counts that came last; when it ends, the other one does.
	w.pass(time.Second)
	second := bob.anew("second listener")
	second.listensAt(nodeA)
	alice.get(bob.says(alice, "two"))
	alice.wantNode(bob, nodeA)
	second.stopsListening()
	alice.get(bob.says(alice, "one"))
	alice.wantNode(bob, nodeB)

	listener.ends(presence.Crashed)
	if listening, err := bob.Listening(t.Context()); err != nil || listening {
		t.Errorf("the dead listen: %v, %v", listening, err)
	}
	alice.get(bob.says(alice, "gone"))
	alice.wantNode(bob, "")
	contact, err := alice.Contact(t.Context(), bob.ID())
	if err != nil || contact.Status == nil || contact.Status.ToldMS != w.now.UnixMilli() {
		t.Errorf("the contact is %+v, %v", contact, err)
	}

	// Notes of the dead do not pile up.
	second.listensAt(nodeA)
	if _, left := bob.content()["listeners listener"]; left {
		t.Error("the note of a dead process is left")
	}
}

// Messages may overtake each other. The newest status counts, whatever the envelope's timestamp says.
func TestOldStatusIsOldNews(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	bob.listensAt(nodeA)
	old := bob.sends(bob.Send(t.Context(),
		Draft{To: alice.ID(), Text: "old", TimestampMS: w.now.Add(time.Hour).UnixMilli()}))
	w.pass(time.Second)
	bob.listensAt(nodeB)
	alice.get(bob.says(alice, "new"))
	alice.get(old)
	alice.wantNode(bob, nodeB)

	// A clock that is ahead does no lasting harm.
	ahead := bob.anew("ahead")
	ahead.env.Now = func() time.Time { return w.now.Add(time.Hour) }
	ahead.listensAt(nodeA)
	alice.get(ahead.says(alice, "from the future"))
	alice.wantNode(bob, nodeA)
	w.pass(time.Second)
	ahead.stopsListening()
	alice.get(bob.says(alice, "from now"))
	alice.wantNode(bob, nodeB)
}

// Who was not there is offline, until there is news.
func TestUnreachable(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	bob.listensAt(nodeA)
	alice.get(bob.says(alice, "hi"))
	tried, _ := alice.status(bob)
	w.pass(time.Second)
	alice.get(bob.says(alice, "still here"))
	for _, wrong := range []Status{tried, {}} {
		if err := alice.Unreachable(t.Context(), bob.ID(), wrong); err != nil {
			t.Fatal(err)
		}
		alice.wantNode(bob, nodeA)
	}
	tried, _ = alice.status(bob)
	if err := alice.Unreachable(t.Context(), bob.ID(), tried); err != nil {
		t.Fatal(err)
	}
	alice.wantNode(bob, "")
	if fresh := tried.Fresh(w.now); !fresh {
		t.Error("the status was fresh")
	}
	if tried.Fresh(w.now.Add(StatusFreshFor)) {
		t.Error("a status is believed for ever")
	}
	w.pass(time.Second)
	alice.get(bob.says(alice, "here"))
	alice.wantNode(bob, nodeA)
	if err := alice.Unreachable(t.Context(), w.person("carol").ID(), tried); err != nil {
		t.Errorf("somebody unknown: %v", err)
	}
}

// A message of another client carries no status and can be read. An address that is not a node's key is ignored.
func TestStatusOfOthers(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.person("alice"), w.person("bob")
	bob.env.Original = true
	bob.listensAt(nodeA)
	bob.get(alice.asks(bob, "hi"))
	alice.get(bob.accepts(alice))
	w.chat(alice, bob)
	w.talk(alice, bob)
	if status, told := alice.status(bob); told {
		t.Errorf("a client of 2020 told %+v", status)
	}
	out, err := bob.Send(t.Context(), Draft{To: alice.ID(), Text: "hi"})
	if err != nil || len(out.Ack) > 0 || out.Acknowledged(nil) || out.Acknowledged(make([]byte, 32)) {
		t.Errorf("a client of 2020 waits for an acknowledgement: %+v, %v", out, err)
	}
	if opened := alice.gets(out.Data)[0]; opened.Ack != nil {
		t.Errorf("a message without a key is acknowledged: %+v", opened)
	}
	for _, address := range []string{"", "node.snode", nodeA[1:], strings.ToUpper(nodeA), strings.Repeat("z", 64)} {
		content := message.Text("hi", "", nil)
		content.Extension = &message.Extension{Status: &message.Online{Reachable: true, Address: address},
			StatusTimestampMS: 1 << 63}
		alice.get(bob.puts(alice, content))
		alice.wantNode(bob, "")
	}
}

// What earlier versions have stored still opens: it says nothing of statuses and acknowledgements.
func TestStoredBeforeStatuses(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.friends()
	data := bob.says(alice, "hi")
	alice.get(data)
	out := alice.seals(Draft{To: bob.ID(), Text: "waits"})
	err := alice.update(t.Context(), func(tx *keystore.Tx) error {
		contact, _, err := contacts.Load(tx, bob.ID())
		if err != nil {
			return err
		}
		contact.Status, out.Ack = nil, nil
		seen := make(map[string]any)
		if _, err := tables.Get(tx, inbox.TableSeen, inbox.ID(data), &seen); err != nil {
			return err
		}
		delete(seen, "ack")
		if err := tables.Put(tx, inbox.TableSeen, inbox.ID(data), seen); err != nil {
			return err
		}
		if err := outbox.Save(tx, out); err != nil {
			return err
		}
		return contacts.Save(tx, contact)
	})
	if err != nil {
		t.Fatal(err)
	}
	alice.ends(presence.Crashed)
	alice = alice.anew("newer version")
	if status, told := alice.status(bob); told {
		t.Errorf("told %+v", status)
	}
	if again := alice.gets(data)[0]; !again.Duplicate || again.Ack != nil {
		t.Errorf("received again: %+v", again)
	}
	if claimed := alice.claimsOutbox(); len(claimed) != 1 || claimed[0].Data != out.Data ||
		claimed[0].Acknowledged(out.Ack) {
		t.Errorf("the outbox has %+v", claimed)
	}
	alice.get(bob.says(alice, "again"))
	alice.wantNode(bob, "")
}
