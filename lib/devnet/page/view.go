package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/devnet"
	"sessiontool/lib/swarm"
)

// status is how a node is. The script has the same numbers.
type status uint8

const (
	statusRuns status = iota
	statusFault
	statusStopped
	statusFailed
	statusOutside // it is of another process, which says nothing about it
)

var statusTexts = [...]string{
	statusRuns: "runs", statusFault: "runs with faults", statusStopped: "stopped", statusFailed: "did not start",
	statusOutside: "outside",
}

func (s status) String() string { return statusTexts[s] }

// nodeView is what the page shows of a node all the time.
type nodeView struct {
	Index      int      `json:"i"`
	Status     status   `json:"status"`
	Faults     []string `json:"faults,omitempty"`
	Messages   int      `json:"messages"`
	Bytes      int64    `json:"bytes"`
	Fill       float64  `json:"fill"` // messages, as a part of those of the fullest node
	Queued     int      `json:"queued"`
	Listeners  int      `json:"listeners"`
	Deliveries int      `json:"deliveries"`
	Version    string   `json:"version,omitempty"`
	Failed     string   `json:"failed,omitempty"`

	state devnet.InspectedNode
}

// Name returns the beginning of the node's key.
func (n *nodeView) Name() string { return n.state.PubkeyEd25519[:min(8, len(n.state.PubkeyEd25519))] }

// Key returns the node's Ed25519 key in hex.
func (n *nodeView) Key() string { return n.state.PubkeyEd25519 }

// Address returns host and port.
func (n *nodeView) Address() string {
	if n.state.Port == 0 {
		return ""
	}
	return n.state.IP + ":" + strconv.Itoa(int(n.state.Port))
}

// Swarm returns the swarm's id, or "none".
func (n *nodeView) Swarm() string {
	if n.state.SwarmID == swarm.NoSwarm {
		return "none"
	}
	return n.state.SwarmID.String()
}

// Own reports whether the node is one of the process that serves the page.
func (n *nodeView) Own() bool { return n.state.Own }

// Used describes the size of the node's database.
func (n *nodeView) Used() string {
	if n.state.Load.MaxBytes == 0 {
		return "not known"
	}
	return fmt.Sprintf("%s of %s", sizeText(n.Bytes), sizeText(n.state.Load.MaxBytes))
}

// Label describes the node to a screen reader.
func (n *nodeView) Label() string {
	text := fmt.Sprintf("Node %d, %s, swarm %s, %s", n.Index, n.Name(), n.Swarm(), n.Status)
	if len(n.Faults) > 0 {
		text += " (" + strings.Join(n.Faults, ", ") + ")"
	}
	if n.Status == statusRuns || n.Status == statusFault {
		text += fmt.Sprintf(", %d %s", n.Messages, plural(n.Messages, "message"))
	}
	return text
}

func plural(count int, word string) string {
	if count == 1 {
		return word
	}
	return word + "s"
}

func sizeText(bytes int64) string {
	size, unit := float64(bytes), 0
	for size >= 1024 && unit < 3 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, [...]string{"B", "KiB", "MiB", "GiB"}[unit])
}

// view is the network as of one inspection. Only what was sent of it changes.
type view struct {
	nodes      []nodeView
	byKey      map[string]int16
	sizes      map[swarm.SwarmID]int
	statuses   []status
	messages   []uint32
	topology   int64 // changes with the nodes, their addresses and their swarms
	difficulty uint64
	generation string
	like       string

	encoded [][]byte
	unsent  []bool // by node
}

func newView(state devnet.Inspection, before *view) *view {
	v := &view{
		byKey: make(map[string]int16), sizes: make(map[swarm.SwarmID]int), difficulty: state.Difficulty,
		generation: string(state.Generation), like: state.Like,
	}
	most := 1
	for _, n := range state.Nodes {
		most = max(most, n.Load.Messages)
	}
	for i, n := range state.Nodes {
		v.byKey[n.PubkeyEd25519] = int16(i)
		if n.SwarmID != swarm.NoSwarm {
			v.sizes[n.SwarmID]++
		}
		shown := nodeView{
			Index: i, Status: statusOf(n), Messages: n.Load.Messages, Bytes: n.Load.Bytes,
			Fill: float64(n.Load.Messages) / float64(most), Queued: n.Load.Queued, Listeners: n.Load.Listeners,
			Deliveries: n.Load.Deliveries, Version: n.Version, Failed: n.Failed, state: n,
		}
		for _, fault := range n.Faults {
			shown.Faults = append(shown.Faults, faultText(fault.Fault))
		}
		v.nodes = append(v.nodes, shown)
		v.statuses = append(v.statuses, shown.Status)
		v.messages = append(v.messages, uint32(shown.Messages))
		text, err := json.Marshal(shown)
		if err != nil {
			panic(err) // numbers and texts alone
		}
		v.encoded = append(v.encoded, text)
	}
	v.compare(before)
	return v
}

