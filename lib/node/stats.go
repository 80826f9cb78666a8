package node

import (
	"slices"

	"sessiontool/lib/metrics"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/syncroute"
)

// counters count the work of a node that its HTTP answers do not show.
type counters struct {
	storage metrics.Counts // storage requests by method, direct or in onions
	onions  metrics.Counts // opened onion layers by step
	pushes  metrics.Counts // requests of other nodes by path
}

// Stats counts the work of a node since it started, and its present messages, deliveries and listeners.
type Stats struct {
	Storage   []metrics.Count // storage requests by method ("store", "retrieve", ...), direct or in onions
	Onions    []metrics.Count // opened onion layers by step ("relay", "final", ...), without a status
	Pushes    []metrics.Count // requests of other nodes by path, such as PushPath
	Expired   uint64          // messages removed because their time was over
	Messages  int             // messages held
	Queued    int             // changes that are pending for another node
	Bytes     int64           // size of the database in use
	Listeners int             // listeners
	Waiting   int             // deliveries that wait to be acknowledged
}

// Stats returns the counts. It walks an index of the messages, so it is for scrapes, not for every request.
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

// methodLabel returns the name of a storage request's method in counts. Unknown methods share one name, so that clients
// cannot add names.
func methodLabel(method string) string {
	switch method {
	case storage.MethodStore, storage.MethodRetrieve, storage.MethodSwarm, syncroute.MethodListen,
		syncroute.MethodDeliver:
		return method
	}
	if slices.Contains(methods28, method) || method == rpc28.MethodActiveNodes {
		return method
	}
	return "other"
}
