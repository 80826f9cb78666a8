//go:build unix

package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sessiontool/lib/account/inbox"
	"sessiontool/lib/devnet"
	"sessiontool/lib/storage"
)

// meteredConn counts the bytes of connections, in both directions.
type meteredConn struct {
	net.Conn
	bytes *atomic.Int64
}

// Read implements io.Reader.
func (c meteredConn) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	c.bytes.Add(int64(n))
	return n, err
}

// Write implements io.Writer.
func (c meteredConn) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	c.bytes.Add(int64(n))
	return n, err
}

// storageRequests returns how many storage requests the nodes have answered, directly or in onions.
func storageRequests(b *testing.B, n *devnet.Network) (count int) {
	b.Helper()
	var text bytes.Buffer
	if err := n.WriteMetrics(&text); err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "sessiontool_storage_requests_total{") {
			number, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
			if err != nil {
				b.Fatal(err)
			}
			count += number
		}
	}
	return count
}

// BenchmarkTraffic measures what an empty poll, a send of 100 characters with its poll, and a listener in half a minute
// cost: storage requests at nodes, bytes between the client and its guards, and processor time of the client and all
// twelve nodes. docs/scale.md computes with them.
func BenchmarkTraffic(b *testing.B) {
	for _, generation := range []storage.Generation{storage.Generation20, storage.Generation28} {
		n, err := devnet.Start(b.Context(), devnet.Options{Nodes: 12, SwarmSize: 5, Generation: generation})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { closeNetwork(b, n) })
		var carried atomic.Int64
		person := func(name string) *person {
			config := configOf(b, n.SeedURL())
			config.Generation = generation
			config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return meteredConn{conn, &carried}, nil
			}
			return newPersonWith(b, name, config, Options{})
		}
		alice, bob := person("alice"), person("bob")
		alice.befriends(bob)
		alice.says(bob, "first")
		bob.gets("first")
		measure := func(name string, do func(b *testing.B, i int)) {
			b.Run(fmt.Sprint("rpc=", generation, "/", name), func(b *testing.B) {
				requests, start, used := storageRequests(b, n), carried.Load(), processorTime(b)
				for i := 0; b.Loop(); i++ {
					do(b, i)
				}
				used = processorTime(b) - used
				b.ReportMetric(float64(carried.Load()-start)/float64(b.N), "bytes")
				b.ReportMetric(float64(storageRequests(b, n)-requests)/float64(b.N), "requests")
				b.ReportMetric(used.Seconds()*1e6/float64(b.N), "cpu-us")
				b.ReportMetric(0, "ns/op")
			})
		}
		measure("poll", func(b *testing.B, _ int) {
			if err := bob.Poll(b.Context(), PollOptions{}, func(inbox.Event) error { return nil }); err != nil {
				b.Fatal(err)
			}
		})
		measure("send and poll", func(b *testing.B, i int) {
			text := fmt.Sprintf("%0100d", i)
			alice.says(bob, text)
			bob.gets(text)
		})
		measure("listen 30 s", func(b *testing.B, i int) {
			ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
			defer cancel()
			err := bob.anew(fmt.Sprint("bob listens ", i)).Listen(ctx, ListenOptions{}, func(inbox.Event) error { return nil })
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				b.Fatal(err)
			}
		})
	}
}

// processorTime returns the processor time that this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
