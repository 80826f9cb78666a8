package node

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/node/difficulty"
	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/swarm"
)

// quickly makes a request from another address than 127.0.0.1, which has to be answered long before the node gives up
// those who say nothing.
func (n *testNetwork) quickly(what string) {
	n.t.Helper()
	client := newClient()
	client.Transport.(*http.Transport).DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0,
		2)}}).DialContext
	await.Within(n.t, headerTimeout/2, what, func() {
		defer client.CloseIdleConnections()
		response, err := client.Get("https://" + n.address(0) + storage.StatsPath)
		if err != nil {
			n.t.Fatalf("%s: %v", what, err)
		}
		response.Body.Close()
		if response.StatusCode != 200 {
			n.t.Errorf("%s: status %d", what, response.StatusCode)
		}
	})
}

// hold keeps what open opens until the end of the test.
func hold(t *testing.T, count int, open func() (io.Closer, error)) {
	t.Helper()
	for range count {
		held, err := open()
		if err != nil {
			continue // turned away, which is as well
		}
		t.Cleanup(func() { held.Close() })
	}
}

// Clients that open connections and say nothing, or little, do not keep others out.
func TestSlowLoris(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	hold(t, maxAddressConnections+100, func() (io.Closer, error) { return net.Dial("tcp", network.address(0)) })
	network.quickly("while an address holds all the connections it can")
}

// Several addresses together hold all the connections that a node has, and say nothing. A newcomer gets a place.
func TestSeveralAddressesHoldConnections(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	for i := range maxConnections / maxAddressConnections {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(3+i))}}
		hold(t, maxAddressConnections, func() (io.Closer, error) { return dialer.Dial("tcp", network.address(0)) })
	}
	network.quickly("while four addresses hold all connections")
	network.quickly("once more")
}

// Large requests that never end take all slots for large requests. Small requests need no slot, whether their size is
// announced or not.
func TestUnfinishedBodies(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	started := strings.Repeat("{", smallBody+1)
	hold(t, 2*maxLargeBodies, func() (io.Closer, error) {
		conn, err := network.dialTLS(0, &tls.Config{})
		if err == nil {
			_, err = fmt.Fprintf(conn, "POST /storage_rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
				storage.MaxBodyBytes, started)
		}
		return conn, err
	})
	eventually(t, "all places to be taken", func() bool { return len(network.nodes[0].largeBodies) == maxLargeBodies })
	alice := newUser(t, 5).pubKey()
	largest := solved(t, alice, strings.Repeat("x", storage.MaxDataBytes), time.Now(), time.Hour, 1)
	decode[rpc20.DifficultyAnswer](t, network.call(0, storage.MethodStore, largest), 200)
	network.wantStored(1, alice, 1)
	network.store(1, alice, "from the other node")
	network.wantStored(0, alice, 2)

	unannounced := io.MultiReader(strings.NewReader("{}")) // a type whose size net/http does not know
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"https://"+network.address(0)+storage.RPCPath, unannounced)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient()
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("a small request that does not tell its size: %v", err)
	}
	response.Body.Close()
	if response.StatusCode != 400 {
		t.Errorf("status %d", response.StatusCode)
	}
	if len(network.nodes[0].largeBodies) != maxLargeBodies {
		t.Error("the large requests have ended: this shows nothing")
	}
}

// A request that announces too much is refused before it has arrived, as recorded of a 2.8 server.
func TestOversizedRequest(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	conn, err := network.dialTLS(0, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /storage_rpc/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", storage.MaxBodyBytes+1)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 413 || string(body) != "Request body too large" || !response.Close {
		t.Errorf("status %d, %q, %v; the connection is closed: %v", response.StatusCode, body, err, response.Close)
	}
}

// A stranger who claims to be a node is turned away before anything of the body is read.
func TestStrangersBodyIsNotRead(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, nil)
	conn, err := network.dialTLS(0, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\nContent-Length: %d\r\n\r\n",
		replication.PushPath, peerhttp.SenderHeader, network.nodes[1].Keys().Name(), storage.MaxBodyBytes)
	if err := conn.SetReadDeadline(time.Now().Add(await.Hang)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "HTTP/1.1 406" {
		t.Errorf("answered with %q, %v", answer, err)
	}
}

// A node whose disk cannot keep up or is full says so, and takes no more than it has places for.
func TestBusyNode(t *testing.T) {
	n := bareNode(t)
	if got := n.failure(t.Context(), "storing", store.ErrBusy); got.status != 503 ||
		string(got.body) != "Server busy, try again later" {
		t.Errorf("a busy store: status %d, %q", got.status, got.body)
	}
	alice := newUser(t, 5).pubKey()
	full, err := store.Open(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	n.store, full = full, n.store
	got := n.storageRPC(t.Context(), request(t, storage.MethodStore, solved(t, alice, "x", time.Now(), time.Hour, 1)))
	n.store, full = full, n.store
	if err := full.Close(); err != nil {
		t.Error(err)
	}
	if got.status != 503 || string(got.body) != "Service node is out of space\n" {
		t.Errorf("a full node: status %d, %q", got.status, got.body)
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		err := fmt.Errorf("storing: %w", &fs.PathError{Op: "write", Path: "messages.db", Err: errno})
		if got := n.failure(t.Context(), "storing", err); got.status != 503 ||
			string(got.body) != "Service node is out of space\n" {
			t.Errorf("a full disk, %v: status %d, %q", err, got.status, got.body)
		}
	}
}

// However often a full node is asked, it does not fill its log.
func TestFullNodeLogsSeldom(t *testing.T) {
	n := bareNode(t)
	var log bytes.Buffer
	n.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 100 {
		n.failure(t.Context(), "storing", store.ErrFull)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines in the log, want 1", lines)
	}
}

// What was asked for before a restart still decides about messages of that time.
func TestDifficultySurvivesRestarts(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5}, nil)
	if err := network.nodes[0].SetDifficulty(7); err != nil {
		t.Fatal(err)
	}
	before := network.nodes[0].difficulty.Entries()
	for _, test := range []struct{ configured, want uint64 }{{0, 7}, {7, 7}, {9, 9}, {0, 9}} {
		network.stop(0)
		network.configs[0].Difficulty = test.configured
		network.restart(0)
		d := network.nodes[0].difficulty
		history := d.Entries()
		if got := d.Current(); got != test.want || len(history) < len(before) || history[1] != before[1] {
			t.Errorf("started with %d, the difficulty is %d, want %d; history %v", test.configured, got, test.want,
				history)
		}
	}
	if _, err := difficulty.Load([]byte("torn"), time.Now()); err == nil {
		t.Error("a torn history is taken")
	}
}
