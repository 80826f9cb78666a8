//go:build unix

package distance

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/commands"
	"sessiontool/keystore"
	"sessiontool/lib/network"
	"sessiontool/lib/node/mailbox"
	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/storage/syncroute"
	"sessiontool/lib/swarm"
	"sessiontool/lib/x25519"
)

const (
	// hop is what a node adds to a request, and onionTrip is an onion round trip: three hops and a target.
	hop       = 100 * time.Millisecond
	onionTrip = 4 * hop
	// swarmWait is how long a member waits for others that do not answer in the form of 2.8.
	swarmWait = 5 * time.Second
)

// world is a network on the clock of a synctest bubble. Each request costs its distance and nothing else.
type world struct {
	t          *testing.T
	dir        string
	generation storage.Generation
	nodes      []*server
	random     *rand.Rand

	spread   time.Duration // that a member needs to reach the others of its swarm in the form of 2.8
	mu       sync.Mutex
	syncs    int            // of keystores
	requests map[string]int // by method, those that reached their target
	begun    map[string]int // by method, all of them
	people   map[string]string
}

// trouble is what is wrong with a node.
type trouble string

const (
	fine   trouble = ""
	hangs  trouble = "hangs"
	stops  trouble = "stopped"
	loses  trouble = "loses 5%"
	lossOf         = 20 // one request in so many
)

// server is a service node.
type server struct {
	world   *world
	index   int
	private ed25519.PrivateKey
	x25519  x25519.KeyPair
	swarm   swarm.SwarmID
	trouble trouble
	boxes   map[string][]storage.Stored // by owner and namespace
	hub     *mailbox.Hub                // of the synchronous route
}

// relayWait is how long a relay waits for the next node.
func (w *world) relayWait() time.Duration {
	if w.generation == storage.Generation28 {
		return 30 * time.Second
	}
	return 10 * time.Second
}

