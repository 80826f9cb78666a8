// Package meter measures what service nodes answer to clients and to each other, and shows it: in figures of a node, and
// in the Prometheus text format at an HTTP endpoint.
package meter

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/metrics"
	"sessiontool/lib/node"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// durations are the bounds of the histograms of request durations, in seconds. A store takes an fsync, an onion request
// up to four round trips, and a hop waits at most ten seconds.
var durations = []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Meter wraps a node's handler and measures its answers to clients and nodes. It continues over restarts of the node.
type Meter struct {
	requests metrics.Counts
	took     map[string]*metrics.Histogram // by endpoint
}

// endpoints names the paths that nodes serve, as they are called in metrics.
var endpoints = map[string]string{
	storage.RPCPath: "storage", onion.V1.Path(): "onion_v1", onion.V2.Path(): "onion_v2", onion.ProxyPath: "proxy",
	storage.StatsPath: "stats",
}

const (
	// Peer is the endpoint of requests between nodes, all below peerPrefix.
	Peer       = "peer"
	peerPrefix = "/swarms/" // as in replication.PushPath
	// otherEndpoint is every other path, so that clients cannot add names.
	otherEndpoint = "other"
)

// New makes a meter that has counted nothing.
func New() *Meter {
	m := &Meter{took: make(map[string]*metrics.Histogram)}
	for _, name := range endpoints {
		m.took[name] = metrics.NewHistogram(durations...)
	}
	m.took[otherEndpoint] = metrics.NewHistogram(durations...)
	m.took[Peer] = metrics.NewHistogram(durations...)
	return m
}

// EndpointOf returns the name in metrics of the endpoint at a path.
func EndpointOf(path string) string {
	if name, ok := endpoints[path]; ok {
		return name
	}
	if strings.HasPrefix(path, peerPrefix) {
		return Peer
	}
	return otherEndpoint
}

// Wrap measures next. A request that gets no answer counts with status 0.
func (m *Meter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, started, name := &statusWriter{ResponseWriter: w}, time.Now(), EndpointOf(r.URL.Path)
		defer func() {
			m.requests.Add(name, seen.status)
			m.took[name].Observe(time.Since(started).Seconds())
		}()
		next.ServeHTTP(seen, r)
	})
}

// Requests returns how often each endpoint gave each status.
func (m *Meter) Requests() []metrics.Count { return m.requests.All() }

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets net/http find the other methods of the writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Measured is a node in a scrape. Node is nil while it does not run.
type Measured struct {
	Name  string
	Meter *Meter
	Node  *node.Node
}

// Write writes the metrics of nodes in the Prometheus text format. They contain shortened node keys, but never keys or
// addresses of users.
func Write(out io.Writer, nodes []Measured) error {
	stats := make([]node.Stats, len(nodes))
	for i, m := range nodes {
		if m.Node == nil {
			continue
		}
		var err error
		if stats[i], err = m.Node.Stats(); err != nil {
			return err
		}
	}
	w := metrics.NewWriter(out)
	writeRequests(w, nodes)
	for _, family := range statFamilies {
		w.Family(family.name, family.kind, family.help)
		for i, m := range nodes {
			if m.Node != nil {
				family.write(w, family.name, m.Name, stats[i])
			}
		}
	}
	return w.Flush()
}

// writeRequests writes the measurements of meter.
func writeRequests(w *metrics.Writer, nodes []Measured) {
	w.Family("sessiontool_node_up", "gauge", "Whether the node runs.")
	for _, m := range nodes {
		up := 0.0
		if m.Node != nil {
			up = 1
		}
		w.Sample("sessiontool_node_up", up, "node", m.Name)
	}
	w.Family("sessiontool_requests_total", "counter", "HTTP requests by endpoint and status; status 0 got no answer.")
	for _, m := range nodes {
		for _, count := range m.Meter.requests.All() {
			w.Sample("sessiontool_requests_total", float64(count.Times),
				"node", m.Name, "endpoint", count.What, "status", strconv.Itoa(count.Status))
		}
	}
	const took = "sessiontool_request_duration_seconds"
	w.Family(took, "histogram", "Time until the answer was written, by endpoint.")
	for _, m := range nodes {
		for _, name := range slices.Sorted(maps.Keys(m.Meter.took)) {
			w.Histogram(took, m.Meter.took[name], "node", m.Name, "endpoint", name)
		}
	}
}

// statFamilies are the metrics from [node.Stats].
var statFamilies = []struct {
	name, kind, help string
	write            func(w *metrics.Writer, name, node string, stats node.Stats)
}{
	{"sessiontool_storage_requests_total", "counter", "Storage requests by method and status, direct or in onions.",
		func(w *metrics.Writer, name, node string, stats node.Stats) {
			for _, count := range stats.Storage {
				status := strconv.Itoa(count.Status)
				w.Sample(name, float64(count.Times), "node", node, "method", count.What, "status", status)
			}
		}},
	{"sessiontool_onion_layers_total", "counter", "Onion layers opened, by step: relay, final (the exit), ...",
		func(w *metrics.Writer, name, node string, stats node.Stats) {
			for _, count := range stats.Onions {
				w.Sample(name, float64(count.Times), "node", node, "step", count.What)
			}
		}},
	{"sessiontool_peer_requests_total", "counter", "Requests from other nodes, by path and status.",
		func(w *metrics.Writer, name, node string, stats node.Stats) {
			for _, count := range stats.Pushes {
				status := strconv.Itoa(count.Status)
				w.Sample(name, float64(count.Times), "node", node, "path", count.What, "status", status)
			}
		}},
	{"sessiontool_expired_messages_total", "counter", "Messages removed because their time was over.",
		single(func(stats node.Stats) float64 { return float64(stats.Expired) })},
	{"sessiontool_messages", "gauge", "Messages held.",
		single(func(stats node.Stats) float64 { return float64(stats.Messages) })},
	{"sessiontool_queued_messages", "gauge", "Replica updates that are pending for another node of the swarm.",
		single(func(stats node.Stats) float64 { return float64(stats.Queued) })},
	{"sessiontool_listeners", "gauge", "Clients that listen for messages.",
		single(func(stats node.Stats) float64 { return float64(stats.Listeners) })},
	{"sessiontool_waiting_deliveries", "gauge", "Deliveries that no listener has acknowledged yet.",
		single(func(stats node.Stats) float64 { return float64(stats.Waiting) })},
	{"sessiontool_store_bytes", "gauge", "Size of the message database in use.",
		single(func(stats node.Stats) float64 { return float64(stats.Bytes) })},
}

// single writes a family that has one value for a node.
func single(value func(node.Stats) float64) func(w *metrics.Writer, name, node string, stats node.Stats) {
	return func(w *metrics.Writer, name, node string, stats node.Stats) {
		w.Sample(name, value(stats), "node", node)
	}
}
