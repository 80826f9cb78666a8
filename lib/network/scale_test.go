package network

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/x25519"
)

// generatedList returns the answer of a seed with nodes in swarms of five, all different.
func generatedList(b *testing.B, count int) []byte {
	b.Helper()
	random := rand.NewChaCha8([32]byte{1})
	states := make([]nodelist.State, count)
	var swarmID uint64
	for i := range states {
		public, _, err := ed25519.GenerateKey(random)
		if err != nil {
			b.Fatal(err)
		}
		pair, err := x25519.GenerateKey(random)
		if err != nil {
			b.Fatal(err)
		}
		if i%5 == 0 {
			swarmID = random.Uint64() - 1
		}
		name := hex.EncodeToString(public)
		states[i] = nodelist.State{
			PubkeyLegacy: name, PubkeyEd25519: name, PubkeyX25519: pair.Public.String(), PublicIP: "203.0.113.77",
			StoragePort: uint16(1024 + i), SwarmID: swarmID, Funded: true, Active: true,
		}
	}
	answer, err := json.Marshal(map[string]any{"result": map[string]any{"service_node_states": states}})
	if err != nil {
		b.Fatal(err)
	}
	return answer
}

// BenchmarkNodeList measures a network of 2 000 nodes in 400 swarms: how long a client takes to fetch the list from three
// seeds, check it and write its file, how long the next process takes to read it and to find a swarm, and how much
// memory each needs until it has done so.
func BenchmarkNodeList(b *testing.B) {
	answer := generatedList(b, 2000)
	config := Config{Random: rand.NewChaCha8([32]byte{2}), Now: time.Now}
	for range seedsAsked {
		config.Seeds = append(config.Seeds, serve(b, func(w http.ResponseWriter, _ *http.Request) { w.Write(answer) }))
	}
	run := func(b *testing.B, file func(i int) string) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.ResetTimer()
		for i := range b.N {
			config.StateFile = file(i)
			c, err := New(config)
			if err != nil {
				b.Fatal(err)
			}
			if nodes, err := c.Nodes(b.Context()); err != nil || len(nodes) != 2000 {
				b.Fatalf("%d nodes, %v", len(nodes), err)
			}
			c.mu.Lock()
			_, members, ok := c.ring(sessionid.ID{5, byte(i)})
			c.mu.Unlock()
			if !ok || len(members) != 5 {
				b.Fatalf("a swarm of %d", len(members))
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		runtime.ReadMemStats(&after)
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/list")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/(1<<20), "MiB/list")
	}
	dir := b.TempDir()
	b.Run("fetched", func(b *testing.B) {
		run(b, func(int) string { return filepath.Join(b.TempDir(), "network.json") })
	})
	b.Run("kept", func(b *testing.B) { run(b, func(int) string { return filepath.Join(dir, "network.json") }) })
}
