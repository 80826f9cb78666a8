package receivecmd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"sessiontool/commands/internal/cli"
	"sessiontool/commands/internal/hook"
	"sessiontool/lib/metrics"
)

// figures are what a listen shows of itself. They are safe for concurrent use.
type figures struct {
	started  time.Time
	records  metrics.Counts // by type
	hooks    metrics.Counts // by outcome
	polls    metrics.Counts // by result
	hookTime *metrics.Histogram
	queue    func() int // records that wait for a hook, nil without one

	mu       sync.Mutex
	polledAt time.Time // the last poll that succeeded
	tickedAt time.Time // the last poll, whatever its result
	outage   bool
}

func newFigures() *figures {
	now := time.Now()
	return &figures{started: now, tickedAt: now, hookTime: metrics.NewHistogram(0.01, 0.1, 1, 10, 60, 600)}
}

// polled counts a poll.
func (f *figures) polled(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	f.polls.Add(result, 0)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tickedAt = time.Now()
	if err == nil {
		f.polledAt = f.tickedAt
	}
}

// setOutage records whether no node answers.
func (f *figures) setOutage(outage bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outage = outage
}

// ticked returns when the last poll ended.
func (f *figures) ticked() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tickedAt
}

// ran counts a run of a hook.
func (f *figures) ran(result hook.Result) {
	f.hooks.Add(string(result.Outcome), 0)
	f.hookTime.Observe(result.Took.Seconds())
}

// WriteMetrics writes the figures in the text format of Prometheus.
func (f *figures) WriteMetrics(out io.Writer) error {
	f.mu.Lock()
	polledAt, outage := f.polledAt, f.outage
	f.mu.Unlock()
	w := metrics.NewWriter(out)
	w.Family("sessiontool_listen_start_time_seconds", "gauge", "When the process began to listen, in Unix seconds.")
	w.Sample("sessiontool_listen_start_time_seconds", seconds(f.started))
	w.Family("sessiontool_listen_records_total", "counter", "Received records that were printed or handed over, by type.")
	for _, count := range f.records.All() {
		w.Sample("sessiontool_listen_records_total", float64(count.Times), "type", count.What)
	}
	w.Family("sessiontool_listen_polls_total", "counter", "Polls of the account's swarm, by result.")
	for _, count := range f.polls.All() {
		w.Sample("sessiontool_listen_polls_total", float64(count.Times), "result", count.What)
	}
	w.Family("sessiontool_listen_last_poll_time_seconds", "gauge", "When a poll last succeeded, in Unix seconds; 0 if none has.")
	w.Sample("sessiontool_listen_last_poll_time_seconds", seconds(polledAt))
	w.Family("sessiontool_listen_outage", "gauge", "Whether no node has answered for half a minute or more.")
	w.Sample("sessiontool_listen_outage", map[bool]float64{true: 1}[outage])
	if f.queue != nil {
		w.Family("sessiontool_listen_hook_runs_total", "counter", "Runs of the command of --exec, by outcome.")
		for _, count := range f.hooks.All() {
			w.Sample("sessiontool_listen_hook_runs_total", float64(count.Times), "outcome", count.What)
		}
		w.Family("sessiontool_listen_hook_seconds", "histogram", "How long the command of --exec ran.")
		w.Histogram("sessiontool_listen_hook_seconds", f.hookTime)
		w.Family("sessiontool_listen_hook_queue", "gauge", "Received records that wait for the command of --exec, or are in it.")
		w.Sample("sessiontool_listen_hook_queue", float64(f.queue()))
	}
	return w.Flush()
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// checkMetrics returns an error for an address of metrics that other machines reach, unless public allows that.
func checkMetrics(address string, public bool) error {
	if address == "" && public {
		return cli.UsageError(errors.New("--metrics-public needs --metrics"))
	}
	if address == "" || public {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return cli.UsageError(fmt.Errorf("--metrics: %w", err))
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return cli.UsageError(fmt.Errorf("--metrics %s: other machines may reach that; use 127.0.0.1, or --metrics-public",
			address))
	}
	return nil
}
