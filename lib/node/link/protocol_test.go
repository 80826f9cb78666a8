package link

import (
	"bufio"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/onion"
	"sessiontool/lib/storage/nodelist"
)

// identity makes the keys and the certificate of a node.
func identity(t *testing.T) (ring.Keys, tls.Certificate) {
	t.Helper()
	keys, err := ring.LoadKeys(t.TempDir(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := ring.IdentityCertificate(keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keys, certificate
}

// listenLink runs a node that knows only the given protocols of links and answers every frame with code 200. It returns
// the node.
func listenLink(t *testing.T, protocols ...string) *ring.Peer {
	t.Helper()
	keys, certificate := identity(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: protocols, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			writer, reader := newFrameWriter(conn), bufio.NewReader(conn)
			for {
				f, err := readFrame(conn, reader, time.Minute, MaxBody)
				if err != nil || writer.write(frame{f.id, 200, f.body}) != nil {
					break
				}
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	view, err := ring.NewView(&nodelist.Result{States: []nodelist.State{{
		PubkeyLegacy: keys.Name(), PubkeyEd25519: keys.Name(), PubkeyX25519: keys.X25519.Public.String(),
		PublicIP: "127.0.0.1", StoragePort: uint16(listener.Addr().(*net.TCPAddr).Port), Active: true, Funded: true,
	}}}, keys.Name())
	if err != nil {
		t.Fatal(err)
	}
	return view.Peers[keys.Name()]
}

// Groups of changes go only to nodes that have agreed upon them in the handshake; onion requests to the older ones, too.
func TestProtocols(t *testing.T) {
	for _, test := range []struct {
		protocols      []string
		onion, forward error
	}{
		{[]string{Protocol, onionProtocol}, nil, nil},
		{[]string{onionProtocol}, nil, ErrNoLink},
		{[]string{"http/1.1"}, ErrNoLink, ErrNoLink},
	} {
		node := listenLink(t, test.protocols...)
		_, certificate := identity(t)
		links := New(certificate, (&net.Dialer{}).DialContext, 10*time.Second)
		status, answer, err := links.Call(t.Context(), node, onion.V2.Path(), 1, []byte("onion"))
		if !errors.Is(err, test.onion) || err == nil && (status != 200 || string(answer) != "onion") {
			t.Errorf("%v: an onion gets %d %q, %v", test.protocols, status, answer, err)
		}
		status, answer, err = links.Forward(t.Context(), node, []byte("group"))
		if !errors.Is(err, test.forward) || err == nil && (status != 200 || string(answer) != "group") {
			t.Errorf("%v: a group gets %d %q, %v", test.protocols, status, answer, err)
		}
		links.Close()
	}
}
