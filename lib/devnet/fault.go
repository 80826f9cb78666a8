package devnet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/devnet/meter"
	"sessiontool/lib/storage/syncroute"
)

// ErrFault reports a fault with an unknown kind, or with settings that are invalid or do not belong to its kind.
var ErrFault = errors.New("bad fault")

// errShare and errGroup report an explicit zero. In a Fault a zero stands for a setting that is left out.
var (
	errShare = errors.New("a share is more than 0 and at most 1")
	errGroup = errors.New("groups are numbered from 1")
)

// FaultKind names a kind of fault.
type FaultKind string

// The faults. Stop and Restart happen to the node itself; the others happen to what reaches it and what leaves it.
const (
	FaultStop        FaultKind = "stop"         // it does not run, but stays listed, as after a crash
	FaultVanish      FaultKind = "vanish"       // it does not run and its machine has no power: connections hang
	FaultHang        FaultKind = "hang"         // a Share of requests gets no answer while the fault lasts
	FaultRestart     FaultKind = "restart"      // it stops and starts again; nothing remains of this fault
	FaultDrop        FaultKind = "drop"         // a Share of requests gets no answer: after Delay the connection is cut
	FaultDelay       FaultKind = "delay"        // a Share of requests waits for Delay and up to Jitter more
	FaultLoss        FaultKind = "loss"         // a Share of packets of its connections is lost and sent again
	FaultPartition   FaultKind = "partition"    // it reaches only nodes of the same Group; clients still reach it
	FaultSkew        FaultKind = "skew"         // its clock is ahead by Skew
	FaultWrongSwarm  FaultKind = "wrong-swarm"  // a Share of storage requests is sent to the nodes of another swarm
	FaultCorrupt     FaultKind = "corrupt"      // a Share of answers arrives damaged
	FaultDropAnswers FaultKind = "drop-answers" // a Share of requests is served, but the answer is lost
	FaultNoMethod    FaultKind = "no-method"    // it lacks the method Requests; without that listen and deliver
)

// takes says which settings belong to which kind.
var takes = map[FaultKind][]string{
	FaultStop: {}, FaultVanish: {}, FaultRestart: {}, FaultHang: {"share", "requests"},
	FaultDrop: {"share", "delay", "requests"}, FaultDelay: {"share", "delay", "jitter", "requests"},
	FaultLoss: {"share"}, FaultPartition: {"group"}, FaultSkew: {"skew"}, FaultWrongSwarm: {"share"},
	FaultCorrupt: {"share", "requests"}, FaultDropAnswers: {"share", "requests"}, FaultNoMethod: {"requests"},
}

// FaultRequests are the values of Requests in a [Fault]: direct storage requests, onion requests, requests between
// nodes (peer), and requests for the version (stats); or a method of the storage RPC, in a direct request or in an
// onion that ends at the node.
var FaultRequests = slices.Concat([]string{"storage", "onion", meter.Peer, "stats"}, methods)

// FaultKinds are all kinds.
var FaultKinds = []FaultKind{
	FaultStop, FaultVanish, FaultRestart, FaultHang, FaultDrop, FaultDelay, FaultLoss, FaultPartition, FaultSkew,
	FaultWrongSwarm, FaultCorrupt, FaultDropAnswers, FaultNoMethod,
}

// maxFaultDelay bounds the delay of a request.
const maxFaultDelay = 10 * time.Minute

// Fault is a fault of a node. Settings that do not belong to its kind are zero.
type Fault struct {
	Kind   FaultKind     `json:"kind"`
	Share  float64       `json:"share,omitempty"` // of requests or packets, more than 0 and at most 1; 0 means all
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	Group  int           `json:"group,omitempty"` // 0 means 1; nodes without this fault are in group 0
	Skew   time.Duration `json:"skew,omitempty"`
	// Requests narrows the fault to one of FaultRequests; empty means all.
	Requests string `json:"requests,omitempty"`
}

