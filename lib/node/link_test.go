package node

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/node/link"
	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
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
			params := rpc20.RetrieveParams{PubKey: u.pubKey() + "0"}
			if got := network.onion(onion.V2, []int{0, 1},
				request(t, storage.MethodRetrieve, params)); got.Status != 400 {
				t.Errorf("wrong key: %v", got)
			}
			unknown := "no_" + u.pubKey()
			if got := network.onion(onion.V1, []int{0, 1},
				request(t, unknown, struct{}{})); got.Body != "no method "+unknown {
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
	config := &tls.Config{NextProtos: []string{link.Protocol}, ServerName: network.nodes[0].Keys().Address()}
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

// linkFrame is a frame as it is on the wire.
type linkFrame struct {
	id   uint32
	code uint16
	body string
}

func (f linkFrame) bytes() []byte { return rawFrame(uint32(6+len(f.body)), f.id, f.code, f.body) }

func rawFrame(length uint32, id uint32, code uint16, body string) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), id)
	return append(binary.BigEndian.AppendUint16(head, code), body...)
}

// exchangeFrame writes bytes to a link and reads one frame.
func exchangeFrame(conn net.Conn, data []byte) (linkFrame, error) {
	if _, err := conn.Write(data); err != nil {
		return linkFrame{}, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(await.Hang)); err != nil {
		return linkFrame{}, err
	}
	head := make([]byte, 10)
	if _, err := io.ReadFull(conn, head); err != nil {
		return linkFrame{}, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-6)
	_, err := io.ReadFull(conn, body)
	return linkFrame{binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint16(head[8:]), string(body)}, err
}

// Only listed nodes get a link, and what is no frame ends it.
func TestLinkRefuses(t *testing.T) {
	network := sameSwarm(t, 2)
	listed, stranger := network.nodes[1].Keys(), ring.KeysFromSeed([32]byte{9})
	hello := linkFrame{7, 2 << 8, "{}"}.bytes()
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
		"too long":             rawFrame(6+link.MaxBody+1, 7, 2<<8, ""),
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
	for code, want := range map[uint16]linkFrame{
		2 << 8:               {7, 400, onion.TextOuter},
		3:                    {7, 404, ""},
		3 << 8:               {7, 400, "group of changes is malformed\n"},
		4 << 8:               {7, 404, ""},
		1<<8 | (maxHops + 1): {7, 400, textTooManyHops},
	} {
		conn, err := rawLink(t, network, &listed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := exchangeFrame(conn, linkFrame{7, code, "{}"}.bytes())
		if err != nil || got.id != want.id || got.code != want.code || !strings.HasPrefix(got.body, want.body) {
			t.Errorf("code %#x: %v %q, %v, want %v", code, got.code, got.body, err, want)
		}
	}
}

// A handler that aborts or panics leaves one request without an answer and the link intact.
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
	payload := request(t, storage.MethodSwarm, rpc20.SwarmParams{PubKey: newUser(t, 5).pubKey()})
	for _, why := range []error{http.ErrAbortHandler, errors.ErrUnsupported} {
		reason.Store(&why)
		network.bare(why.Error(), onion.V2, network.wrap(onion.V2, []int{0, 1}, payload).Body, 504, onion.TextTimeout)
		if got := network.onion(onion.V1, []int{0, 1}, payload); got.Status != 200 {
			t.Errorf("after %v: %v", why, got)
		}
	}
}

// countForwards counts the requests with which members forward changes.
func countForwards(config *Config, groups, single *atomic.Int64) {
	config.Wrap = func(own http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case link.ForwardPath:
				groups.Add(1)
			case ForwardPath:
				single.Add(1)
			}
			own.ServeHTTP(w, r)
		})
	}
}

// storeAt0 stores a text at node 0, and checks that node 1 has confirmed it.
func (n *testNetwork) storeAt0(u user, text string) {
	n.t.Helper()
	answer := decode[rpc28.ChangeAnswer](n.t,
		n.call(0, storage.MethodStore, u.put(0, text, time.Now(), time.Hour)), 200)
	if result, ok := answer.Swarm[n.states[1].PubkeyEd25519]; !ok || bool(result.Failed) {
		n.t.Errorf("%s: %+v", text, answer.Swarm)
	}
	n.wantStored(1, u.pubKey(), 1)
}

// Changes of clients go over links, without a signature. Nodes of other swarms are refused, and so is a client, which
// has no link.
func TestChangesOverLinks(t *testing.T) {
	var groups, single atomic.Int64
	network := startNetwork(t, []swarm.SwarmID{1 << 62, 1 << 62, 3 << 62}, func(_ int, config *Config) {
		countForwards(config, &groups, &single)
	})
	network.storeAt0(newUser(t, 1<<62, 1<<62, 3<<62), "over a link")
	if groups.Load() != 1 || single.Load() != 0 {
		t.Errorf("%d groups and %d requests, want 1 and 0", groups.Load(), single.Load())
	}
	if got := network.do(0, http.MethodPost, link.ForwardPath, nil, []byte("x")); got.status != 404 {
		t.Errorf("a client: %v", got)
	}
	foreign := network.nodes[2]
	to := foreign.members.View().Peers[network.states[0].PubkeyEd25519]
	if status, _, err := foreign.links.Forward(t.Context(), to, []byte("x")); err != nil || status != 403 {
		t.Errorf("a node of another swarm: %d, %v", status, err)
	}
}

// Without links each change is a signed HTTPS request.
func TestChangesWithoutLinks(t *testing.T) {
	var groups, single atomic.Int64
	var started atomic.Pointer[testNetwork]
	find := func(address string) *ring.Peer {
		network := started.Load()
		if network == nil {
			return nil
		}
		return network.nodes[0].members.View().Addresses[address]
	}
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(_ int, config *Config) {
		countForwards(config, &groups, &single)
		config.Peers = peerhttp.NewClient(find, (&net.Dialer{}).DialContext).Transport
	})
	started.Store(network)
	network.storeAt0(newUser(t, 5), "by HTTPS")
	if groups.Load() != 0 || single.Load() != 1 {
		t.Errorf("%d groups and %d requests, want 0 and 1", groups.Load(), single.Load())
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