func newWorld(t *testing.T, generation storage.Generation, nodes, swarms int) *world {
	w := &world{
		t: t, dir: t.TempDir(), generation: generation, random: rand.New(rand.NewPCG(1, 2)),
		requests: make(map[string]int), begun: make(map[string]int), people: make(map[string]string),
	}
	for i := range nodes {
		var seed [32]byte
		seed[0] = byte(i + 1)
		keys, err := x25519.GenerateKey(bytes.NewReader(bytes.Repeat(seed[:1], 64)))
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, &server{
			world: w, index: i, private: ed25519.NewKeyFromSeed(seed[:]), x25519: keys,
			swarm: swarm.SwarmID(1 + uint64(i%swarms)<<60), boxes: make(map[string][]storage.Stored),
			hub: mailbox.New(rand.NewChaCha8(seed), func(string) bool { return true }),
		})
	}
	list, err := json.Marshal(map[string]any{
		"type": "network", "name": "far", "seeds": []string{"http://seed"}, "generation": generation,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "far.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (s *server) name() string { return hex.EncodeToString(s.private.Public().(ed25519.PublicKey)) }

func (w *world) byKey(key network.Key) *server {
	for _, s := range w.nodes {
		if s.name() == key.String() {
			return s
		}
	}
	w.t.Fatalf("no node is %s", key)
	return nil
}

// swarmOf returns the members of an owner's swarm.
func (w *world) swarmOf(owner string) (members []*server) {
	id, err := sessionid.Parse(owner)
	if err != nil {
		return nil
	}
	var ids []swarm.SwarmID
	for _, s := range w.nodes {
		ids = append(ids, s.swarm)
	}
	chosen, _ := swarm.Choose(swarm.Position(id.PublicKey()), ids)
	for _, s := range w.nodes {
		if s.swarm == chosen {
			members = append(members, s)
		}
	}
	return members
}

// run is a process: it runs a command for a person, and returns its output and the time that it took.
func (w *world) run(person, input string, args ...string) (string, time.Duration) {
	w.t.Helper()
	var out bytes.Buffer
	took, err := w.runTo(&out, person, input, args...)
	if err != nil {
		w.t.Fatalf("%v: %s", err, &out)
	}
	return out.String(), took
}

// runTo is run with another output, for any goroutine.
func (w *world) runTo(out io.Writer, person, input string, args ...string) (took time.Duration, err error) {
	var problems bytes.Buffer
	args = append(args, "--keystore", filepath.Join(w.dir, person), "--network", filepath.Join(w.dir, "far.json"))
	started := time.Now()
	code := commands.Main(args, commands.Streams{
		In: strings.NewReader(input), Out: out, Err: &problems,
		Env:     func(name string) string { return map[string]string{"HOME": w.dir}[name] },
		Network: func(config *network.Config) { config.Carry, config.Transport = w.carry, seed{w} },
		Disk: func(_ string, file keystore.Disk) keystore.Disk {
			return &countedDisk{file, w}
		},
	})
	if code != 0 {
		err = fmt.Errorf("%s %q ends with %d: %s", person, args, code, &problems)
	}
	return time.Since(started), err
}

// countedDisk counts syncs.
type countedDisk struct {
	keystore.Disk
	world *world
}

func (d *countedDisk) Sync() error {
	d.world.mu.Lock()
	d.world.syncs++
	d.world.mu.Unlock()
	return d.Disk.Sync()
}

func (w *world) person(name string) string {
	w.t.Helper()
	if w.people[name] == "" {
		out, _ := w.run(name, "", "keygen", "--account", name)
		w.people[name] = gjson.Get(out, "session_id").Str
	}
	return w.people[name]
}

// befriend makes two people friends.
func (w *world) befriend(a, b string) {
	w.t.Helper()
	w.person(a)
	w.run(a, "", "friend-request", "send", "--to", w.person(b), "--text", "hello", "--protocol", "signal")
	w.run(b, "", "poll")
	w.run(b, "", "friend-request", "accept", w.person(a))
	w.run(a, "", "poll")
	w.run(b, "", "poll")
}

// seed answers requests to the seed.
type seed struct{ world *world }

func (x seed) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := wait(request.Context(), hop); err != nil {
		return nil, err
	}
	result := nodelist.Result{Generation: x.world.generation}
	for _, s := range x.world.nodes {
		result.States = append(result.States, nodelist.State{
			PubkeyLegacy: s.name(), PubkeyEd25519: s.name(), PubkeyX25519: s.x25519.Public.String(),
			PublicIP: fmt.Sprintf("10.%d.0.1", s.index), StoragePort: 22021, SwarmID: uint64(s.swarm), Active: true,
		})
	}
	body, err := json.Marshal(map[string]any{"result": result})
	return &http.Response{
		StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: request,
		Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
	}, err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fails reports what is wrong with a node for one request.
func (w *world) fails(s *server) trouble {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.trouble != loses {
		return s.trouble
	}
	if w.random.IntN(lossOf) == 0 {
		return hangs
	}
	return fine
}

// carry is the [network.Carrier] of every process.
func (w *world) carry(ctx context.Context, path []network.Node, target network.Node,
	body []byte) (network.Carried, error) {
	w.mu.Lock()
	w.begun[gjson.GetBytes(body, "method").Str]++
	w.mu.Unlock()
	for i, node := range append(path[:len(path):len(path)], target) {
		s := w.byKey(node.Ed25519)
		failure := w.fails(s)
		switch {
		case failure == hangs && i == 0:
			<-ctx.Done()
			return network.Carried{}, context.Cause(ctx)
		case failure == hangs:
			return network.Carried{Refused: 504, Text: onion.TextTimeout}, wait(ctx, w.relayWait())
		case failure == stops && i == 0:
			return network.Carried{}, fmt.Errorf("%w: connection refused", storagehttp.ErrUnreachable)
		case failure == stops:
			return network.Carried{Refused: 504, Text: onion.TextTimeout}, nil
		}
		if err := wait(ctx, hop); err != nil {
			return network.Carried{}, err
		}
		if i == len(path) {
			return s.serve(ctx, body)
		}
	}
	panic("a path without a target")
}

// serve answers a storage request.
func (s *server) serve(ctx context.Context, body []byte) (network.Carried, error) {
	method, params := gjson.GetBytes(body, "method").Str, gjson.GetBytes(body, "params")
	s.world.mu.Lock()
	s.world.requests[method]++
	s.world.mu.Unlock()
	var answer any
	switch method {
	case storage.MethodStore:
		if s.world.generation == storage.Generation28 && s.world.lacksMember(params.Get("pubkey").Str) {
			if err := wait(ctx, swarmWait); err != nil {
				return network.Carried{}, err
			}
		}
		if err := wait(ctx, s.world.spread); err != nil {
			return network.Carried{}, err
		}
		answer = s.store(params)
	case storage.MethodRetrieve:
		answer = s.retrieve(params)
	case storage.MethodSwarm:
		answer = s.members(params)
	case syncroute.MethodListen:
		return s.listen(ctx, params)
	case syncroute.MethodDeliver:
		return s.deliver(ctx, params)
	case rpc28.MethodInfo:
		answer = rpc28.InfoAnswer{Version: [3]int{2, 8, 0}, Clock: rpc28.Clock{T: time.Now().UnixMilli()}}
	default:
		return network.Carried{Response: onion.Response{Status: 400, Body: "no method " + method}}, nil
	}
	text, err := json.Marshal(answer)
	return network.Carried{Response: onion.Response{Status: http.StatusOK, Body: string(text)}}, err
}

func (w *world) lacksMember(owner string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.swarmOf(owner) {
		if s.trouble == hangs || s.trouble == stops {
			return true
		}
	}
	return false
}

func owner(params gjson.Result) string { return params.Get("pubKey").Str + params.Get("pubkey").Str }

// store puts a message into the boxes of all members that work.
func (s *server) store(params gjson.Result) any {
	w := s.world
	data, to := params.Get("data").Str, owner(params)
	sum := sha512.Sum512([]byte(data))
	stored := storage.Stored{Data: data, Hash: hex.EncodeToString(sum[:]), Expiration: time.Now().Add(96 * time.Hour).UnixMilli()}
	answer := rpc28.ChangeAnswer{Swarm: make(map[string]rpc28.MemberResult), Clock: rpc28.Clock{T: time.Now().UnixMilli()}}
	if w.generation == storage.Generation28 {
		raw, err := base64.StdEncoding.DecodeString(data)
		id, idErr := sessionid.Parse(to)
		if err != nil || idErr != nil {
			return map[string]string{}
		}
		stored.Hash = rpc28.MessageHash(id, rpc28.Namespace(params.Get("namespace").Int()), raw)
	}
	answer.Hash = stored.Hash
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, member := range w.swarmOf(to) {
		if member.trouble == hangs || member.trouble == stops {
			answer.Swarm[member.name()] = rpc28.MemberResult{Failed: true, Timeout: true}
			continue
		}
		box := to + params.Get("namespace").Raw
		known := false
		for _, other := range member.boxes[box] {
			known = known || other.Hash == stored.Hash
		}
		if !known {
			member.boxes[box] = append(member.boxes[box], stored)
		}
		signature := ed25519.Sign(member.private, signtext.Stored(stored.Hash))
		answer.Swarm[member.name()] = rpc28.MemberResult{
			Hash: stored.Hash, Signature: base64.StdEncoding.EncodeToString(signature),
		}
	}
	if w.generation == storage.Generation28 {
		return answer
	}
	return rpc20.DifficultyAnswer{Difficulty: 1}
}

// retrieve gives a page.
func (s *server) retrieve(params gjson.Result) any {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	box := s.boxes[owner(params)+params.Get("namespace").Raw]
	last := params.Get("lastHash").Str + params.Get("last_hash").Str
	for i, stored := range box {
		if stored.Hash == last {
			box = box[i+1:]
			break
		}
	}
	most, size := rpc20.MaxRetrieved, 0
	if s.world.generation == storage.Generation28 {
		most = len(box)
		for i, stored := range box {
			if size += rpc28.PageCost(len(stored.Data)); size > rpc28.MaxPageBytes/int(-params.Get("max_size").Int()) {
				most = i
				break
			}
		}
	}
	page := append([]storage.Stored{}, box[:min(most, len(box))]...)
	return rpc28.PageAnswer{Messages: page, More: len(page) < len(box), Clock: rpc28.Clock{T: time.Now().UnixMilli()}}
}

// members names a swarm.
func (s *server) members(params gjson.Result) any {
	answer := rpc20.SwarmAnswer{Snodes: []storage.Snode{}}
	for _, member := range s.world.swarmOf(owner(params)) {
		answer.Snodes = append(answer.Snodes, storage.Snode{
			IP: fmt.Sprintf("10.%d.0.1", member.index), Port: "22021", PubkeyEd25519: member.name(),
			PubkeyX25519: member.x25519.Public.String(),
		})
	}
	return answer
}
