package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/pow"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

const (
	connections = 64
	owners      = 200
)

// data is what a message carries: 400 characters, as in storage-2.0.md section 12.
var data = strings.Repeat("x", 400)

// list is a node.Directory that never changes.
type list nodelist.Result

// Nodes implements node.Directory.
func (l *list) Nodes(_ context.Context, lastHash string) (*nodelist.Result, error) {
	if lastHash == l.BlockHash {
		return &nodelist.Result{Unchanged: true}, nil
	}
	return (*nodelist.Result)(l), nil
}

// start runs nodes that are one swarm and returns their addresses.
func start(b *testing.B, count int) (nodes []*node.Node, addresses []string) {
	b.Helper()
	directory := &list{BlockHash: "1"}
	var configs []node.Config
	for range count {
		config := node.Config{DataDir: b.TempDir(), Directory: directory}
		keys, err := ring.LoadKeys(config.DataDir, rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		if config.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			b.Fatal(err)
		}
		address := config.Listener.Addr().(*net.TCPAddr)
		directory.States = append(directory.States, nodelist.State{
			PubkeyLegacy: keys.Name(), PubkeyEd25519: keys.Name(), PubkeyX25519: keys.X25519.Public.String(),
			PublicIP: "127.0.0.1", StoragePort: uint16(address.Port), SwarmID: 5, Funded: true, Active: true,
		})
		configs, addresses = append(configs, config), append(addresses, address.String())
	}
	for _, config := range configs {
		n, err := node.Start(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { n.Close(context.Background()) })
		nodes = append(nodes, n)
	}
	return nodes, addresses
}

// post makes the bytes of an HTTP request.
func post(path string, body []byte) []byte {
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, len(body))
	return append(head, body...)
}

func call(b *testing.B, method string, params any) []byte {
	b.Helper()
	body, err := storage.NewRequest(method, params)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// stores makes store requests, with proof of work.
func stores(b *testing.B, count int) [][]byte {
	b.Helper()
	requests := make([][]byte, count)
	for i := range requests {
		text := strconv.Itoa(i)
		m := pow.Message{
			PubKey:    fmt.Sprintf("05%064x", i%owners),
			Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10), TTL: "86400000",
			Data: text + data[len(text):],
		}
		nonce, err := pow.Solve(b.Context(), m.Inner(), pow.Target(m.PayloadLen(), 86400000, 1), pow.Options{})
		if err != nil {
			b.Fatal(err)
		}
		requests[i] = post(storage.RPCPath, call(b, storage.MethodStore, rpc20.StoreParams{
			PubKey: m.PubKey, TTL: m.TTL, Nonce: pow.EncodeNonce(nonce), Timestamp: m.Timestamp, Data: m.Data,
		}))
	}
	return requests
}

// connection is a kept connection for one request after the other. It does little work of its own, because the
// benchmark measures the node.
type connection struct {
	conn   *tls.Conn
	reader *bufio.Reader
}

func connect(address string) (*connection, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReader(conn)}, nil
}

func dial(b *testing.B, address string) *connection {
	b.Helper()
	c, err := connect(address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.conn.Close() })
	return c
}

// do sends a request and reads the answer, which must have status 200 and a length.
func (c *connection) do(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	status, length := "", -1
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(line))
		if status == "" {
			status = text
		}
		if size, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if length, err = strconv.Atoi(size); err != nil {
				return err
			}
		}
		if text == "" {
			break
		}
	}
	if status == "HTTP/1.1 200 OK" {
		_, err := c.reader.Discard(length)
		return err
	}
	body, err := io.ReadAll(io.LimitReader(c.reader, int64(length)))
	return errors.Join(err, fmt.Errorf("%s: %s", status, body))
}

// run makes every request once over 64 connections and returns the rate, and how long each took.
func run(b *testing.B, address string, requests func(i int) []byte) (perSecond float64, took []time.Duration) {
	b.Helper()
	return runOver(b, connections, address, requests)
}

