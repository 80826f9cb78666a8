package devnet

import (
	"io"

	"sessiontool/lib/devnet/meter"
)

// WriteMetrics writes what the network's own nodes have done, in the Prometheus text format.
func (n *Network) WriteMetrics(out io.Writer) error {
	n.mu.Lock()
	defer n.mu.Unlock() // no node stops meanwhile
	nodes := make([]meter.Measured, len(n.members))
	for i, m := range n.members {
		nodes[i] = meter.Measured{Name: m.keys.Name()[:8], Meter: m.meter, Node: m.node}
	}
	return meter.Write(out, nodes)
}

// WriteMetrics writes what the node has done, in the Prometheus text format.
func (r *Running) WriteMetrics(out io.Writer) error {
	return meter.Write(out, []meter.Measured{{Name: r.info.PubkeyEd25519[:8], Meter: r.meter, Node: r.node}})
}
