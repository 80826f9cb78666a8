package route

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/devnet"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// BenchmarkRoutes measures the time from the start of a send until the recipient has the text: with a recipient that
// listens, and with one that polls as soon as the send is done. The keystores are on the disk. It also counts the onion
// requests to the listening node that would fit into the round trip of a delivery.
func BenchmarkRoutes(b *testing.B) {
	net, err := devnet.Start(b.Context(), devnet.Options{Nodes: 12, SwarmSize: 5})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { closeNetwork(b, net) })
	alice, bob, carol := newPerson(b, "alice", net.SeedURL()), newPerson(b, "bob", net.SeedURL()), newPerson(b, "carol",
		net.SeedURL())
	alice.befriends(bob)
	alice.befriends(carol)
	ctx := b.Context()
	read := make(chan time.Time)
	done := make(chan error, 1)
	b.Cleanup(func() { <-done }) // it ends with b's context
	listener := bob.anew("bob listens")
	go func() {
		done <- listener.Listen(ctx, ListenOptions{}, func(inbox.Event) error {
			read <- time.Now()
			return nil
		})
	}()
	eventually(b, "bob to listen", func() bool {
		found, err := bob.Listening(ctx)
		return err == nil && found
	})
	bob.says(alice, "I listen")
	alice.gets("I listen")

	var sync, async, trips, onions []time.Duration
	for i := 0; b.Loop(); i++ {
		started := time.Now()
		receipt := alice.texts(bob, fmt.Sprint(i))
		if receipt.Route != "sync" {
			b.Fatalf("receipt %+v", receipt)
		}
		sync = append(sync, (<-read).Sub(started))
		trips = append(trips, time.Duration(receipt.RoundTripMS*float64(time.Millisecond)))
		onions = append(onions, alice.onion(receipt.Nodes[0].PubkeyEd25519))

		started = time.Now()
		alice.says(carol, fmt.Sprint(i))
		err := carol.Poll(ctx, PollOptions{}, func(inbox.Event) error {
			async = append(async, time.Since(started))
			return nil
		})
		if err != nil || len(async) != i+1 {
			b.Fatalf("%d were read, %v", len(async), err)
		}
	}
	for _, share := range []struct {
		name string
		of   float64
	}{{"median", 0.5}, {"p99", 0.99}} {
		quick, slow := quantile(sync, share.of), quantile(async, share.of)
		b.ReportMetric(float64(quick.Microseconds())/1000, "sync-"+share.name+"-ms")
		b.ReportMetric(float64(slow.Microseconds())/1000, "async-"+share.name+"-ms")
		b.ReportMetric(float64(slow)/float64(quick), share.name+"-ratio")
	}
	b.ReportMetric(float64(quantile(trips, 0.5))/float64(quantile(onions, 0.5)), "onions/round-trip")
	b.ReportMetric(0, "ns/op")
}

// onion returns how long a node takes to answer an onion request that costs it next to nothing.
func (p *person) onion(key string) time.Duration {
	p.t.Helper()
	var to network.Key
	if err := to.UnmarshalText([]byte(key)); err != nil {
		p.t.Fatal(err)
	}
	node, found := p.network.Node(to)
	body, err := storage.NewRequest(storage.MethodSwarm, rpc20.SwarmParams{PubKey: p.ID().String()})
	if err != nil || !found {
		p.t.Fatalf("node %s is known: %t, %v", key, found, err)
	}
	started := time.Now()
	if _, err := p.network.Request(p.t.Context(), node, body); err != nil {
		p.t.Fatal(err)
	}
	return time.Since(started)
}

// quantile returns the time that this share of times does not exceed.
func quantile(times []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(int(float64(len(sorted))*share), len(sorted)-1)]
}

// BenchmarkPoll measures a poll of 2 000 texts that wait at three members, with the keystore on the disk.
func BenchmarkPoll(b *testing.B) {
	const waiting = 2000
	net := startFakenet(b, 4)
	alice, bob := newPerson(b, "alice", net.SeedURL()), newPerson(b, "bob", net.SeedURL())
	alice.befriends(bob)
	for b.Loop() {
		b.StopTimer()
		var data []string
		for i := range waiting {
			data = append(data, alice.seals(bob, fmt.Sprint(i)))
		}
		for _, box := range boxes(net.Nodes...) {
			box.put(data...)
		}
		b.StartTimer()
		if got := bob.polls(); len(got) != waiting {
			b.Fatalf("%d texts came", len(got))
		}
	}
	b.ReportMetric(float64(waiting*b.N)/b.Elapsed().Seconds(), "texts/s")
}
