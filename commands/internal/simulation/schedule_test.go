//go:build unix

package simulation

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/storage"
)

// kind is what an operation of a schedule does.
type kind string

// The kinds of operations. Those of people run a program; the others change the world.
const (
	kindSend    kind = "send"    // Who sends N texts to To
	kindAgain   kind = "again"   // Who runs the last send that failed or was killed once more
	kindPoll    kind = "poll"    // Who polls
	kindListen  kind = "listen"  // Who listens for For
	kindRequest kind = "request" // Who asks To for friendship
	kindAccept  kind = "accept"  // Who accepts all requests
	kindRotate  kind = "rotate"  // Who rotates the signed prekey
	kindSeal    kind = "seal"    // Who pipes N texts to To through envelope seal | swarm store
	kindOpen    kind = "open"    // Who pipes swarm retrieve | envelope open
	kindKeys    kind = "keys"    // Who publishes a key of session-v2
	kindFlush   kind = "flush"   // Who lists the outbox and flushes it
	kindContact kind = "contact" // Who names To, verifies To, or lists the contacts: see contactChanges
	kindCreate  kind = "create"  // Who makes one more keystore
	kindBackup  kind = "backup"  // Who saves a copy of the keystore, with identity export if N is 1
	kindRestore kind = "restore" // Who goes on with the copy saved last in place of the keystore
	kindTwin    kind = "twin"    // Who uses that copy beside the keystore
	kindOff     kind = "off"     // the machine of Who loses power for For

	kindStop    kind = "stop"       // node Who stops in order for For
	kindCrash   kind = "crash"      // node Who is killed as Kill says, for For
	kindCut     kind = "cut"        // node Who and machine To (or node To-100) cannot reach each other for For
	kindLoss    kind = "loss"       // N of 100 messages are lost for For
	kindSlow    kind = "slow"       // all links take N ms longer for For
	kindClock   kind = "clock"      // the clock of machine Who steps by For
	kindSkip    kind = "skip"       // all clocks advance by For at once
	kindDisk    kind = "disk"       // the disk of Who has a fault for For: see diskFaults
	kindMove    kind = "move"       // node Who changes between the swarms
	kindProof   kind = "proof"      // nodes ask for a proof of work of difficulty N
	kindHang    kind = "hang"       // node Who takes N seconds to answer for For
	kindDouble  kind = "double"     // N of 100 requests arrive twice for For
	kindAddress kind = "address"    // node Who gets another address
	kindTime    kind = "node clock" // the clock of node Who is wrong by For for N seconds
	kindStore   kind = "node disk"  // the disk of node Who has a fault for For
	kindJoin    kind = "join"       // a node joins the swarm of node Who
	kindLeave   kind = "leave"      // node Who leaves the network, and stops For later
	kindReplace kind = "replace"    // a new node takes the place and the address of node Who
	kindSplit   kind = "split"      // half of the swarm of node Who becomes one of its own
	kindMerge   kind = "merge"      // all nodes become members of one swarm

	kindErase kind = "erase" // the hostile nodes push tombstones that no owner has signed
)

// op is one operation. Its parameters are all decisions that the schedule makes about it, so that a shrunk schedule does
// the same with the operations that are left.
type op struct {
	ID        int              `json:"id"`
	Kind      kind             `json:"kind"`
	Who       int              `json:"who"`
	To        int              `json:"to,omitempty"`
	N         int              `json:"n,omitempty"`
	For       time.Duration    `json:"for,omitempty"`
	Beside    bool             `json:"beside,omitempty"` // the next operation does not wait for the end of the program
	After     time.Duration    `json:"after"`            // the pause before the next operation
	Protocol  account.Protocol `json:"protocol,omitempty"`
	OnlyAsync bool             `json:"only_async,omitempty"`
	Kill      kill             `json:"kill,omitzero"`
	Fault     string           `json:"fault,omitempty"`
	Lines     int              `json:"lines,omitempty"`  // the reader goes away after so many lines
	Stop      time.Duration    `json:"stop,omitempty"`   // the program is stopped in order after so long
	Signal    bool             `json:"signal,omitempty"` // by a signal, and not by its --timeout
	Twin      bool             `json:"twin,omitempty"`   // the program uses the copy of kindTwin, if there is one
}

