package node

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// BenchmarkStore measures durable stores over HTTPS: 64 clients with a connection each, a lone node, 400 characters.
func BenchmarkStore(b *testing.B) {
	network := startNetwork(b, []swarm.SwarmID{5}, nil)
	network.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	key := newUser(b, 5).pubKey()
	data := make([]byte, 390)
	for i := range data {
		data[i] = 'x'
	}
	requests := make([][]byte, b.N)
	for i := range requests {
		requests[i] = request(b, rpc.MethodStore, solved(b, key, string(data)+strconv.Itoa(i), time.Now(), 24*time.Hour, 1))
	}
	var next atomic.Int64
	b.SetParallelism(32) // times two processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			got, err := network.try(0, http.MethodPost, rpc.StoragePath, nil, requests[next.Add(1)-1])
			if err != nil || got.status != 200 {
				b.Errorf("store: %v, %v", got, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "stores/s")
}

// BenchmarkOnion measures a request over three relays to its target, all in this process.
func BenchmarkOnion(b *testing.B) {
	network := startNetwork(b, []swarm.SwarmID{5, 5, 5, 5}, nil)
	payload := request(b, rpc.MethodSwarm, rpc.SwarmParams{PubKey: newUser(b, 5).pubKey()})
	wrapped := network.wrap(onion.V2, []int{0, 1, 2, 3}, payload)
	for b.Loop() {
		if got := network.do(0, http.MethodPost, onion.V2.Path(), nil, wrapped.Body); got.status != 200 {
			b.Fatal(got)
		}
	}
}
