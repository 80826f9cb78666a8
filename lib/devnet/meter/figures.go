package meter

import (
	"maps"
	"slices"

	"sessiontool/lib/metrics"
	"sessiontool/lib/node"
)

// Figures are the counts of one node since it started, and how long its answers took.
type Figures struct {
	Storage   []metrics.Count `json:"storage"`
	Onions    []metrics.Count `json:"onions"`
	Peers     []metrics.Count `json:"peers"`
	Durations []Duration      `json:"durations"`
}

// Duration describes the time of a node's answers at one endpoint, in milliseconds. The percentiles are the bounds of
// the histogram's buckets, so they are upper bounds; 10 000 also stands for longer times.
type Duration struct {
	Endpoint string  `json:"endpoint"`
	Count    uint64  `json:"count"`
	P50      float64 `json:"p50_ms"`
	P95      float64 `json:"p95_ms"`
	P99      float64 `json:"p99_ms"`
}

// Figures returns the figures of the meter's node. One that does not run, nil, has those of its endpoints alone.
func (m *Meter) Figures(running *node.Node) (f Figures, err error) {
	for _, name := range slices.Sorted(maps.Keys(m.took)) {
		took := m.took[name]
		if count := took.Count(); count > 0 {
			f.Durations = append(f.Durations, Duration{
				name, count, quantile(took, 0.5), quantile(took, 0.95), quantile(took, 0.99),
			})
		}
	}
	if running == nil {
		return f, nil
	}
	stats, err := running.Stats()
	f.Storage, f.Onions, f.Peers = stats.Storage, stats.Onions, stats.Pushes
	return f, err
}

// quantile returns a quantile in milliseconds, at most the last bound.
func quantile(took *metrics.Histogram, q float64) float64 {
	return 1000 * min(took.Quantile(q), durations[len(durations)-1])
}
