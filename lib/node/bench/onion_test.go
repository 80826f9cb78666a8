package bench

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
)

// loadVariable makes the test program send requests instead of running tests. Its value is a load in JSON.
const loadVariable = "SESSIONTOOL_BENCH_LOAD"

// load is the work of a client: the same request again and again over kept connections. The client is a process of its
// own, so that its processor time does not count.
type load struct {
	Address     string
	Request     []byte
	Count       int
	Connections int
}

func TestMain(m *testing.M) {
	if text := os.Getenv(loadVariable); text != "" {
		if err := runLoad(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runLoad(text string) error {
	var l load
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	conns := make([]*connection, l.Connections)
	for i := range conns {
		var err error
		if conns[i], err = connect(l.Address); err != nil {
			return err
		}
	}
	if err := l.run(conns, warmUp); err != nil {
		return err
	}
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	return l.run(conns, l.Count)
}

func (l load) run(conns []*connection, count int) error {
	var next atomic.Int64
	errs := make([]error, len(conns))
	var group sync.WaitGroup
	for i, c := range conns {
		group.Go(func() {
			for next.Add(1) <= int64(count) && errs[i] == nil {
				errs[i] = c.do(l.Request)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// send runs a load and returns the processor time of this process and the elapsed time. Both start when all connections
// are open and warm.
func (l load) send(b *testing.B) (spent, took time.Duration) {
	b.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	client := exec.Command(program)
	client.Env = append(os.Environ(), loadVariable+"="+string(text))
	client.Stderr = os.Stderr
	orders, err := client.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	reports, err := client.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := client.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := bufio.NewReader(reports).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	before, started := processorTime(b), time.Now()
	if _, err := fmt.Fprintln(orders); err != nil {
		b.Fatal(err)
	}
	if err := client.Wait(); err != nil {
		b.Fatal(err)
	}
	return processorTime(b) - before, time.Since(started)
}

const (
	// onionRounds is how often both kinds of relay are measured in turn.
	onionRounds = 9
	// warmUp is how many requests a load makes before it counts, so that all connections are open.
	warmUp = 300
)

// BenchmarkOnionRelay measures the processor time that four nodes, three relays and a target, take together for a
// request, and that of relays written plainly with net/http and encoding/json, in turn. The ratio is the median of the
// rounds' ratios. How many requests a second get through depends on the client's share of the processors too.
func BenchmarkOnionRelay(b *testing.B) {
	for _, connections := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			nodes, addresses := start(b, 4)
			var hops []onion.Hop
			for _, n := range nodes {
				hops = append(hops, onion.Hop{Ed25519: n.Keys().Ed25519.Public(), X25519: n.Keys().X25519.Public})
			}
			relays := startPlain(b, nodes, addresses)
			payload := call(b, storage.MethodSwarm, rpc20.SwarmParams{PubKey: fmt.Sprintf("05%064x", 1)})
			wrapped, err := onion.Wrap(rand.Reader, onion.V2, hops[:3], hops[3], payload)
			if err != nil {
				b.Fatal(err)
			}
			if got := relays[0].answer(b, wrapped); got != nodesAnswer(b, addresses[0], wrapped) {
				b.Fatalf("the plain relay answers %s", got)
			}
			request := post(onion.V2.Path(), wrapped.Body)
			each := max(b.N/onionRounds, 1)
			var ours, plain, ratios, rates []float64
			for range onionRounds {
				for _, side := range []struct {
					address string
					perCall *[]float64
				}{{relays[0].address, &plain}, {addresses[0], &ours}} {
					l := load{Address: side.address, Request: request, Count: each, Connections: connections}
					spent, took := l.send(b)
					*side.perCall = append(*side.perCall, float64(spent.Microseconds())/float64(each))
					if side.perCall == &ours {
						rates = append(rates, float64(each)/took.Seconds())
					}
				}
				ratios = append(ratios, ours[len(ours)-1]/plain[len(plain)-1])
			}
			b.ReportMetric(middle(ours), "cpu-us/onion")
			b.ReportMetric(middle(plain), "plain-cpu-us/onion")
			b.ReportMetric(middle(ratios), "ratio")
			b.ReportMetric(middle(rates), "onions/s")
		})
	}
}

func middle(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// nodesAnswer returns what is inside the answer of our nodes.
func nodesAnswer(b *testing.B, address string, wrapped *onion.Request) string {
	b.Helper()
	return ask(b, "https://"+address+onion.V2.Path(), wrapped)
}
