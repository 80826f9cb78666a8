package devnet

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// lossyPipe returns both ends of a connection. The second one is the lossy one.
func lossyPipe(t *testing.T, share func() float64) (net.Conn, *lossyConn) {
	near, far := net.Pipe()
	lossy := newLossyConn(far, share)
	t.Cleanup(func() { near.Close(); lossy.Close() })
	return near, lossy
}

// losing returns a share that loses the next packets, one for each draw, and no others.
func losing(draws ...bool) func() float64 {
	return func() float64 {
		if len(draws) == 0 {
			return 0
		}
		share := 0.0
		if draws[0] {
			share = 1
		}
		draws = draws[1:]
		return share
	}
}

// A lost packet costs the time until TCP sends it again, twice as long each time; packets that open a connection wait
// longer. Nothing is lost for the reader.
func TestLostPacketsAreSentAgain(t *testing.T) {
	for _, test := range []struct {
		name  string
		draws []bool
		want  time.Duration
	}{
		{"nothing lost", nil, 0},
		{"opening", []bool{true, false, false}, time.Second},
		{"opening, both packets", []bool{true, false, true, true}, 4 * time.Second},
		{"data", []bool{false, false, true}, 200 * time.Millisecond},
		{"data, three times", []bool{false, false, true, true, true}, 1400 * time.Millisecond},
		{"the second of two packets", []bool{false, false, false, true}, 200 * time.Millisecond},
	} {
		for _, direction := range []string{"read", "write"} {
			t.Run(test.name+", "+direction, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, lossy := lossyPipe(t, losing(test.draws...))
					from, to := near, net.Conn(lossy)
					if direction == "write" {
						from, to = to, from
					}
					start, sent := time.Now(), make([]byte, 2*segmentBytes)
					go from.Write(sent)
					if _, err := io.ReadFull(to, make([]byte, len(sent))); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(start); took != test.want {
						t.Errorf("took %v, want %v", took, test.want)
					}
				})
			})
		}
	}
}

// A connection of which every packet is lost breaks after the time that Linux takes, and Close ends the wait.
func TestAllPacketsLost(t *testing.T) {
	all := func() float64 { return 1 }
	synctest.Test(t, func(t *testing.T) {
		_, lossy := lossyPipe(t, all)
		start := time.Now()
		if _, err := lossy.Write([]byte{1}); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start).Round(time.Minute); took != 18*time.Minute {
			t.Errorf("gave up after %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, lossy := lossyPipe(t, all)
		failed := make(chan error)
		go func() {
			_, err := lossy.Write([]byte{1})
			failed <- err
		}()
		synctest.Wait()
		lossy.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// A network can be far away from the start. Its status says how far, as long as that is so of every node.
func TestDistance(t *testing.T) {
	far := Distance{Latency: 20 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.001}
	n := startNetwork(t, Options{Nodes: 2, Distance: far})
	if got := n.Status().Distance; got != far {
		t.Errorf("distance %+v, want %+v", got, far)
	}
	start := time.Now()
	if _, err := getStats(t, n.Nodes()[1]); err != nil || time.Since(start) < far.Latency {
		t.Errorf("answered after %v, %v", time.Since(start), err)
	}
	setFault(t, n, Fault{Kind: FaultDelay, Delay: time.Millisecond}, "1")
	if got := n.Status().Distance; got != (Distance{Loss: far.Loss}) {
		t.Errorf("with another latency at one node the distance is %+v", got)
	}
	setFault(t, n, Fault{Kind: FaultLoss, Share: 1}, "1")
	if got := n.Status().Distance; got != (Distance{}) {
		t.Errorf("with another loss at one node the distance is %+v", got)
	}
	setFault(t, n, Fault{Kind: FaultRestart}, "1") // it starts and stops with all packets lost
	clearFaults(t, n)
	setFault(t, n, Fault{Kind: FaultDelay, Delay: time.Millisecond, Requests: "onion"})
	if got := n.Status().Distance; got != (Distance{}) {
		t.Errorf("with a delay of some requests the distance is %+v", got)
	}
	clearFaults(t, n)
	for _, bad := range []Distance{{Loss: 1}, {Loss: -0.1}, {Latency: -1}, {Latency: time.Hour}} {
		if err := bad.Check(); !errors.Is(err, ErrFault) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
