package devnet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sessiontool/lib/internal/clients"
	"sessiontool/lib/metrics"
	"sessiontool/lib/node"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
)

// MetricsPath is the path of a [Metrics] endpoint.
const MetricsPath = "/metrics"

// durations are the bounds of the histograms of request durations, in seconds. A store takes an fsync, an onion request
// up to four round trips, and a hop waits at most ten seconds.
var durations = []float64{0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// meter wraps a node's handler and measures its answers to clients and nodes. It continues over restarts of the node.
type meter struct {
	requests metrics.Counts
	took     map[string]*metrics.Histogram // by endpoint
}

// endpoints names the paths that nodes serve, as they are called in metrics.
var endpoints = map[string]string{
	storage.RPCPath: "storage", onion.V1.Path(): "onion_v1", onion.V2.Path(): "onion_v2", onion.ProxyPath: "proxy",
	storage.StatsPath: "stats",
}

const (
	peerEndpoint = "peer"     // requests between nodes, all below peerPrefix
	peerPrefix   = "/swarms/" // as in replication.PushPath
	// otherEndpoint is every other path, so that clients cannot add names.
	otherEndpoint = "other"
)

func newMeter() *meter {
	m := &meter{took: make(map[string]*metrics.Histogram)}
	for _, name := range endpoints {
		m.took[name] = metrics.NewHistogram(durations...)
	}
	m.took[otherEndpoint] = metrics.NewHistogram(durations...)
	m.took[peerEndpoint] = metrics.NewHistogram(durations...)
	return m
}

func endpointOf(path string) string {
	if name, ok := endpoints[path]; ok {
		return name
	}
	if strings.HasPrefix(path, peerPrefix) {
		return peerEndpoint
	}
	return otherEndpoint
}

// wrap measures next. A request that gets no answer counts with status 0.
func (m *meter) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, started, name := &statusWriter{ResponseWriter: w}, time.Now(), endpointOf(r.URL.Path)
		defer func() {
			m.requests.Add(name, seen.status)
			m.took[name].Observe(time.Since(started).Seconds())
		}()
		next.ServeHTTP(seen, r)
	})
}

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

// measured is a node in a scrape. node is nil while it does not run.
type measured struct {
	name  string
	meter *meter
	node  *node.Node
}

// writeMetrics writes the metrics of nodes. They contain shortened node keys, but never keys or addresses of users.
func writeMetrics(out io.Writer, nodes []measured) error {
	stats := make([]node.Stats, len(nodes))
	for i, m := range nodes {
		if m.node == nil {
			continue
		}
		var err error
		if stats[i], err = m.node.Stats(); err != nil {
			return err
		}
	}
	w := metrics.NewWriter(out)
	writeRequests(w, nodes)
	for _, family := range statFamilies {
		w.Family(family.name, family.kind, family.help)
		for i, m := range nodes {
			if m.node != nil {
				family.write(w, family.name, m.name, stats[i])
			}
		}
	}
	return w.Flush()
}

// writeRequests writes the measurements of meter.
func writeRequests(w *metrics.Writer, nodes []measured) {
	w.Family("sessiontool_node_up", "gauge", "Whether the node runs.")
	for _, m := range nodes {
		up := 0.0
		if m.node != nil {
			up = 1
		}
		w.Sample("sessiontool_node_up", up, "node", m.name)
	}
	w.Family("sessiontool_requests_total", "counter", "HTTP requests by endpoint and status; status 0 got no answer.")
	for _, m := range nodes {
		for _, count := range m.meter.requests.All() {
			w.Sample("sessiontool_requests_total", float64(count.Times),
				"node", m.name, "endpoint", count.What, "status", strconv.Itoa(count.Status))
		}
	}
	const took = "sessiontool_request_duration_seconds"
	w.Family(took, "histogram", "Time until the answer was written, by endpoint.")
	for _, m := range nodes {
		for _, name := range slices.Sorted(maps.Keys(m.meter.took)) {
			w.Histogram(took, m.meter.took[name], "node", m.name, "endpoint", name)
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

// WriteMetrics writes what the network's own nodes have done, in the Prometheus text format.
func (n *Network) WriteMetrics(out io.Writer) error {
	n.mu.Lock()
	defer n.mu.Unlock() // no node stops meanwhile
	nodes := make([]measured, len(n.members))
	for i, m := range n.members {
		nodes[i] = measured{m.keys.Name()[:8], m.meter, m.node}
	}
	return writeMetrics(out, nodes)
}

// WriteMetrics writes what the node has done, in the Prometheus text format.
func (r *Running) WriteMetrics(out io.Writer) error {
	return writeMetrics(out, []measured{{r.info.PubkeyEd25519[:8], r.meter, r.node}})
}

// Metrics is an HTTP endpoint for a Prometheus server.
type Metrics struct {
	server *http.Server
	url    string
	done   chan struct{}
}

// ServeMetrics answers GET [MetricsPath] at address, a host and port, with the output of source. [Metrics.Close] ends
// it.
func ServeMetrics(
	address string, source interface{ WriteMetrics(io.Writer) error }, log *slog.Logger,
) (*Metrics, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+MetricsPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		if err := source.WriteMetrics(w); err != nil {
			log.Warn("writing metrics", "error", err)
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
	})
	m := &Metrics{
		server: &http.Server{
			Handler:     clients.RefuseBrowsers(mux),
			ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		},
		url: "http://" + listener.Addr().String() + MetricsPath, done: make(chan struct{}),
	}
	go func() {
		defer close(m.done)
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics endpoint has stopped", "error", err)
		}
	}()
	return m, nil
}

// URL returns the URL of the metrics.
func (m *Metrics) URL() string { return m.url }

// Close ends the endpoint. It lets running scrapes finish until ctx ends.
func (m *Metrics) Close(ctx context.Context) error {
	err := m.server.Shutdown(ctx)
	if err != nil {
		err = m.server.Close()
	}
	<-m.done
	return err
}
