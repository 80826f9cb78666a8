package devnet

import (
	"context"
	"fmt"
	"time"
)

// Distance is how far away all nodes of a network seem: [FaultDelay] and [FaultLoss] of every node. The zero Distance
// is that of one machine. Nodes that joined from outside are not affected.
type Distance struct {
	// Latency is how long every request to a node waits, and Jitter how much longer at most, at random. A request that
	// passes several nodes waits at each.
	Latency time.Duration `json:"latency,omitempty"`
	Jitter  time.Duration `json:"jitter,omitempty"`
	// Loss is the share of packets that a node's connections lose, at least 0 and below 1. Between two nodes both lose.
	Loss float64 `json:"loss,omitempty"`
}

// Check returns ErrFault for an impossible distance.
func (d Distance) Check() error {
	_, err := d.faults()
	return err
}

// faults returns the faults that make the distance. It returns ErrFault for an impossible distance.
func (d Distance) faults() (faults []Fault, err error) {
	if !(d.Loss >= 0 && d.Loss < 1) {
		return nil, fmt.Errorf("%w: the share of lost packets is at least 0 and below 1", ErrFault)
	}
	if d.Latency != 0 || d.Jitter != 0 {
		faults = append(faults, Fault{Kind: FaultDelay, Delay: d.Latency, Jitter: d.Jitter})
	}
	if d.Loss != 0 {
		faults = append(faults, Fault{Kind: FaultLoss, Share: d.Loss})
	}
	for i, fault := range faults {
		if faults[i], err = fault.complete(); err != nil {
			return nil, err
		}
	}
	return faults, nil
}

// setDistance sets the faults of Options.Distance.
func (n *Network) setDistance(ctx context.Context) error {
	faults, err := n.options.Distance.faults()
	if err != nil || len(n.members) == 0 {
		return err
	}
	for _, fault := range faults {
		if _, err := n.SetFault(ctx, nil, fault); err != nil {
			return err
		}
	}
	return nil
}

// distance returns what the faults that all nodes have in common make of the network.
func (n *Network) distance() (d Distance) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var delay, loss Fault
	for i, m := range n.members {
		set := m.faults.current()
		if i == 0 {
			delay, loss = set[FaultDelay], set[FaultLoss]
		}
		if set[FaultDelay] != delay || delay.Share != 1 || delay.Requests != "" {
			delay = Fault{}
		}
		if set[FaultLoss] != loss {
			loss = Fault{}
		}
	}
	return Distance{Latency: delay.Delay, Jitter: delay.Jitter, Loss: loss.Share}
}
