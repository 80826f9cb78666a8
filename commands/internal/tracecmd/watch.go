package tracecmd

import (
	"fmt"
	"slices"
	"time"

	"sessiontool/lib/record"
	"sessiontool/lib/route/mailbox"
)

// maxSamples bounds the latencies and lags that are kept of a member, and maxSeen the messages whose way between the
// members is followed. The oldest go first.
const (
	maxSamples = 4096
	maxSeen    = 50_000
)

// watch is what was seen of a swarm so far.
type watch struct {
	warnLag time.Duration
	warned  string // the first lag that was too long
	rounds  int
	members map[string]*memberSeen
	first   map[string]time.Time // by hash: when a look first found it at a member that had been read before
	began   time.Time
}

// memberSeen is what was seen of one member.
type memberSeen struct {
	held       map[string]bool
	read       bool // its list was read at least once
	latencies  []time.Duration
	lags       []time.Duration
	asked      int
	answered   int
	answeredAt time.Time
}

func newWatch(warnLag time.Duration) *watch {
	return &watch{warnLag: warnLag, members: make(map[string]*memberSeen), first: make(map[string]time.Time)}
}

// see takes a look into account and returns its record.
func (w *watch) see(look mailbox.SwarmCheck, now time.Time) record.SwarmWatch {
	if w.rounds++; w.rounds == 1 {
		w.began = now
	}
	w.note(look, now)
	out := record.SwarmWatch{
		Type: record.TypeSwarmWatch, SessionID: look.SessionID.String(), SwarmID: look.SwarmID.String(),
		At: record.Time(now), Round: w.rounds, Agree: look.Agree, Members: []record.MemberWatch{},
	}
	var longest time.Duration
	for _, m := range look.Members {
		one, lag := w.member(m, now)
		out.Members = append(out.Members, one)
		longest = max(longest, lag)
	}
	out.LagMS = millis(longest)
	if w.warnLag > 0 && longest > w.warnLag {
		out.Warn = true
	}
	return out
}

// note records which messages the members hold now.
func (w *watch) note(look mailbox.SwarmCheck, now time.Time) {
	known := make(map[string]bool)
	for _, m := range look.Members {
		name := m.Node.Ed25519.String()
		known[name] = true
		seen := w.members[name]
		if seen == nil {
			seen = &memberSeen{held: make(map[string]bool), answeredAt: now}
			w.members[name] = seen
		}
		for hash := range m.Held {
			if _, ok := w.first[hash]; !ok && len(w.first) < maxSeen {
				w.first[hash] = now
			}
		}
	}
	for name := range w.members {
		if !known[name] { // it has left the swarm
			delete(w.members, name)
		}
	}
	present := make(map[string]bool)
	for _, m := range look.Members {
		for hash := range m.Held {
			present[hash] = true
		}
	}
	for hash := range w.first { // expired or deleted everywhere
		if !present[hash] && w.complete(look) {
			delete(w.first, hash)
		}
	}
}

// complete reports whether every member was read.
func (w *watch) complete(look mailbox.SwarmCheck) bool {
	return !slices.ContainsFunc(look.Members, func(m mailbox.MemberCheck) bool { return m.Err != nil })
}

// member returns the record of a member, and its lag now: the age of the oldest message that it lacks, or the time since
// its last answer.
func (w *watch) member(m mailbox.MemberCheck, now time.Time) (record.MemberWatch, time.Duration) {
	seen := w.members[m.Node.Ed25519.String()]
	seen.asked++
	out := record.MemberWatch{
		PubkeyEd25519: m.Node.Ed25519.String(), Address: m.Node.Address, Reachable: m.Reachable(), Version: m.Version,
		Messages: m.Messages, Lacking: len(m.Missing), LatencyMS: millis(m.Latency),
	}
	var lag time.Duration
	if m.Err != nil {
		out.Error = m.Err.Error()
		lag = now.Sub(seen.answeredAt)
	} else {
		seen.answered++
		seen.answeredAt = now
	}
	if m.Reachable() {
		seen.latencies = keep(seen.latencies, m.Latency)
	}
	for _, hash := range m.Missing {
		if first, ok := w.first[hash]; ok {
			lag = max(lag, now.Sub(first))
		}
	}
	if m.Held != nil && m.Err == nil {
		for hash := range m.Held {
			if seen.read && !seen.held[hash] {
				seen.lags = keep(seen.lags, now.Sub(w.first[hash]))
			}
		}
		seen.read = true
		clear(seen.held)
		for hash := range m.Held {
			seen.held[hash] = true
		}
	}
	if w.warnLag > 0 && lag > w.warnLag && w.warned == "" {
		what := fmt.Sprintf("lacks %d messages", len(m.Missing))
		if len(m.Missing) == 1 {
			what = "lacks 1 message"
		}
		if m.Err != nil {
			what = "does not answer"
		}
		w.warned = fmt.Sprintf("%s %s for %s", m.Node.Ed25519, what, lag.Round(time.Millisecond))
	}
	out.LagMS, out.Asked, out.Answered = millis(lag), seen.asked, seen.answered
	out.LagP50MS, out.LagP95MS, out.LagMaxMS = millis(percentile(seen.lags, 50)), millis(percentile(seen.lags, 95)),
		millis(percentile(seen.lags, 100))
	out.LatencyP50MS, out.LatencyP95MS, out.LatencyP99MS = millis(percentile(seen.latencies, 50)),
		millis(percentile(seen.latencies, 95)), millis(percentile(seen.latencies, 99))
	return out, lag
}

// keep appends a sample within the bound.
func keep(samples []time.Duration, sample time.Duration) []time.Duration {
	samples = append(samples, sample)
	return samples[max(len(samples)-maxSamples, 0):]
}

// percentile is the smallest sample that share percent of the samples do not exceed; 0 without samples.
func percentile(samples []time.Duration, share int) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[(len(sorted)*share+99)/100-1]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
