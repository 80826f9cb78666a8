//go:build unix

package simulation

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/ciphertext"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sealedsender"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// text is a text that a person has tried to send, under its own name: no two texts are equal.
type text struct {
	text     string
	from, to int
	request  bool
	again    bool // a friend request to a friend
	piped    bool // it was sealed by one program and stored by another
	ratchet  bool // it was sealed with protocol signal
	ttl      time.Duration

	begun    int // counts beginnings and ends of sealing: when the first program began to seal it; 0 means never
	sealed   int // when it was in the outbox; 0 if that is not known
	tries    int
	receipts int          // with ok
	named    map[int]bool // honest nodes that receipts name, or -1 for the recipient itself
	dated    time.Time    // at the earliest: when the last program began to seal it
	stored   time.Time    // the date of a text that is stored
	data     string       // of the last receipt of the asynchronous route
	errors   []string
	prints   []print
}

// printed is a line of a program.
type printed struct {
	kind  string
	id    string
	from  sessionid.ID
	text  string
	again bool // it is marked as a duplicate
}

// print is a text in the output of a program.
type print struct {
	program *program
	id      string
	at      time.Duration
	place   int // in the output of the program
}

// violation is an invariant that did not hold.
type violation struct {
	Invariant string
	Detail    string
}

// model is what must hold, from what programs were asked to do and what they have printed. See docs/simulation.md.
type model struct {
	world *world

	mu         sync.Mutex
	texts      map[string]*text
	order      []*text
	keys       map[messageKey][sha256.Size]byte
	sealings   int             // that have begun or ended
	seen       map[string]bool // data that was looked into
	checks     map[string]int
	violations []violation
	failures   map[int]int // that each person has printed
}

// messageKey names the key of one ratchet message.
type messageKey struct {
	ratchet x25519.PublicKey
	counter uint32
}

func newModel(w *world) *model {
	return &model{
		world: w, texts: make(map[string]*text), keys: make(map[messageKey][sha256.Size]byte),
		seen: make(map[string]bool), checks: make(map[string]int), failures: make(map[int]int),
	}
}

// fail records a violation.
func (m *model) fail(invariant, format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failLocked(invariant, format, args...)
}

func (m *model) failLocked(invariant, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	m.violations = append(m.violations, violation{invariant, detail})
	m.world.logf("VIOLATED %s: %s", invariant, detail)
}

// check counts a check of an invariant, and records a violation unless it holds.
func (m *model) check(holds bool, invariant, format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkLocked(holds, invariant, format, args...)
}

func (m *model) checkLocked(holds bool, invariant, format string, args ...any) {
	m.checks[invariant]++
	if !holds {
		m.failLocked(invariant, format, args...)
	}
}

// newText makes a text.
func (m *model) newText(from, to int, name string, request bool) *text {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.texts[name]; known != nil {
		return known
	}
	t := &text{
		text: name, from: from, to: to, request: request, named: make(map[int]bool),
		ttl: time.Duration(m.world.schedule.Storage.MaxTTLMillis()) * time.Millisecond,
	}
	m.texts[name] = t
	m.world.count("texts", 1)
	m.order = append(m.order, t)
	return t
}

// begins records that a program is about to seal a text.
func (m *model) begins(t *text) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.tries++; t.begun == 0 {
		m.sealings++
		t.begun = m.sealings
	}
	t.dated = m.world.now()
}

// sealed records that a text is in the outbox, sealed with a protocol.
func (m *model) sealed(t *text, protocol account.Protocol) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.ratchet = protocol == account.ProtocolSignal
	if t.sealed == 0 && t.tries == 1 {
		m.sealings++
		t.sealed = m.sealings
	}
}