// kill ends a program at its At-th step: a read, write or sync of the keystore, a request or a printed line. Power says
// that the whole machine dies with it.
type kill struct {
	At    int    `json:"at"`
	Of    string `json:"of,omitempty"` // count only these steps
	Power bool   `json:"power,omitempty"`
	Tear  uint64 `json:"tear,omitempty"` // decides what is left of unsynced writes
}

// steps are the kinds of steps at which a program is killed more often than chance would have it.
var steps = []string{"request", "print", "receipt", "sync"}

// nodeSteps are those of nodes.
var nodeSteps = []string{"request", "write", "sync"}

// String describes an operation in one line.
func (o op) String() string {
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// schedule is a world and what happens in it.
type schedule struct {
	Seed    uint64
	Profile string
	People  int
	Nodes   int
	Swarms  int
	Spares  int // nodes that may join
	Storage storage.Generation
	Friends [][2]int // pairs that are friends from the start
	Drifts  []int    // by machine, people first: how much a clock runs ahead, in millionths
	Ops     []op
}

// String describes the schedule in lines that a test may read again.
func (s schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, profile %s: %d people, %d nodes in %d swarms, storage rpc %s, friends %v\n",
		s.Seed, s.Profile, s.People, s.Nodes, s.Swarms, s.Storage, s.Friends)
	for _, o := range s.Ops {
		fmt.Fprintln(&b, "  "+o.String())
	}
	return b.String()
}

// keep writes the schedule to a file, one operation a line, unless path is empty.
func (s schedule) keep(path string) error {
	if path == "" {
		return nil
	}
	ops := s.Ops
	s.Ops = []op{}
	head, err := json.Marshal(s)
	if err != nil {
		return err
	}
	text := strings.Replace(strings.TrimSuffix(string(head), "[]}"), `,"Ops":`, ",\n\"Ops\":[\n", 1)
	for i, o := range ops {
		if i > 0 {
			text += ",\n"
		}
		text += o.String()
	}
	return os.WriteFile(path, []byte(text+"\n]}\n"), 0o644)
}

// weight is how often a profile draws a kind.
type weight struct {
	kind   kind
	weight int
}

// profile is a distribution of schedules.
type profile struct {
	name    string
	least   int // operations
	most    int
	killed  int // of 100 programs
	power   int // of 100 kills
	weights []weight
	hostile int // nodes
}

var everyday = []weight{
	{kindSend, 30}, {kindPoll, 20}, {kindListen, 7}, {kindRequest, 4}, {kindAccept, 4}, {kindAgain, 6}, {kindRotate, 1},
	{kindSeal, 3}, {kindOpen, 2}, {kindKeys, 3}, {kindFlush, 3}, {kindContact, 2},
}

// profiles are what scripts/simulate --profile names.
var profiles = []profile{
	{name: "quick", least: 20, most: 40, killed: 12, power: 30, weights: append([]weight{
		{kindStop, 4}, {kindCrash, 4}, {kindCut, 4}, {kindLoss, 3}, {kindSlow, 2}, {kindClock, 1}, {kindSkip, 3},
		{kindOff, 2}, {kindDisk, 2}, {kindMove, 1}, {kindProof, 1}, {kindHang, 2}, {kindDouble, 2}, {kindAddress, 1},
		{kindJoin, 1}, {kindLeave, 1}, {kindReplace, 1}, {kindSplit, 1}, {kindMerge, 1}, {kindBackup, 1}, {kindRestore, 1},
		{kindTwin, 1},
	}, everyday...)},
	{name: "hostile", least: 20, most: 40, killed: 5, power: 30, hostile: 2, weights: append([]weight{
		{kindStop, 2}, {kindCut, 2}, {kindLoss, 2}, {kindSlow, 2}, {kindSkip, 2}, {kindErase, 6}, {kindDouble, 1},
		{kindHang, 1}, {kindAddress, 1}, {kindJoin, 1},
	}, everyday...)},
	{name: "clocks", least: 20, most: 40, killed: 8, power: 30, weights: append([]weight{
		{kindClock, 10}, {kindSkip, 8}, {kindStop, 3}, {kindOff, 3}, {kindSlow, 2}, {kindTime, 4}, {kindProof, 1},
	}, everyday...)},
	{name: "disks", least: 20, most: 40, killed: 35, power: 60, weights: append([]weight{
		{kindDisk, 8}, {kindOff, 6}, {kindCrash, 8}, {kindStop, 2}, {kindStore, 4}, {kindCreate, 4}, {kindBackup, 1},
		{kindRestore, 1},
	}, everyday...)},
	{name: "long", least: 150, most: 250, killed: 10, power: 30, weights: append([]weight{
		{kindStop, 4}, {kindCrash, 4}, {kindCut, 4}, {kindLoss, 3}, {kindSlow, 2}, {kindClock, 2}, {kindSkip, 6},
		{kindOff, 2}, {kindDisk, 2}, {kindMove, 2}, {kindProof, 2}, {kindHang, 2}, {kindDouble, 2}, {kindAddress, 2},
		{kindTime, 1}, {kindStore, 1}, {kindJoin, 1}, {kindLeave, 1}, {kindReplace, 1}, {kindSplit, 1}, {kindMerge, 1},
		{kindCreate, 1}, {kindBackup, 1}, {kindRestore, 1},
	}, everyday...)},
}

