//go:build unix

package simulation

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/node"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
)

// began is the time of a world's clock at its start; that of synctest begins in the year 2000.
var began = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// nodeBase is added to the number of a node where machines and nodes are numbered together.
const nodeBase = 100

// world is a simulated network with its people. Everything in it runs on the clock of one synctest bubble.
type world struct {
	schedule   schedule
	profile    profile
	dir        string
	started    time.Time // of the bubble's clock
	skipped    atomic.Int64
	wire       *wire
	model      *model
	nodes      []*machine
	people     []*person
	list       nodeList
	programs   sync.WaitGroup // that run
	later      sync.WaitGroup // ends of faults
	over       chan struct{}  // closed at quiescence: faults end at once
	proof      int            // the difficulty that nodes are to ask for; 0 means that of the start
	provedAt   time.Time      // when they were last given another one
	changed    atomic.Bool    // a node has changed its swarm, joined or left
	befriended atomic.Bool    // the friends of the schedule are made

	mu    sync.Mutex
	trace []string
	stats map[string]int
	named int // programs so far
}

// person is an account on a machine of its own.
type person struct {
	world    *world
	index    int
	name     string
	dir      string // of the keystore
	twin     string // of a copy that is used beside it; empty if there is none
	saved    *saved // the last copy; nil if there is none
	rolled   bool   // a copy of the keystore was used
	drift    int
	keys     sessionid.Keys
	disk     *disk
	skew     atomic.Int64
	offUntil time.Time // of the bubble's clock; under world.mu
	friends  map[int]bool

	mu      sync.Mutex
	running map[string]*program
	crashed map[string]bool
	last    *rerun // the last send that did not succeed
}

// machine is a service node.
type machine struct {
	world   *world
	index   int
	dir     string
	keys    ring.Keys
	key     network.Key
	name    string // the key in hex
	address string
	ip      string
	swarm   uint64
	skew    atomic.Int64
	wrong   atomic.Bool  // its clock has stepped
	hangs   atomic.Int64 // how long an answer takes
	listed  bool         // the registry has it
	drift   int
	hostile *hostility

	mu      sync.Mutex
	node    *node.Node // nil while it does not run
	life    *life      // of the node that runs or ran last
	epoch   int        // changes with each start and end
	serving sync.WaitGroup
	ended   chan struct{} // closed when the last one has closed its files
	disk    *disk
	kill    kill          // of the node; At counts requests, or other steps of the disk
	unheard bool          // the last request is lost with the node, and not only its answer
	away    time.Duration // how long the node is then away
}

// life is one run of a node. After its death nothing that it does has an effect.
type life struct {
	machine *machine
	epoch   int
	dead    atomic.Bool
}

func (l *life) isDead() bool             { return l.dead.Load() }
func (l *life) count(what string, n int) { l.machine.world.count("node "+what, n) }

func (l *life) losesPower() bool {
	l.machine.mu.Lock()
	defer l.machine.mu.Unlock()
	return l.machine.kill.Power
}

// step counts a write or sync of the node.
func (l *life) step(what string) (dying bool, err error) {
	if l.dead.Load() {
		return false, errDead
	}
	l.machine.world.count("node steps", 1)
	l.machine.mu.Lock()
	defer l.machine.mu.Unlock()
	k := &l.machine.kill
	if k.Of != what || k.At == 0 || l.machine.node == nil || l.epoch != l.machine.epoch {
		return false, nil
	}
	k.At--
	return k.At == 0, nil
}

func (l *life) tear(n int) int {
	l.machine.mu.Lock()
	defer l.machine.mu.Unlock()
	return rand.New(rand.NewPCG(l.machine.kill.Tear, 3)).IntN(n)
}

// die kills the node, which comes back after a while.
func (l *life) die() {
	m := l.machine
	m.crash(context.Background())
	m.world.after(m.away, func() { m.revive(context.Background()) })
}

// elapsed is the time since the start by the bubble's clock.
func (w *world) elapsed() time.Duration { return time.Since(w.started) }

// now is the true time of the world.
func (w *world) now() time.Time {
	return began.Add(w.elapsed()).Add(time.Duration(w.skipped.Load()))
}

