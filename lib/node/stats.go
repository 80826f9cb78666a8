package node

import (
	"slices"

	"sessiontool/lib/metrics"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/syncroute"
)

// counters are what a node counts of its work, as far as it cannot be seen from outside.
type counters struct {
	storage metrics.Counts // storage requests by method, whichever way they came
	onions  metrics.Counts // opened onion layers by what they ask for
	pushes  metrics.Counts // requests of other nodes by path
}

// Stats is what a node has done since it started, and what it holds now.
type Stats struct {
	Storage   []metrics.Count // storage requests by method ("store", "retrieve", ...), direct or in onions
	Onions    []metrics.Count // opened onion layers by step ("relay", "final", ...), without a status
	Pushes    []metrics.Count // requests of other nodes by path, such as PushPath
	Expired   uint64          // messages removed because their time was over
	Messages  int             // messages held
	Queued    int             // messages that some other node has yet to get
	Bytes     int64           // size of the database in use
	Listeners int             // listeners
	Waiting   int             // deliveries that wait to be acknowledged
}

// Stats counts. It walks an index of the messages, so it is for scrapes, not for every request.
func (n *Node) Stats() (Stats, error) {
	stored, err := n.store.Stats()
	stats := Stats{
		Storage:  n.counters.storage.All(),
		Onions:   n.counters.onions.All(),
		Pushes:   n.counters.pushes.All(),
		Expired:  stored.Expired,
		Messages: stored.Messages,
		Queued:   stored.Queued,
		Bytes:    stored.Bytes,
	}
	load := n.hub.Load()
	stats.Listeners, stats.Waiting = load.Listeners, load.Pending
	return stats, err
}

// methodLabel is how a storage request's method is called in counts, to which strangers must not add names.
func methodLabel(method string) string {
	switch method {
	case storage.MethodStore, storage.MethodRetrieve, storage.MethodSwarm, syncroute.MethodListen, syncroute.MethodDeliver:
		return method
	}
	if slices.Contains(methods28, method) || method == rpc28.MethodActiveNodes {
		return method
	}
	return "other"
}
