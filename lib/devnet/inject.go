package devnet

import (
	"bytes"
	"context"
	"errors"
	"maps"
	random "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sessiontool/lib/node"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/storage"
)

// errPartition is the error of a connection to a node in another partition.
var errPartition = errors.New("no route to host: the network is partitioned")

// injector injects the faults of one node: as the wrapper of its handler, as its dialer and as its clock. The node does
// not know of it. It is safe for concurrent use.
type injector struct {
	keys    ring.Keys
	like    *behaviour.Rules
	others  func() []storage.Snode        // the nodes of another swarm
	group   func(address string) int      // the partition that a node at a host and port is in
	dial    node.DialFunc                 // opens connections without faults
	faults  atomic.Pointer[faultSet]      // never nil
	ended   atomic.Pointer[chan struct{}] // closed when the node is to stop; nil while it does not serve
	hung    atomic.Pointer[chan struct{}] // closed when FaultHang is over; nil without it
	waiting atomic.Int64                  // requests that hang

	mu    sync.Mutex
	conns map[net.Conn]string // open connections to other nodes, with their addresses
}

// faultSet is the faults of a node. It never changes.
type faultSet map[FaultKind]Fault

// newInjector makes the injector of a node that behaves like like and runs on machine.
func newInjector(keys ring.Keys, like *behaviour.Rules, machine *machine) *injector {
	in := &injector{keys: keys, like: like, conns: make(map[net.Conn]string)}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	in.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return machine.conn(conn), nil
	}
	in.faults.Store(&faultSet{})
	return in
}

func (in *injector) current() faultSet { return *in.faults.Load() }

// set adds a fault. Calls of set and clear must not run at the same time.
func (in *injector) set(fault Fault) {
	if fault.Kind == FaultHang {
		over := make(chan struct{})
		in.hung.CompareAndSwap(nil, &over)
	}
	faults := maps.Clone(in.current())
	faults[fault.Kind] = fault
	in.faults.Store(&faults)
}

func (in *injector) clear(kind FaultKind) {
	faults := maps.Clone(in.current())
	delete(faults, kind)
	in.faults.Store(&faults)
	if kind == FaultHang {
		if over := in.hung.Swap(nil); over != nil {
			close(*over)
		}
	}
}

// hang waits until FaultHang is cleared, the client disconnects or the node is to stop.
func (in *injector) hang(ctx context.Context, ended <-chan struct{}) {
	over := in.hung.Load()
	if over == nil {
		return
	}
	in.waiting.Add(1)
	defer in.waiting.Add(-1)
	select {
	case <-*over:
	case <-ctx.Done():
	case <-ended:
	}
}

// begin activates the faults. Before begin and after end requests pass unchanged, so that a node can start with any
// fault.
func (in *injector) begin() {
	ended := make(chan struct{})
	in.ended.Store(&ended)
}

// end deactivates the faults and releases waiting requests.
func (in *injector) end() {
	if ended := in.ended.Swap(nil); ended != nil {
		close(*ended)
	}
}

// loss is the share of packets that the node's connections lose.
func (in *injector) loss() float64 {
	if in.ended.Load() == nil {
		return 0
	}
	return in.current()[FaultLoss].Share
}

// now is the node's clock.
func (in *injector) now() time.Time { return time.Now().Add(in.current()[FaultSkew].Skew) }

// wrap stands in front of the node's handler.
func (in *injector) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended := in.ended.Load()
		if ended == nil {
			next.ServeHTTP(w, r)
			return
		}
		faults := in.current()
		what := in.inspect(w, r, faults)
		if _, ok := faults.hits(FaultHang, what); ok {
			in.hang(r.Context(), *ended)
		}
		if fault, ok := faults.hits(FaultDelay, what); ok {
			pause(r.Context(), *ended, fault.Delay+upTo(fault.Jitter))
		}
		if fault, ok := faults.hits(FaultDrop, what); ok {
			pause(r.Context(), *ended, fault.Delay)
			panic(http.ErrAbortHandler)
		}
		if _, ok := faults.hits(FaultDropAnswers, what); ok {
			next.ServeHTTP(lostWriter{make(http.Header)}, r)
			panic(http.ErrAbortHandler)
		}
		if _, ok := faults.hits(FaultCorrupt, what); ok {
			w = corruptWriter{w}
		}
		if _, ok := faults.hits(FaultWrongSwarm, what); ok {
			if status, list, ok := in.wrongSwarm(what); ok {
				what.reply(w, status, "application/json", list)
				return
			}
		}
		if fault, ok := faults.hits(FaultNoMethod, what); ok && fault.lacks(what.method) {
			what.reply(w, storage.StatusBadRequest, "text/plain", []byte(storage.TextNoMethod+what.method))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hits reports whether a fault of this kind affects a request. It draws a random number for the fault's Share.
func (faults faultSet) hits(kind FaultKind, what asked) (Fault, bool) {
	fault, ok := faults[kind]
	// There are two onion endpoints, hence the prefix.
	if !ok || !strings.HasPrefix(what.endpoint, fault.Requests) && what.method != fault.Requests {
		return fault, false
	}
	return fault, fault.Share == 0 || fault.Share >= 1 || random.Float64() < fault.Share
}

func upTo(limit time.Duration) time.Duration {
	if limit == 0 {
		return 0
	}
	return random.N(limit)
}

// pause waits for delay. It ends early if the client disconnects or the node is to stop.
func pause(ctx context.Context, ended <-chan struct{}, delay time.Duration) {
	if delay == 0 {
		return
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	case <-ended:
	}
}

// corruptWriter damages every piece of an answer's body.
type corruptWriter struct{ http.ResponseWriter }

// Write implements io.Writer.
func (w corruptWriter) Write(data []byte) (int, error) {
	damaged := bytes.Clone(data)
	if len(damaged) > 0 {
		damaged[len(damaged)/2] ^= 0x80
	}
	return w.ResponseWriter.Write(damaged)
}

// lostWriter discards an answer.
type lostWriter struct{ header http.Header }

// Header implements http.ResponseWriter.
func (w lostWriter) Header() http.Header { return w.header }

// Write implements io.Writer.
func (w lostWriter) Write(data []byte) (int, error) { return len(data), nil }

// WriteHeader implements http.ResponseWriter.
func (w lostWriter) WriteHeader(int) {}

// dialContext opens a connection to another node, if it is in the same partition.
func (in *injector) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if in.current()[FaultPartition].Group != in.group(address) {
		return nil, errPartition
	}
	conn, err := in.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: newLossyConn(conn, in.loss)}
	tracked.forget = func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		delete(in.conns, tracked)
	}
	in.mu.Lock()
	in.conns[tracked] = address
	in.mu.Unlock()
	if in.current()[FaultPartition].Group != in.group(address) { // the partition has changed meanwhile
		return nil, errors.Join(errPartition, tracked.Close())
	}
	return tracked, nil
}

// cutConnections closes the connections to nodes in another partition.
func (in *injector) cutConnections() {
	own := in.current()[FaultPartition].Group
	for conn, address := range in.open() {
		if own != in.group(address) {
			conn.Close() // an error means nothing for a cut connection
		}
	}
}

func (in *injector) open() map[net.Conn]string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return maps.Clone(in.conns)
}

// trackedConn is a connection that calls forget when it is closed.
type trackedConn struct {
	net.Conn
	forget func()
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.forget()
	return c.Conn.Close()
}