func (p *person) now() time.Time  { return p.world.clock(time.Duration(p.skew.Load()), p.drift) }
func (m *machine) now() time.Time { return m.world.clock(time.Duration(m.skew.Load()), m.drift) }

// clock is what a clock shows that is wrong by skew and runs ahead by some millionths.
func (w *world) clock(skew time.Duration, drift int) time.Time {
	return w.now().Add(skew + w.elapsed()/1_000_000*time.Duration(drift))
}

// logf adds a line to the trace.
func (w *world) logf(format string, args ...any) {
	line := fmt.Sprintf("%12.6f ", w.elapsed().Seconds()) + strings.ReplaceAll(fmt.Sprintf(format, args...), w.dir, "")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, line)
}

func (w *world) count(what string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats[what] += n
}

// source returns the random numbers of one purpose: they do not depend on what else happens.
func (w *world) source(purpose string) *rand.Rand { return rand.New(w.chacha(purpose)) }

func (w *world) chacha(purpose string) *rand.ChaCha8 {
	var seed [32]byte
	copy(seed[8:], purpose)
	for i := range 8 {
		seed[i] = byte(w.schedule.Seed >> (8 * i))
	}
	return rand.NewChaCha8(seed)
}

// random is a source of randomness for one program or node.
type random struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func (r *random) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(b)
}

// nodeList is the registry: the list that seeds and nodes give.
type nodeList struct {
	storage storage.Generation
	mu      sync.Mutex
	version int
	states  []nodelist.State
	view    *ring.View // of states
}

// Nodes implements [ring.Directory].
func (l *nodeList) Nodes(_ context.Context, last string) (*nodelist.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash := fmt.Sprintf("block-%d", l.version)
	if hash == last {
		return &nodelist.Result{Unchanged: true}, nil
	}
	return &nodelist.Result{
		States: slices.Clone(l.states), BlockHash: hash, Height: uint64(l.version), Generation: l.storage,
	}, nil
}

// list makes the registry's list anew from the nodes.
func (w *world) listNodes() {
	w.list.mu.Lock()
	defer w.list.mu.Unlock()
	w.list.version++
	w.list.states = nil
	for _, m := range w.nodes {
		if !m.listed {
			continue
		}
		w.list.states = append(w.list.states, nodelist.State{
			PubkeyLegacy: m.name, PubkeyEd25519: m.name, PubkeyX25519: m.keys.X25519.Public.String(),
			PublicIP: m.ip, StoragePort: 22021, SwarmID: m.swarm, Funded: true, Active: true,
		})
	}
	view, err := ring.NewView(&nodelist.Result{States: w.list.states}, "")
	if err != nil {
		w.model.fail("harness", "the node list: %v", err)
	}
	w.list.view = view
}

// newWorld makes the world of a schedule; nothing runs in it yet.
func newWorld(s schedule, dir string) *world {
	w := &world{
		schedule: s, dir: dir, started: time.Now(), stats: make(map[string]int), over: make(chan struct{}),
	}
	w.list.storage = s.Storage
	for _, p := range profiles {
		if p.name == s.Profile {
			w.profile = p
		}
	}
	w.wire = newWire(w)
	w.model = newModel(w)
	return w
}

// swarmOf returns the members of the swarm of a Session ID, by the registry.
func (w *world) swarmOf(pubKey string) (members []*machine) {
	w.list.mu.Lock()
	defer w.list.mu.Unlock()
	for _, peer := range w.list.view.SwarmOf(pubKey) {
		for _, m := range w.nodes {
			if m.name == peer.Name() {
				members = append(members, m)
			}
		}
	}
	return members
}

// template is the folder of a node that has never stored anything: making a certificate and a database takes most of the
// time of a start.
var template = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp(memory(), "simulation-template-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	random := &random{source: rand.NewChaCha8([32]byte{})}
	if _, err := ring.LoadCertificate(dir, behaviour.Own.TLS.Certificate, random, began); err != nil {
		return nil, err
	}
	messages, err := store.Open(dir, store.DefaultMaxBytes)
	if err != nil {
		return nil, err
	}
	if err := messages.Close(); err != nil {
		return nil, err
	}
	return readFolder(dir)
})