// seconds draws a time between least and most seconds, to the nanosecond, so that few things happen at once.
func seconds(random *rand.Rand, least, most float64) time.Duration {
	return time.Duration((least + (most-least)*random.Float64()) * float64(time.Second))
}

// draw makes the schedule of a seed.
func draw(p profile, seed uint64) schedule {
	random := rand.New(rand.NewPCG(seed, 0x5e55107))
	s := schedule{Seed: seed, Profile: p.name, People: 2 + random.IntN(2), Nodes: 5, Swarms: 1}
	if random.IntN(4) == 0 {
		s.Nodes, s.Swarms = 6, 2
	}
	s.Storage = storage.Generation20
	if random.IntN(4) == 0 {
		s.Storage = storage.Generation28
	}
	if p.hostile > 0 {
		s.Nodes, s.Swarms = 8, 2 // one hostile node in each
	}
	s.Spares = 2
	for range s.People + s.Nodes + s.Spares {
		s.Drifts = append(s.Drifts, random.IntN(2*maxDrift)-maxDrift)
	}
	s.Friends = [][2]int{{0, 1}}
	if s.People == 3 && random.IntN(2) == 0 {
		s.Friends = append(s.Friends, [2]int{1, 2})
	}
	total := 0
	for _, w := range p.weights {
		total += w.weight
	}
	for i := range p.least + random.IntN(p.most-p.least+1) {
		n := random.IntN(total)
		var chosen kind
		for _, w := range p.weights {
			if n -= w.weight; n < 0 {
				chosen = w.kind
				break
			}
		}
		o := p.drawOp(random, s, i, chosen)
		if s.Ops = append(s.Ops, o); chosen == kindListen && random.IntN(2) == 0 {
			s.Ops = append(s.Ops, p.drawTalk(random, s, o)...)
		}
	}
	for i := range s.Ops {
		s.Ops[i].ID = i
	}
	return s
}

// maxDrift is how much a clock runs ahead or behind at most, in millionths.
const maxDrift = 5000

// drawOp makes one operation.
func (p profile) drawOp(random *rand.Rand, s schedule, id int, chosen kind) op {
	o := op{ID: id, Kind: chosen, Who: random.IntN(s.People), After: seconds(random, 0, 3)}
	o.To = (o.Who + 1 + random.IntN(s.People-1)) % s.People
	o.Beside = random.IntN(5) == 0
	if random.IntN(8) == 0 {
		o.After = seconds(random, 20, 120)
	}
	if random.IntN(100) < p.killed {
		o.Kill = kill{At: 1 + random.IntN(1+random.IntN(60)), Power: random.IntN(100) < p.power, Tear: random.Uint64()}
	}
	if o.Kill.At > 0 && random.IntN(2) == 0 {
		o.Kill.At, o.Kill.Of = 1+random.IntN(3), steps[random.IntN(len(steps))]
	}
	if o.Twin = random.IntN(2) == 0; random.IntN(12) == 0 {
		o.Stop, o.Signal = seconds(random, 0.01, 1.5), random.IntN(2) == 0
	}
	switch chosen {
	case kindSend, kindSeal:
		o.N = 1 + random.IntN(1+random.IntN(4))
		o.OnlyAsync = random.IntN(3) == 0
		switch {
		case random.IntN(6) == 0:
			o.Protocol = account.ProtocolSessionV1
		case s.Storage == storage.Generation28 && random.IntN(3) == 0:
			o.Protocol = account.ProtocolSessionV2
		case s.Storage == storage.Generation28 && random.IntN(2) == 0:
			o.Protocol = account.ProtocolSignal
		}
	case kindListen:
		o.For, o.Beside = seconds(random, 5, 60), random.IntN(4) != 0
	case kindPoll:
		if random.IntN(8) == 0 {
			o.Lines = 1 + random.IntN(3)
		}
	case kindBackup:
		o.N = random.IntN(8)
	case kindContact:
		o.N = random.IntN(len(contactChanges))
	default:
		p.drawFault(random, s, &o)
	}
	return o
}

