package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/rpc"
	"sessiontool/lib/swarm"
)

// Many requests are under way over one connection, and each gets its own answer.
func TestLinkIsShared(t *testing.T) {
	var dials atomic.Int64
	network := startNetwork(t, []swarm.SwarmID{1 << 62, 3 << 62}, func(i int, config *Config) {
		if i == 0 {
			config.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				dials.Add(1)
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
		}
	})
	users := make([]user, 40)
	for i := range users {
		users[i] = newUser(t, 0)
	}
	before := dials.Load() // none: the nodes are of different swarms, and there is nothing to hand over
	var group sync.WaitGroup
	for _, u := range users {
		group.Go(func() {
			params := rpc.RetrieveParams{PubKey: u.pubKey() + "0"}
			if got := network.onion(onion.V2, []int{0, 1}, request(t, rpc.MethodRetrieve, params)); got.Status != 400 {
				t.Errorf("wrong key: %v", got)
			}
			unknown := "no_" + u.pubKey()
			if got := network.onion(onion.V1, []int{0, 1}, request(t, unknown, struct{}{})); got.Body != "no method "+unknown {
				t.Errorf("%s: %v", unknown, got)
			}
		})
	}
	group.Wait()
	if got := dials.Load() - before; got != 1 {
		t.Errorf("%d connections were opened, want 1", got)
	}
}

// rawLink shakes hands with node 0 for a link, showing a certificate of keys unless they are nil.
func rawLink(t *testing.T, network *testNetwork, keys *ring.Keys) (*tls.Conn, error) {
	t.Helper()
	config := &tls.Config{NextProtos: []string{linkProtocol}, ServerName: network.nodes[0].Keys().Address()}
	if keys != nil {
		certificate, err := ring.IdentityCertificate(*keys, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	conn, err := network.dialTLS(0, config)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// exchangeFrame writes bytes to a link and reads one frame.
func exchangeFrame(conn net.Conn, data []byte) (frame, error) {
	if _, err := conn.Write(data); err != nil {
		return frame{}, err
	}
	return readFrame(conn, bufio.NewReader(conn), 5*time.Second, maxRelayedAnswer)
}

func rawFrame(length uint32, id uint32, code uint16, body string) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), id)
	return append(binary.BigEndian.AppendUint16(head, code), body...)
}

// Only listed nodes get a link, and what is no frame ends it.
func TestLinkRefuses(t *testing.T) {
	network := sameSwarm(t, 2)
	listed, stranger := network.nodes[1].Keys(), ring.KeysFromSeed([32]byte{9})
	hello := rawFrame(6+2, 7, 2<<8, "{}")
	for name, keys := range map[string]*ring.Keys{"stranger": &stranger, "no certificate": nil} {
		conn, err := rawLink(t, network, keys)
		if err == nil { // in TLS 1.3 the client learns later what the server says
			_, err = exchangeFrame(conn, hello)
		}
		if err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("%s got an answer (%v)", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"no room for its head": rawFrame(5, 7, 2<<8, ""),
		"too long":             rawFrame(6+maxLinkBody+1, 7, 2<<8, ""),
		"HTTP":                 []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	} {
		conn, err := rawLink(t, network, &listed)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := exchangeFrame(conn, data); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	for code, want := range map[uint16]frame{
		2 << 8:                      {7, 400, []byte(onion.TextOuter)},
		3:                           {7, 404, nil},
		uint16(len(linkPaths)) << 8: {7, 404, nil},
		1<<8 | (maxHops + 1):        {7, 400, []byte(textTooManyHops)},
	} {
		conn, err := rawLink(t, network, &listed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := exchangeFrame(conn, rawFrame(6+2, 7, code, "{}"))
		if err != nil || got.id != want.id || got.code != want.code || !bytes.HasPrefix(got.body, want.body) {
			t.Errorf("code %#x: %v %q, %v, want %v", code, got.code, got.body, err, want)
		}
	}
}

// A handler that breaks off, or fails in a way that nobody foresaw, leaves one request without an answer and the link in
// order.
func TestLinkWithoutAnswer(t *testing.T) {
	var reason atomic.Value
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		if i == 1 {
			config.Wrap = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if reason := reason.Load(); reason != nil && r.URL.Path == onion.V2.Path() {
						panic(reason)
					}
					next.ServeHTTP(w, r)
				})
			}
		}
	})
	payload := request(t, rpc.MethodSwarm, rpc.SwarmParams{PubKey: newUser(t, 5).pubKey()})
	for _, why := range []error{http.ErrAbortHandler, errors.ErrUnsupported} {
		reason.Store(&why)
		network.bare(why.Error(), onion.V2, network.wrap(onion.V2, []int{0, 1}, payload).Body, 504, onion.TextTimeout)
		if got := network.onion(onion.V1, []int{0, 1}, payload); got.Status != 200 {
			t.Errorf("after %v: %v", why, got)
		}
	}
}