// runOver is run with another number of connections.
func runOver(
	b *testing.B, count int, address string, requests func(i int) []byte,
) (perSecond float64, took []time.Duration) {
	b.Helper()
	conns := make([]*connection, count)
	for i := range conns {
		conns[i] = dial(b, address)
	}
	took = make([]time.Duration, b.N)
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for _, c := range conns {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := c.do(requests(i)); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	return float64(b.N) / b.Elapsed().Seconds(), took
}

// percentile returns how long all but the slowest share of requests took.
func percentile(took []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// BenchmarkStores measures durable stores over HTTPS at a lone node, and the ratio to SQLite as the 2020 server uses
// it, which is measured right before and right after.
func BenchmarkStores(b *testing.B) {
	_, addresses := start(b, 1)
	requests := stores(b, b.N)
	before, used := sqliteInserts(b, 2*time.Second), processorTime(b)
	rate, took := run(b, addresses[0], func(i int) []byte { return requests[i] })
	b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N), "cpu-us/store")
	sqlite := (before + sqliteInserts(b, 2*time.Second)) / 2
	b.ReportMetric(rate, "stores/s")
	b.ReportMetric(sqlite, "sqlite/s")
	b.ReportMetric(rate/sqlite, "ratio")
	b.ReportMetric(milliseconds(percentile(took, 0.5)), "p50-ms")
	b.ReportMetric(milliseconds(percentile(took, 0.99)), "p99-ms")
}

// BenchmarkReplicatedStores is the same in a swarm of five, all of which run here and get every message.
func BenchmarkReplicatedStores(b *testing.B) {
	nodes, addresses := start(b, 5)
	requests := stores(b, b.N)
	rate, took := run(b, addresses[0], func(i int) []byte { return requests[i] })
	start := time.Now()
	for settled := false; !settled; {
		var err error
		if settled, err = nodes[0].Settled(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(rate, "stores/s")
	b.ReportMetric(milliseconds(percentile(took, 0.99)), "p99-ms")
	b.ReportMetric(milliseconds(time.Since(start)), "lag-ms") // of the slowest member when the last store is answered
}

// BenchmarkSwarmStores measures stores of storage RPC 2.8 through one member of a swarm of five, all of which run here.
// Each store is answered when all five have it on disk. The collector works as in node run.
func BenchmarkSwarmStores(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(node.GCPercent))
	for _, count := range []int{1, 8, connections} {
		b.Run(fmt.Sprintf("connections=%d", count), func(b *testing.B) {
			_, addresses := start(b, 5)
			requests := make([][]byte, b.N)
			for i := range requests {
				text := strconv.Itoa(i)
				requests[i] = post(storage.RPCPath, call(b, storage.MethodStore, map[string]any{
					"pubkey": fmt.Sprintf("05%064x", i%owners), "timestamp": time.Now().UnixMilli(), "ttl": 86400000,
					"data": base64.StdEncoding.EncodeToString([]byte(text + data[len(text):])),
				}))
			}
			used := processorTime(b)
			rate, took := runOver(b, count, addresses[0], func(i int) []byte { return requests[i] })
			b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N), "cpu-us/store")
			b.ReportMetric(rate, "stores/s")
			b.ReportMetric(milliseconds(percentile(took, 0.5)), "p50-ms")
			b.ReportMetric(milliseconds(percentile(took, 0.99)), "p99-ms")
		})
	}
}

// BenchmarkRetrieves measures signed retrieves of ten messages each.
func BenchmarkRetrieves(b *testing.B) {
	seed, err := sessionid.GenerateSeed(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	keys := sessionid.KeysFromSeed(seed)
	_, addresses := start(b, 1)
	c := dial(b, addresses[0])
	for i := range 10 {
		text := strconv.Itoa(i)
		m := pow.Message{
			PubKey: keys.ID().String(), Timestamp: strconv.FormatInt(time.Now().UnixMilli(), 10), TTL: "86400000",
			Data: text + data[len(text):],
		}
		nonce, err := pow.Solve(b.Context(), m.Inner(), pow.Target(m.PayloadLen(), 86400000, 1), pow.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.do(post(storage.RPCPath, call(b, storage.MethodStore, rpc20.StoreParams{
			PubKey: m.PubKey, TTL: m.TTL, Nonce: pow.EncodeNonce(nonce), Timestamp: m.Timestamp, Data: m.Data,
		}))); err != nil {
			b.Fatal(err)
		}
	}
	now := time.Now().UnixMilli()
	public, signature := keys.Ed25519Public(), keys.Sign(signtext.Retrieve(rpc28.NamespaceMessages, now))
	request := post(storage.RPCPath, call(b, storage.MethodRetrieve, rpc20.RetrieveParams{
		PubKey: keys.ID().String(), PubkeyEd25519: hex.EncodeToString(public[:]), Timestamp: strconv.FormatInt(now, 10),
		Signature: base64.StdEncoding.EncodeToString(signature[:]),
	}))
	rate, took := run(b, addresses[0], func(int) []byte { return request })
	b.ReportMetric(rate, "retrieves/s")
	b.ReportMetric(milliseconds(percentile(took, 0.99)), "p99-ms")
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
