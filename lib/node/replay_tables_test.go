package node

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// leftOut is a class of rows that are not replayed.
type leftOut struct {
	name string
	is   func(r *replay, i int) bool
	why  string
}

// unplayed are tried in this order, for rows that are of none of the kinds.
var unplayed = []leftOut{
	{"certificate", func(r *replay, i int) bool { return r.rows[i].Certificate != "" },
		"it is the recorded node's own; ours show P-256 or Ed25519 keys, which TestTLSVersions tries"},
	{"sealed", func(r *replay, i int) bool { return r.sealed(i) },
		"only the recorded node has the key, and what was inside is not recorded"},
	{"raw answer", func(r *replay, i int) bool { return r.rows[i].Raw != "" },
		"it shows that the connection was closed after one answer; ours are kept, and the request is not recorded"},
	{"LokiMQ", func(r *replay, i int) bool {
		return r.rows[i].Frames != nil || r.rows[i].FramesSent != nil || aboutLokiMQ(r.rows[i])
	},
		"ZeroMQ is spoken among the 2020 nodes alone; ours push over HTTPS, see TestPushAccepts and FuzzPeerRequests"},
	{"tests of nodes", func(r *replay, i int) bool { return strings.HasPrefix(r.rows[i].Path, "/swarms/") },
		"2020 nodes tested each other's blockchain and reachability at these paths; ours have no lokid and do not"},
	{"file proxy", func(r *replay, i int) bool { return r.rows[i].Path == fileProxyPath },
		"ours are no way out to other servers"},
	{"findings about a row", func(r *replay, i int) bool { return r.rows[i].Info != nil && r.about(i) },
		"the recorder's comment on the row before, which is replayed and compared itself"},
	{"findings about a run", func(r *replay, i int) bool { return r.rows[i].Info != nil },
		"the recorder's sentence on what many requests, a clock or a killed process showed, without the requests: replication, " +
			"hand-over, limits and restarts have tests of their own (TestChurn, TestKill, TestHandOver, TestRateLimitOverHTTP, TestExpiry)"},
}

var lokiMQ = regexp.MustCompile(`LokiMQ|\bsn\.|b'(REPLY|UNKNOWNCOMMAND|FORBIDDEN_SN)'`)

func aboutLokiMQ(row row) bool {
	return row.Info != nil && (lokiMQ.MatchString(row.Note) || lokiMQ.MatchString(*row.Info))
}

// about reports whether the row before a finding is an exchange.
func (r *replay) about(i int) bool {
	return i > 0 && (r.rows[i-1].Method != "" || r.rows[i-1].Hops != nil || r.rows[i-1].Key != "")
}

// What our answers differ in from the recorded ones.
const (
	silent        = "refused at once"
	noNames       = "no names"
	parserText    = "text of the JSON parser"
	foreignHash   = "last hash of another key"
	expiredServed = "expired messages"
	oddNumbers    = "oddly written numbers"
	order         = "order at another member"
	noWayOut      = "no way out"
	newerTLS      = "TLS 1.3"
	ownProtocol   = "own protocol between nodes"
	badBatch      = "batch that does not parse"
	elsewhere     = "message of another swarm"
	replaced      = "proof of before a change"
)

// reasons says why.
var reasons = map[string]string{
	silent:        "the recorded server never answers a wrong JSON type, an oversized body or a layer too short to read, or dies of it; ours says 4xx",
	noNames:       "get_lns_mapping passes on what the blockchain says, which ours do not have: an unknown method",
	parserText:    "what follows the first words is the wording of the C++ parser there",
	foreignHash:   "there another key's newer message hides older ones of the key that is asked for; ours answers as to an unknown hash",
	expiredServed: "there they are served until the next sweep, here never",
	oddNumbers:    "a number written as \"086400000\" is hashed as sent; recorded peers drop such a message, ours keep what the entry node acknowledged",
	order:         "messages are served in the order of their arrival, which is each member's own",
	noWayOut:      "a request to a web server is refused with the sealed text for a bad URL, whatever the URL",
	newerTLS:      "accepted, as nodes of 2.8 do",
	ownProtocol:   "the messages are the same; path, signature and encoding are ours, a missing header is 401 instead of 500, and the answer counts",
	badBatch:      "400 instead of an empty 200, so that the sender knows",
	replaced:      "kept for a quarter of an hour after the change, as the node that took it may have learned of it later",
	elsewhere:     "refused, where the recorded node keeps it and never serves it",
}

// differ notes a difference of the current row.
func (r *replay) differ(what string) {
	r.t.Helper()
	if reasons[what] == "" {
		r.t.Errorf("no reason is given for the difference %q", what)
	}
	r.differences[what]++
}

// report prints the counts.
func (r *replay) report() {
	r.t.Helper()
	total := 0
	for _, name := range slices.Sorted(maps.Keys(r.replayed)) {
		r.t.Logf("replayed: %3d %s", r.replayed[name], name)
		total += r.replayed[name]
	}
	r.t.Logf("%d of %d rows replayed", total, len(r.rows))
	for _, u := range unplayed {
		if count := r.left[u.name]; count > 0 {
			r.t.Logf("not replayed: %3d %s: %s", count, u.name, u.why)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(r.differences)) {
		r.t.Logf("different: %3d %s: %s", r.differences[what], what, reasons[what])
	}
}