// A node that others do not list yet relays by HTTP.
func TestRelayWithoutLink(t *testing.T) {
	network := sameSwarm(t, 2)
	network.nodes[1].members.Set(&ring.View{Self: network.nodes[1].members.View().Self}) // lists nobody
	payload := request(t, "no_such", struct{}{})
	if got := network.onion(onion.V2, []int{0, 1}, payload); got.Body != "no method no_such" {
		t.Error(got)
	}
}

// Frames of many goroutines come through whole, few writes carry many of them, and all learn when the connection fails.
func TestFrameWriter(t *testing.T) {
	server, client := net.Pipe()
	counted := &countingConn{Conn: client, begin: make(chan struct{})}
	w := newFrameWriter(counted)
	const writers, each = 20, 50
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 1000*(i+1))
			for k := range each {
				if err := w.write(frame{uint32(i*each + k), uint16(i), body}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	eventually(t, "frames to wait for the first one to be written", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.pending) > maxPending
	})
	close(counted.begin)
	seen, reader := make([]bool, writers*each), bufio.NewReader(server)
	for range seen {
		f, err := readFrame(server, reader, time.Minute, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		i := int(f.code)
		if seen[f.id] || int(f.id)/each != i || !bytes.Equal(f.body, bytes.Repeat([]byte{byte(i)}, 1000*(i+1))) {
			t.Fatalf("frame %d of writer %d has %d bytes", f.id, i, len(f.body))
		}
		seen[f.id] = true
	}
	group.Wait()
	const waited = maxPending / (1000*writers + frameHead) // at least, since no frame is larger; and one write took them all
	if slices.Contains(seen, false) || counted.writes.Load() > writers*each-waited {
		t.Errorf("%d writes for %d frames", counted.writes.Load(), writers*each)
	}
	server.Close()
	for range 2 {
		if err := w.write(frame{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("writing to nobody: %v", err)
		}
	}
}

// countingConn counts writes. The first one waits for begin.
type countingConn struct {
	net.Conn
	begin  chan struct{}
	writes atomic.Int64
}

func (c *countingConn) Write(data []byte) (int, error) {
	if c.writes.Add(1) == 1 {
		<-c.begin
	}
	return c.Conn.Write(data)
}

// streamConn is a connection from which given bytes come.
type streamConn struct {
	net.Conn
	io.Reader
}

func (c streamConn) Read(b []byte) (int, error)      { return c.Reader.Read(b) }
func (c streamConn) SetReadDeadline(time.Time) error { return nil }

// FuzzFrames reads anything as frames: each is what its bytes say, and none is longer than it may be.
func FuzzFrames(f *testing.F) {
	f.Add(rawFrame(8, 1, 2, "{}"))
	f.Add(slices.Concat(rawFrame(6, 1, 0, ""), rawFrame(7, 2, 3, "x"), rawFrame(1<<31, 1, 1, "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := streamConn{Reader: bytes.NewReader(data)}
		reader, again := bufio.NewReaderSize(conn, linkBuffer), []byte(nil)
		for {
			got, err := readFrame(conn, reader, time.Minute, 64<<10)
			if err != nil {
				break
			}
			if len(got.body) > 64<<10 {
				t.Fatalf("a body of %d bytes", len(got.body))
			}
			again = append(again, rawFrame(uint32(len(got.body)+frameHead-4), got.id, got.code, string(got.body))...)
		}
		if !bytes.HasPrefix(data, again) {
			t.Fatalf("%x was read as %x", data, again)
		}
	})
}

// FuzzLinkRequests asks a node anything over a link. The answer has a status.
func FuzzLinkRequests(f *testing.F) {
	n := bareNode(f)
	hop := onion.Hop{Ed25519: n.keys.Ed25519.Public(), X25519: n.keys.X25519.Public}
	wrapped, err := onion.Wrap(rand.Reader, onion.V2, nil, hop, []byte(`{"method":"retrieve","params":{}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(2<<8|1), wrapped.Body)
	f.Add(uint16(1<<8), []byte("{}"))
	f.Fuzz(func(t *testing.T, code uint16, body []byte) {
		if got := n.serveFrame(t.Context(), n, "127.0.0.1:1", frame{3, code, body}); got.id != 3 || got.code < 200 || got.code > 599 {
			t.Fatalf("%v", got)
		}
	})
}