// failed records the error record of a text.
func (m *model) failed(p *program, t *text, err error) {
	if p.isDead() {
		return
	}
	m.world.logf("%s: %s fails: %s", p.name, t.text, describe(err, false))
	m.world.count("failed sends", 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	t.errors = append(t.errors, describe(err, false))
	m.checkLocked(!unexpected(err), "documented codes", "%s: %v", p.name, err)
}

// receipt records a receipt, and checks that each node it names has the message.
func (m *model) receipt(p *program, t *text, data string, receipt outbox.Receipt) {
	w := m.world
	var named []string
	honest := make(map[int]bool)
	if receipt.Route != message.RouteAsync {
		honest[-1] = true
	}
	members := w.swarmOf(receipt.To.String())
	for _, result := range receipt.Nodes {
		if !result.OK {
			continue
		}
		named = append(named, result.PubkeyEd25519[:6])
		for _, node := range w.nodes {
			if node.name == result.PubkeyEd25519 && node.hostile == nil {
				honest[node.index] = true
			}
		}
		if receipt.Route != message.RouteAsync || receipt.Resumed {
			continue // it says what held in a run before
		}
		if w.now().Sub(t.dated) > t.ttl {
			continue // it has expired meanwhile
		}
		if !w.changed.Load() {
			m.check(slices.ContainsFunc(members, func(member *machine) bool { return member.name == result.PubkeyEd25519 }),
				"receipts name members", "%s of %s names %.6s", t.text, p.name, result.PubkeyEd25519)
		}
		for _, node := range w.nodes {
			if node.name != result.PubkeyEd25519 || node.hostile != nil || node.wrong.Load() {
				continue
			}
			if has, runs := node.holds(receipt.To, data); runs {
				m.check(has, "true receipts", "%s of %s names node %d, which does not have it", t.text, p.name, node.index)
			}
		}
	}
	w.logf("%s: receipt of %s: ok %v, %s %s %v", p.name, t.text, receipt.OK, receipt.Route, receipt.Reason, named)
	w.count("receipts", 1)
	if receipt.Route == message.RouteSync {
		w.count("sync receipts", 1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if receipt.OK && len(honest) == 0 {
		w.count("receipts of liars alone", 1)
	}
	if receipt.OK && len(honest) > 0 {
		t.receipts++
		t.stored = t.dated
		maps.Copy(t.named, honest)
	}
	if receipt.Route == message.RouteAsync {
		t.data = data
	}
}

// prints records a line of a program.
func (m *model) prints(p *program, line printed) {
	w := m.world
	w.logf("%s prints %s %q from %.6s id %.8s", p.name, line.kind, line.text, line.from.String()[2:], line.id)
	w.count("lines", 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	p.output = append(p.output, line)
	if line.kind != string(inbox.EventMessage) && line.kind != string(inbox.EventFriendRequest) || line.text == "" {
		failed := line.kind == string(inbox.EventFailure)
		if failed || line.kind == string(inbox.EventStrangers) { // to a copy of before a friendship, a friend is a stranger
			m.failures[p.person.index]++
		}
		m.checkLocked(!failed || w.lies() || w.copied(), "all can be opened", "%s prints the failure %q", p.name, line.text)
		return
	}
	t := m.texts[line.text]
	if t == nil {
		m.checkLocked(false, "nothing that was not sent", "%s prints %q", p.name, line.text)
		return
	}
	m.checkLocked(w.people[t.from].keys.ID() == line.from && t.to == p.person.index, "nothing that was not sent",
		"%s prints %s as from %s", p.name, t.text, line.from)
	for _, before := range t.prints {
		m.checkLocked(before.id == line.id, "one id", "%s has ids %s and %s", t.text, before.id, line.id)
		m.checkLocked(before.program.isDead() || before.program.failed.Load() || line.again || p.person.rolled, "once", "%s is printed by %s and, although that ended, by %s",
			t.text, before.program.name, p.name)
	}
	t.prints = append(t.prints, print{p, line.id, w.elapsed(), len(p.output)})
	w.count("texts printed", 1)
}

// ends records the end of a program that was not killed.
func (m *model) ends(p *program, err error) {
	m.check(err == nil || !unexpected(err), "documented codes", "%s: %v", p.name, err)
}

// leaves looks into the bytes that leave a machine: a message key must not encrypt two texts.
func (m *model) leaves(p *program, body []byte) {
	owner, data, ok := stored(body)
	if !ok {
		return
	}
	m.mu.Lock()
	known := m.seen[data]
	m.seen[data] = true
	m.mu.Unlock()
	if known {
		return
	}
	for _, person := range m.world.people {
		if person.keys.ID().String() == owner {
			if key, cipher, ok := lookInto(person.keys, data); ok {
				m.useKey(p, key, cipher)
			}
		}
	}
}

// lookInto opens the outer layers of a message as its recipient does.
func lookInto(keys sessionid.Keys, data string) (key messageKey, cipher [sha256.Size]byte, ok bool) {
	outer, err := envelope.Unpack(data)
	if err != nil || outer.Kind != ciphertext.Sealed {
		return key, cipher, false
	}
	inner, err := sealedsender.Open(keys.X25519, outer.Content)
	if err != nil {
		return key, cipher, false
	}
	content := inner.Content
	switch inner.Kind {
	case ciphertext.PreKeyWhisper:
		first, err := ratchet.ParsePreKeyWhisperMessage(content)
		if err != nil {
			return key, cipher, false
		}
		content = first.Message
	case ciphertext.Whisper:
	default:
		return key, cipher, false
	}
	inside, err := ratchet.ParseWhisperMessage(content)
	if err != nil {
		return key, cipher, false
	}
	return messageKey{inside.RatchetKey, inside.Counter}, sha256.Sum256(inside.Ciphertext), true
}

func (m *model) useKey(p *program, key messageKey, cipher [sha256.Size]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, used := m.keys[key]
	m.keys[key] = cipher
	if p.person.rolled {
		return // copies of a keystore use the same keys: security.md warns of it
	}
	m.checkLocked(!used || before == cipher, "no key for two texts", "%s encrypts with a used key, counter %d", p.name,
		key.counter)
}

// checkEnd checks what must hold when everything is quiet.
func (m *model) checkEnd() {
	w := m.world
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.order {
		if t.receipts == 0 {
			continue
		}
		if len(t.prints) == 0 && (w.people[t.from].rolled || w.people[t.to].rolled) {
			m.checkLocked(m.failures[t.to] > 0, "losses by copies are reported",
				"%s has an ok receipt, was never printed, and its recipient prints no failure", t.text)
			continue
		}
		arrived := len(t.prints) > 0 || m.mayBeLost(t)
		if m.checkLocked(arrived, "acknowledged texts arrive", "%s has an ok receipt and was never printed", t.text); !arrived {
			m.world.logf("nodes %v have %s", m.holders(t), t.text)
		}
	}
	m.checkOrder()
}

// holders lists the nodes that have a text.
func (m *model) holders(t *text) (holders []int) {
	for _, node := range m.world.nodes {
		if has, _ := node.holds(m.world.people[t.to].keys.ID(), t.data); has {
			holders = append(holders, node.index)
		}
	}
	return holders
}

// mayBeLost reports whether a text may have expired before its recipient polled, or whether all nodes that had it for
// sure have left the network or had a clock by which it has expired.
func (m *model) mayBeLost(t *text) bool {
	if m.world.now().Sub(t.stored) > t.ttl {
		return true
	}
	for i := range t.named {
		if i < 0 || m.world.nodes[i].listed && !m.world.nodes[i].wrong.Load() {
			return false
		}
	}
	return true
}

// checkOrder checks that each program has printed the texts of each sender in the order in which they were sealed, as
// far as that is known.
func (m *model) checkOrder() {
	type pair struct {
		program  string
		from, to int
	}
	all := make(map[pair][]*text)
	for _, t := range m.order {
		if len(t.prints) == 0 || t.begun == 0 || t.sealed == 0 || t.request || t.tries > 1 || t.piped ||
			m.world.people[t.from].rolled || m.world.people[t.to].rolled {
			continue
		}
		first := t.prints[0]
		all[pair{first.program.name, t.from, t.to}] = append(all[pair{first.program.name, t.from, t.to}], t)
	}
	for where, texts := range all {
		for i, a := range texts {
			for _, b := range texts[i+1:] {
				if a.ratchet != b.ratchet {
					continue // they are merged by time, and a signal text that waited has the time of its envelope
				}
				early, late := a, b
				if b.sealed < a.begun {
					early, late = b, a
				} else if a.sealed >= b.begun {
					continue
				}
				m.checkLocked(early.prints[0].place < late.prints[0].place || strings.Contains(where.program, "listen") || strings.Contains(where.program, "-open"),
					"order", "%s prints %s before %s", where.program, late.text, early.text)
			}
		}
	}
}