// firstTopology is another number in each process, so that a page that was open before notices another network at its
// address. A script can hold it exactly.
func firstTopology() int64 { return rand.Int64N(1 << 52) }

// compare finds out what the pages do not know yet, if they know what was sent of before.
func (v *view) compare(before *view) {
	v.unsent = make([]bool, len(v.nodes))
	if before == nil {
		v.topology = firstTopology()
		return
	}
	v.topology = before.topology
	same := slices.EqualFunc(v.nodes, before.nodes, func(a, b nodeView) bool {
		return a.state.NodeInfo.PubkeyEd25519 == b.state.NodeInfo.PubkeyEd25519 && a.Address() == b.Address() &&
			a.state.SwarmID == b.state.SwarmID && a.state.Own == b.state.Own
	})
	if !same {
		v.topology++
		return
	}
	for i := range v.nodes {
		v.unsent[i] = before.unsent[i] || !bytes.Equal(v.encoded[i], before.encoded[i])
	}
}

func statusOf(n devnet.InspectedNode) status {
	switch {
	case n.Failed != "":
		return statusFailed
	case !n.Own:
		return statusOutside
	case !n.Running:
		return statusStopped
	case len(n.Faults) > 0:
		return statusFault
	}
	return statusRuns
}

// faultText describes a fault in a few words.
func faultText(f devnet.Fault) string {
	text := string(f.Kind)
	add := func(set bool, format string, args ...any) {
		if set {
			text += " " + fmt.Sprintf(format, args...)
		}
	}
	add(f.Share > 0 && f.Share < 1, "%g%%", 100*f.Share)
	add(f.Delay > 0, "%v", f.Delay)
	add(f.Jitter > 0, "up to %v more", f.Jitter)
	add(f.Skew != 0, "%v", f.Skew)
	add(f.Group != 0, "group %d", f.Group)
	add(f.Requests != "", "(%s)", f.Requests)
	return text
}

// find returns the place of a node, or stranger.
func (v *view) find(key string) int16 {
	if i, ok := v.byKey[key]; ok {
		return i
	}
	return stranger
}

// members returns the number of nodes in the swarm of node i.
func (v *view) members(i int) int { return v.sizes[v.nodes[i].state.SwarmID] }

// changesSince describes what is different from before, one text for all nodes that changed in the same way.
func (v *view) changesSince(before *view) (texts []string) {
	if v.difficulty != before.difficulty {
		texts = append(texts, fmt.Sprintf("difficulty %d", v.difficulty))
	}
	if v.topology != before.topology {
		return append(texts, "the list of nodes has changed")
	}
	changed := make(map[string][]int)
	for i := range v.nodes {
		now, then := &v.nodes[i], &before.nodes[i]
		if now.Status == statusStopped && then.Status != statusStopped {
			changed["stopped"] = append(changed["stopped"], i)
		}
		if now.Status != statusStopped && then.Status == statusStopped {
			changed["started"] = append(changed["started"], i)
		}
		for _, fault := range now.Faults {
			if !slices.Contains(then.Faults, fault) && now.Status != statusStopped {
				changed["fault "+fault] = append(changed["fault "+fault], i)
			}
		}
		for _, fault := range then.Faults {
			if !slices.Contains(now.Faults, fault) && then.Status != statusStopped {
				changed["cleared "+fault] = append(changed["cleared "+fault], i)
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(changed)) {
		texts = append(texts, what+": "+nodesText(changed[what], len(v.nodes)))
	}
	return texts
}

func nodesText(places []int, all int) string {
	switch {
	case len(places) == all && all > 1:
		return "all nodes"
	case len(places) > 6:
		return fmt.Sprintf("%d nodes", len(places))
	case len(places) == 1:
		return fmt.Sprintf("node %d", places[0])
	}
	return "nodes " + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(places)), ", "), "[]")
}

// changed reports whether something is not sent yet.
func (v *view) changed() bool { return slices.Contains(v.unsent, true) }

// sent marks everything as sent.
func (v *view) sent() { clear(v.unsent) }

// takeUnsent returns the nodes that are not sent yet, and marks them.
func (v *view) takeUnsent() (nodes []json.RawMessage) {
	for i, unsent := range v.unsent {
		if unsent {
			nodes = append(nodes, v.encoded[i])
		}
	}
	v.sent()
	return nodes
}

// milliseconds is how the script counts time.
func milliseconds(t time.Time) int64 { return t.UnixMilli() }