// drawTalk makes what follows a listen of two who talk: the other one listens, too, and both send. So messages go over
// the synchronous route.
func (p profile) drawTalk(random *rand.Rand, s schedule, first op) (ops []op) {
	other := p.drawOp(random, s, 0, kindListen)
	other.Who, other.To, other.Beside, other.After = first.To, first.Who, true, seconds(random, 3, 15)
	ops = append(ops, other)
	for i := range 2 + random.IntN(2) {
		o := p.drawOp(random, s, 0, kindSend)
		o.Who, o.To, o.After = first.Who, first.To, seconds(random, 0, 2)
		if i%2 == 1 {
			o.Who, o.To = first.To, first.Who
		}
		o.OnlyAsync, o.Protocol = false, account.ProtocolSignal
		ops = append(ops, o)
	}
	return ops
}

// drawFault draws the parameters of a fault.
func (p profile) drawFault(random *rand.Rand, s schedule, o *op) {
	switch o.Kind {
	case kindOff:
		o.For = seconds(random, 30, 600)
	case kindStop, kindCrash:
		o.Who, o.For, o.N = random.IntN(s.Nodes), seconds(random, 5, 120), random.IntN(2)
		o.Kill = kill{
			At: 1 + random.IntN(8), Of: nodeSteps[random.IntN(len(nodeSteps))], Power: random.IntN(2) == 0, Tear: random.Uint64(),
		}
	case kindCut:
		o.Who, o.For = random.IntN(s.Nodes), seconds(random, 5, 120)
		o.To = random.IntN(s.People)
		if random.IntN(2) == 0 {
			o.To = nodeBase + random.IntN(s.Nodes)
		}
	case kindLoss:
		o.N, o.For = 1+random.IntN(25), seconds(random, 10, 120)
	case kindSlow:
		o.N, o.For = 50+random.IntN(1500), seconds(random, 10, 120)
	case kindClock:
		o.For = p.step(random)
	case kindSkip:
		o.For = seconds(random, 60, 12*3600)
		if p.name == "clocks" && random.IntN(4) == 0 {
			o.For = seconds(random, 3600, 21*24*3600)
		}
	case kindDisk:
		o.Fault, o.For = diskFaults[random.IntN(len(diskFaults))], seconds(random, 2, 30)
	case kindProof:
		o.N = 1 + random.IntN(4)
	case kindMove, kindAddress, kindJoin, kindLeave, kindReplace, kindSplit, kindMerge:
		o.Who, o.For = random.IntN(s.Nodes), seconds(random, 60, 300)
	case kindHang:
		o.Who, o.N, o.For = random.IntN(s.Nodes), []int{10, 30}[random.IntN(2)], seconds(random, 10, 120)
	case kindDouble:
		o.N, o.For = 10+random.IntN(60), seconds(random, 10, 120)
	case kindTime:
		o.Who, o.For, o.N = random.IntN(s.Nodes), p.step(random), 30+random.IntN(270)
	case kindStore:
		o.Who, o.Fault, o.For = random.IntN(s.Nodes), diskFaults[random.IntN(len(diskFaults))], seconds(random, 2, 60)
	}
}

// step draws a step of a machine's clock.
func (p profile) step(random *rand.Rand) time.Duration {
	most := []float64{3, 60, 3600, 86400}[random.IntN(4)]
	if p.name == "clocks" && random.IntN(4) == 0 {
		most = 30 * 86400
	}
	return seconds(random, -most, most)
}