func readFolder(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			files[name], err = os.ReadFile(path)
		}
		return err
	})
	return files, err
}

func writeFolder(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// memory returns a folder in memory where there is one, and else the usual place of temporary files.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// build makes the nodes and people, and starts the nodes.
func (w *world) build(ctx context.Context) error {
	files, err := template()
	if err != nil {
		return err
	}
	for i := range w.schedule.Nodes + w.schedule.Spares {
		var seed [32]byte
		if _, err := w.chacha(fmt.Sprint("node ", i)).Read(seed[:]); err != nil {
			return err
		}
		m := &machine{
			world: w, index: i, dir: filepath.Join(w.dir, fmt.Sprint("node-", i)), keys: ring.KeysFromSeed(seed),
			ip: fmt.Sprintf("10.%d.0.1", i+1), disk: newDisk(), swarm: 1 + uint64(i%w.schedule.Swarms)<<62,
		}
		m.key = m.keys.Ed25519.Public()
		m.name, m.address = hex.EncodeToString(m.key[:]), storage.SnodeAddress(m.key)
		m.listed = i < w.schedule.Nodes
		if at := w.schedule.People + i; at < len(w.schedule.Drifts) {
			m.drift = w.schedule.Drifts[at]
		}
		if i < w.profile.hostile {
			m.hostile = newHostility(w)
		}
		if err := writeFolder(m.dir, files); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.dir, "node.key"), fmt.Appendf(nil, "%x\n", seed), 0o600); err != nil {
			return err
		}
		w.nodes = append(w.nodes, m)
	}
	w.listNodes()
	for _, m := range w.nodes[:w.schedule.Nodes] {
		if err := m.start(ctx); err != nil {
			return err
		}
	}
	for i := range w.schedule.People {
		if err := w.addPerson(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) addPerson(ctx context.Context, i int) error {
	var seed sessionid.Seed
	if _, err := w.chacha(fmt.Sprint("person ", i)).Read(seed[:]); err != nil {
		return err
	}
	p := &person{
		world: w, index: i, name: string(rune('a' + i)), dir: filepath.Join(w.dir, fmt.Sprint("person-", i)),
		keys: sessionid.KeysFromSeed(seed), disk: newDisk(), friends: make(map[int]bool),
		running: make(map[string]*program), crashed: make(map[string]bool),
	}
	if i < len(w.schedule.Drifts) {
		p.drift = w.schedule.Drifts[i]
	}
	w.people = append(w.people, p)
	made, err := keystore.Create(ctx, p.dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		return err
	}
	env := account.Environment{
		Now: p.now, Random: &random{source: w.chacha("account " + p.name)}, Owner: "maker",
		StateOf: func(string) presence.State { return presence.Gone },
	}
	_, err = account.Create(ctx, made, env, p.name, strings.ToUpper(p.name), seed)
	return err
}

// after runs do when a time has passed, or at quiescence if that comes earlier.
func (w *world) after(wait time.Duration, do func()) {
	w.later.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-w.over:
		}
		do()
	})
}

// pause waits for a time of the bubble's clock.
func pause(wait time.Duration) { <-time.After(wait) }

// folder makes a folder of a world in memory. The working directory is in it, so that its name is the same in each
// process and no order depends on it. A process that was killed and had the same number may have left one.
func folder(t *testing.T) string {
	dir := filepath.Join(memory(), fmt.Sprintf("simulation-%010d", os.Getpid()))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Chdir(dir)
	return "simulated"
}

// holds reports whether a node that runs has a message of an owner.
func (m *machine) holds(owner sessionid.ID, data string) (has, runs bool) {
	running, _ := m.running()
	if running == nil {
		return false, false
	}
	messages, err := running.Messages(owner.String())
	if err != nil && !m.life.isDead() {
		m.world.model.fail("harness", "reading node %d: %v", m.index, err)
	}
	return slices.ContainsFunc(messages, func(stored storage.Stored) bool { return stored.Data == data }), err == nil
}

// writer is a http.ResponseWriter in memory.
type writer struct {
	header map[string][]string
	status int
	body   bytes.Buffer
}
