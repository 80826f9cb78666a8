package node

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/internal/await"
	"sessiontool/lib/node/behaviour"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/storagehttp"
	"sessiontool/lib/swarm"
)

// everyBehaviour is all presets.
var everyBehaviour = append([]*behaviour.Rules{&behaviour.Own}, behaviour.Presets()...)

// behaving is a network of count nodes in one swarm that behave as b.
func behaving(t *testing.T, b behaviour.Rules, count int) *testNetwork {
	t.Helper()
	ids := make([]swarm.SwarmID, count)
	for i := range ids {
		ids[i] = 5
	}
	return startNetwork(t, ids, func(_ int, config *Config) { config.Behaviour = &b })
}

// handshake shakes hands with node 0 as a client does, and reports the state and what went wrong.
func handshake(t *testing.T, network *testNetwork, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	conn, err := network.dialTLS(0, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// Versions, certificates and cipher suites that clients are offered (storage-2.0.md section 1.1, storage-2.8.md section
// 1.1).
func TestTLSRules(t *testing.T) {
	aes128, aes256, chacha := tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
	for _, want := range []struct {
		behaviour    *behaviour.Rules
		tls13, isRSA bool
		suites       []uint16 // that are accepted in TLS 1.2, of those above
		organization string
		tickets      bool
	}{
		{&behaviour.Own, true, false, []uint16{aes128, aes256, chacha}, "", true},
		{&behaviour.Like207, false, true, nil, "Loki", true},
		{&behaviour.Like280, true, true, nil, "Oxen", true},
		{&behaviour.Like211, true, false, []uint16{aes128, chacha}, "Oxen", false},
	} {
		t.Run("like "+want.behaviour.Name, func(t *testing.T) {
			network := behaving(t, *want.behaviour, 1)
			if _, err := handshake(t, network,
				&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
				t.Error("TLS 1.1 is spoken")
			}
			if _, err := handshake(t, network, &tls.Config{MinVersion: tls.VersionTLS13}); (err == nil) != want.tls13 {
				t.Errorf("TLS 1.3: %v", err)
			}
			cache := tls.NewLRUClientSessionCache(1)
			resumed := false
			for range 2 {
				state, err := handshake(t, network,
					&tls.Config{MaxVersion: tls.VersionTLS12, ClientSessionCache: cache})
				if err != nil {
					t.Fatal(err)
				}
				certificate := state.PeerCertificates[0]
				key, isRSA := certificate.PublicKey.(*rsa.PublicKey)
				curve, isECDSA := certificate.PublicKey.(*ecdsa.PublicKey)
				if isRSA != want.isRSA || isRSA && key.N.BitLen() != 2048 || isECDSA && curve.Curve != elliptic.P256() {
					t.Errorf("the key is a %T", certificate.PublicKey)
				}
				if got := strings.Join(certificate.Subject.Organization, " "); got != want.organization ||
					certificate.Subject.CommonName != "localhost" {
					t.Errorf("the subject is %v", certificate.Subject)
				}
				resumed = state.DidResume
			}
			if resumed != want.tickets {
				t.Errorf("session resumed: %v", resumed)
			}
			for _, suite := range []uint16{aes128, aes256, chacha} {
				_, err := handshake(t, network,
					&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
				if (err == nil) != slices.Contains(want.suites, suite) {
					t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
				}
			}
		})
	}
}

// Our client speaks with each: over what connections there are, again after they were closed.
func TestClientAgainstEveryBehaviour(t *testing.T) {
	for _, b := range everyBehaviour {
		network := behaving(t, b.Faster(100), 1)
		client := storagehttp.NewClient()
		for range 3 {
			answer, err := client.PostNode(t.Context(), network.states[0].PublicIP, network.states[0].StoragePort,
				storage.RPCPath,
				request(t, storage.MethodSwarm, map[string]string{"pubKey": newUser(t, 5).pubKey()}))
			if err != nil || answer.Status != 200 || answer.Date.IsZero() == b.Date {
				t.Errorf("like %q: %d %q, date %v, %v", b.Name, answer.Status, answer.Body, answer.Date, err)
			}
		}
		client.Close()
	}
}

// When connections end, and the headers of answers.
func TestConnectionsOfEveryBehaviour(t *testing.T) {
	for _, b := range everyBehaviour {
		t.Run("like "+b.Name, func(t *testing.T) {
			faster := b.Faster(100)
			network := behaving(t, faster, 1)
			conn, err := network.dialTLS(0, &tls.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(await.Hang))
			asked := time.Now()
			if _, err := io.WriteString(conn, "GET "+storage.StatsPath+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(response.Body)
			if err != nil || response.Close != b.OneRequest || response.Header.Get("Server") != b.Server ||
				(response.Header.Get("Date") != "") != b.Date {
				t.Errorf("headers %v, closes %v, %v", response.Header, response.Close, err)
			}
			if version := map[string]string{"": "2.0.7", "2.11": "2.11.3"}[b.Name]; !strings.Contains(string(text),
				version) ||
				version == "" && !strings.Contains(string(text), b.Name) {
				t.Errorf("statistics %q", text)
			}
			if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("the connection ends with %v", err)
			}
			if took := time.Since(asked); !b.OneRequest && took < faster.IdleTimeout {
				t.Errorf("the connection was closed after %v, not %v", took, faster.IdleTimeout)
			}
		})
	}
	if behaviour.Like280.IdleTimeout != 10*time.Second || behaviour.Like211.IdleTimeout != 10*time.Second {
		t.Error("idle connections of later servers last 10 s")
	}
}

// A body over the limit: 2.0.7 hangs up.
func TestHangUpOnLarge(t *testing.T) {
	network := behaving(t, behaviour.Like207, 1)
	conn, err := network.dialTLS(0, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(await.Hang))
	if _, err := io.WriteString(conn,
		"POST "+storage.RPCPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || len(answer) > 0 {
		t.Errorf("answer %q, %v; want none", answer, err)
	}
}

// Later servers do not know aes-cbc, neither in what they get nor in what they are to pass on.
func TestRefusesCBC(t *testing.T) {
	for _, b := range []*behaviour.Rules{&behaviour.Like280, &behaviour.Like211} {
		network := behaving(t, *b, 2)
		payload := request(t, rpc28.MethodInfo, struct{}{})
		send := func(ciphers ...onion.Cipher) (reply, *onion.Request) {
			hops := make([]onion.Hop, len(ciphers))
			for i, kind := range ciphers {
				keys := network.nodes[i].keys
				hops[i] = onion.Hop{Ed25519: keys.Ed25519.Public(), X25519: keys.X25519.Public, Cipher: kind}
			}
			last := len(hops) - 1
			wrapped, err := onion.Wrap(rand.Reader, onion.V2, hops[:last], hops[last], payload)
			if err != nil {
				t.Fatal(err)
			}
			return network.do(0, http.MethodPost, onion.V2.Path(), nil, wrapped.Body), wrapped
		}
		for _, ciphers := range [][]onion.Cipher{{onion.AESCBC}, {onion.AESGCM, onion.AESCBC},
			{onion.AESCBC, onion.XChaCha20}} {
			got, wrapped := send(ciphers...)
			response, err := wrapped.OpenResponse([]byte(got.body))
			if served := err == nil && got.status == 200 && response.Status == 200; served == b.RefusesCBC {
				t.Errorf("like %s: %q: %v, %v, %v", b.Name, ciphers, got, response, err)
			}
		}
		if got, _ := send(onion.AESCBC); b.RefusesCBC &&
			(got.status != 400 || !strings.HasPrefix(got.body, "Error parsing onion request: ")) {
			t.Errorf("like %s: %v", b.Name, got)
		}
		if got, wrapped := send(onion.XChaCha20, onion.AESGCM); got.status != 200 {
			t.Errorf("like %s: %v, %v", b.Name, got, wrapped)
		}
	}
}

// A store that failed on every member: this program's nodes refuse it, servers list the failures.
func TestStoreThatFailedEverywhere(t *testing.T) {
	for _, want := range []struct {
		behaviour *behaviour.Rules
		status    int
	}{{&behaviour.Own, 503}, {&behaviour.Like280, 200}, {&behaviour.Like211, 500}} {
		b := want.behaviour.Faster(10)
		network := startNetwork(t, []swarm.SwarmID{5, 5},
			func(_ int, config *Config) { config.Behaviour, config.MaxStoreBytes = &b, 1 })
		got := network.call(0, storage.MethodStore, newUser(t, 5).put(0, "x", time.Now(), time.Hour))
		if got.status != want.status {
			t.Errorf("like %q: %v", b.Name, got)
		}
		if !b.OwnFailures {
			continue
		}
		change, err := rpc28.ParseChange(got.body)
		own, other := change.Swarm[network.states[0].PubkeyEd25519], change.Swarm[network.states[1].PubkeyEd25519]
		if err != nil || !rpc28.HasResults(got.status) || !bool(own.Failed) || !bool(own.QueryFailure) ||
			!bool(other.Failed) || other.Code != 503 {
			t.Errorf("like %q: own %+v, other %+v, %v", b.Name, own, other, err)
		}
	}
}

// A store that failed on the node which was asked, and not on the other member, is 200.
func TestStoreThatFailedHere(t *testing.T) {
	network := startNetwork(t, []swarm.SwarmID{5, 5}, func(i int, config *Config) {
		config.Behaviour, config.MaxStoreBytes = &behaviour.Like211, []int64{1, 0}[i]
	})
	alice := newUser(t, 5)
	change := decode[rpc28.ChangeAnswer](t,
		network.call(0, storage.MethodStore, alice.put(0, "x", time.Now(), time.Hour)), 200)
	own, other := change.Swarm[network.states[0].PubkeyEd25519], change.Swarm[network.states[1].PubkeyEd25519]
	if !bool(own.QueryFailure) || bool(other.Failed) {
		t.Errorf("own %+v, other %+v", own, other)
	}
	network.wantStored(1, alice.pubKey(), 1)
}

// Namespace -3741 is a public outbox at 2.8.0 and reserved later.
func TestReservedNamespace(t *testing.T) {
	now := time.Now()
	for _, b := range []*behaviour.Rules{&behaviour.Like280, &behaviour.Like211} {
		network, alice := behaving(t, *b, 2), newUser(t, 5)
		got := network.call(0, storage.MethodStore, alice.put(rpc28.NamespaceTest, "x", now, time.Hour))
		if b.TestBox != (got.status == storage.StatusUnauthorized) || !b.TestBox && got.status != 200 {
			t.Errorf("like %s: store: %v", b.Name, got)
		}
		want := []string{"x"}
		if b.TestBox {
			want = nil
		}
		if got := network.texts(0, alice, rpc28.NamespaceTest, now); !slices.Equal(got, want) {
			t.Errorf("like %s: it holds %q", b.Name, got)
		}
	}
}

// A registered node without an address is listed by later servers, with zeros; our client leaves it out.
func TestNodeWithoutAddress(t *testing.T) {
	for _, b := range []*behaviour.Rules{&behaviour.Like280, &behaviour.Like211} {
		network := behaving(t, *b, 2)
		absent := nodeState(ring.KeysFromSeed([32]byte{9}), &net.TCPAddr{IP: net.IPv4zero}, 5)
		network.directory.set(append(slices.Clone(network.states), absent)...)
		eventually(t, "the new node list", func() bool { return len(network.nodes[0].members.View().States) == 3 })
		got := network.call(0, rpc28.MethodGetSwarm, rpc28.GetSwarmParams{Pubkey: newUser(t, 5).pubKey()})
		answer := decode[rpc28.GetSwarmAnswer](t, got, 200)
		listed := slices.ContainsFunc(answer.Snodes, func(m rpc28.Member) bool {
			return m.PubkeyEd25519 == absent.PubkeyEd25519 && m.IP == "0.0.0.0" && m.PortHTTPS == 0
		})
		if listed != b.ActiveNodes {
			t.Errorf("like %s: listed %v in %v", b.Name, listed, answer.Snodes)
		}
		if members, err := storage.ParseSwarm(got.body); err != nil || len(members) != 2 {
			t.Errorf("like %s: our client sees %v, %v", b.Name, members, err)
		}
		active := network.call(0, rpc28.MethodActiveNodes, struct{}{})
		if !b.ActiveNodes {
			if active.status != 400 || active.body != "no method active_nodes_bin" {
				t.Errorf("like %s: %v", b.Name, active)
			}
			continue
		}
		list, err := base64.StdEncoding.DecodeString(decode[string](t, active, 200))
		if err != nil || len(list) != 3*51 || !slices.Equal(list[2*51+40:], make([]byte, 11)) ||
			slices.Equal(list[40:51], make([]byte, 11)) {
			t.Errorf("like %s: %x, %v", b.Name, list, err)
		}
	}
}

func TestBehaviourLike(t *testing.T) {
	for _, b := range everyBehaviour {
		if got, err := behaviour.Like(b.Name); err != nil || got.Name != b.Name || got.HopTimeout != b.HopTimeout {
			t.Errorf("%q: %+v, %v", b.Name, got, err)
		}
	}
	if _, err := behaviour.Like("1.0"); err == nil {
		t.Error("1.0 is known")
	}
	if behaviour.Like280.HopTimeout != 30*time.Second || behaviour.Like207.HopTimeout != 10*time.Second ||
		behaviour.Like280.MemberTimeout != 5*time.Second {
		t.Error("the times are not those that were measured")
	}
}