// NodeFault is a fault of one of the devnet's nodes.
type NodeFault struct {
	Fault
	Index         int    `json:"index"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
}

// complete fills in defaults. It returns ErrFault for an invalid fault.
func (f Fault) complete() (Fault, error) {
	settings, ok := takes[f.Kind]
	if !ok {
		return f, fmt.Errorf("%w: %q is none of %v", ErrFault, f.Kind, FaultKinds)
	}
	given := []struct {
		name string
		set  bool
	}{
		{"share", f.Share != 0}, {"delay", f.Delay != 0}, {"jitter", f.Jitter != 0}, {"group", f.Group != 0},
		{"skew", f.Skew != 0}, {"requests", f.Requests != ""},
	}
	for _, setting := range given {
		if setting.set && !slices.Contains(settings, setting.name) {
			return f, fmt.Errorf("%w: %s takes no %s", ErrFault, f.Kind, setting.name)
		}
	}
	if slices.Contains(settings, "share") && f.Share == 0 {
		f.Share = 1
	}
	if f.Kind == FaultPartition && f.Group == 0 {
		f.Group = 1
	}
	switch {
	case !(f.Share >= 0 && f.Share <= 1):
		return f, fmt.Errorf("%w: %w", ErrFault, errShare)
	case f.Delay < 0 || f.Jitter < 0 || f.Delay+f.Jitter > maxFaultDelay:
		return f, fmt.Errorf("%w: a delay is at most %v", ErrFault, maxFaultDelay)
	case f.Kind == FaultDelay && f.Delay+f.Jitter == 0:
		return f, fmt.Errorf("%w: how long a delay?", ErrFault)
	case f.Kind == FaultLoss && !given[0].set:
		return f, fmt.Errorf("%w: how large a share is lost?", ErrFault)
	case f.Kind == FaultSkew && f.Skew == 0:
		return f, fmt.Errorf("%w: how much skew?", ErrFault)
	case f.Requests != "" && !slices.Contains(FaultRequests, f.Requests):
		return f, fmt.Errorf("%w: requests are one of %v", ErrFault, FaultRequests)
	case f.Kind == FaultNoMethod && f.Requests != "" && !f.ofMethod():
		return f, fmt.Errorf("%w: what a node can lack is one of %v", ErrFault, methods)
	case f.Group < 0:
		return f, fmt.Errorf("%w: %w", ErrFault, errGroup)
	}
	return f, nil
}

// ofMethod reports whether the fault happens to one method of the storage RPC.
func (f Fault) ofMethod() bool { return slices.Contains(methods, f.Requests) }

// lacks reports whether a node with this FaultNoMethod lacks a method.
func (f Fault) lacks(method string) bool {
	if f.Requests != "" {
		return method == f.Requests
	}
	return method == syncroute.MethodListen || method == syncroute.MethodDeliver
}

// ParseShare reads a share: a fraction such as 0.01, or a percentage such as 1%.
func ParseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a fraction nor a percentage", text)
	}
	if percent {
		share /= 100
	}
	return share, nil
}

// ParseFault reads a fault in its short form, a kind and settings after commas: "drop,share=0.1" or
// "delay,node=3,delay=200ms,jitter=50ms". node= names a node by index or key and may be repeated; none means all nodes.
func ParseFault(text string) (fault Fault, nodes []string, err error) {
	kind, settings, _ := strings.Cut(text, ",")
	fault.Kind = FaultKind(kind)
	for setting := range strings.SplitSeq(settings, ",") {
		if setting == "" {
			continue
		}
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case "node":
			nodes = append(nodes, value)
		case "share":
			if fault.Share, err = ParseShare(value); err == nil && fault.Share == 0 {
				err = errShare
			}
		case "delay":
			fault.Delay, err = time.ParseDuration(value)
		case "jitter":
			fault.Jitter, err = time.ParseDuration(value)
		case "skew":
			fault.Skew, err = time.ParseDuration(value)
		case "requests":
			fault.Requests = value
		case "group":
			if fault.Group, err = strconv.Atoi(value); err == nil && fault.Group == 0 {
				err = errGroup
			}
		default:
			err = errors.New("no such setting")
		}
		if err != nil {
			return fault, nil, fmt.Errorf("%w: %q in %q: %w", ErrFault, setting, text, err)
		}
	}
	_, err = fault.complete()
	return fault, nodes, err
}

// SetFault sets a fault of nodes, which are named as in [Network.Find], and returns the faults that it set. A fault
// replaces an earlier one of the same kind. Stopping a stopped node is no error.
func (n *Network) SetFault(ctx context.Context, nodes []string, fault Fault) ([]NodeFault, error) {
	fault, err := fault.complete()
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	chosen, err := n.find(nodes)
	if err != nil {
		return nil, err
	}
	set := make([]NodeFault, len(chosen))
	for k, i := range chosen {
		m := n.members[i]
		set[k] = NodeFault{Fault: fault, Index: i, PubkeyEd25519: m.keys.Name()}
		switch fault.Kind {
		case FaultStop, FaultVanish:
			err = n.stopMember(ctx, m, fault.Kind)
		case FaultRestart:
			if err = n.stopMember(ctx, m, fault.Kind); err == nil {
				err = n.restartMember(ctx, m)
			}
		default:
			m.faults.set(fault)
		}
		if err != nil {
			return set[:k], err
		}
	}
	n.cutPartitions(fault.Kind)
	return set, nil
}

// ClearFaults clears faults of nodes, all of them or those of the given kinds, and returns the cleared faults. It
// starts stopped nodes again.
func (n *Network) ClearFaults(ctx context.Context, nodes []string, kinds ...FaultKind) ([]NodeFault, error) {
	for _, kind := range kinds {
		if _, ok := takes[kind]; !ok {
			return nil, fmt.Errorf("%w: %q is none of %v", ErrFault, kind, FaultKinds)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	chosen, err := n.find(nodes)
	if err != nil {
		return nil, err
	}
	cleared := []NodeFault{}
	for _, i := range chosen {
		m := n.members[i]
		for _, fault := range m.allFaults(i) {
			if len(kinds) > 0 && !slices.Contains(kinds, fault.Kind) {
				continue
			}
			if fault.Kind == m.stoppedBy {
				if err := n.restartMember(ctx, m); err != nil {
					return cleared, err
				}
			}
			m.faults.clear(fault.Kind)
			cleared = append(cleared, fault)
		}
	}
	n.cutPartitions(kinds...)
	return cleared, nil
}

// Faults lists the faults, node by node.
func (n *Network) Faults() []NodeFault {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := []NodeFault{}
	for i, m := range n.members {
		all = append(all, m.allFaults(i)...)
	}
	return all
}

// allFaults lists the member's faults in the order of FaultKinds. The caller holds the network's lock.
func (m *member) allFaults(i int) (all []NodeFault) {
	set := m.faults.current()
	for _, kind := range FaultKinds {
		fault, ok := set[kind]
		if kind == m.stoppedBy {
			fault, ok = Fault{Kind: kind}, true
		}
		if ok {
			all = append(all, NodeFault{Fault: fault, Index: i, PubkeyEd25519: m.keys.Name()})
		}
	}
	return all
}

// cutPartitions cuts the connections of nodes that no longer reach each other, if one of the kinds may have changed
// that; none means any kind.
func (n *Network) cutPartitions(kinds ...FaultKind) {
	if len(kinds) > 0 && !slices.Contains(kinds, FaultPartition) {
		return
	}
	for _, m := range n.members {
		m.faults.cutConnections()
	}
}

// Find returns the indices of nodes that are named by their index or by their Ed25519 key in hex; "all", or no name,
// means every node. It returns ErrNode for an unknown name.
func (n *Network) Find(nodes []string) ([]int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.find(nodes)
}

// find is Find for a caller that holds n.mu.
func (n *Network) find(nodes []string) (chosen []int, err error) {
	if len(nodes) == 0 {
		nodes = []string{"all"}
	}
	for _, name := range nodes {
		switch i, err := strconv.Atoi(name); {
		case name == "all":
			for i, m := range n.members {
				if m.failed == nil {
					chosen = append(chosen, i)
				}
			}
		case err == nil && i >= 0 && i < len(n.members):
			if failed := n.members[i].failed; failed != nil {
				return nil, fmt.Errorf("%w: node %d has not started: %w", ErrNode, i, failed)
			}
			chosen = append(chosen, i)
		default:
			i = slices.IndexFunc(n.members, func(m *member) bool { return m.keys.Name() == strings.ToLower(name) })
			if i < 0 {
				return nil, fmt.Errorf("%w: %q", ErrNode, name)
			}
			chosen = append(chosen, i)
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}
