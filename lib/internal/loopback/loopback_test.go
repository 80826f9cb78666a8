package loopback

import (
	"net"
	"testing"
)

// A server can listen there, and those who ask it come from elsewhere: they take no port away from it.
func TestOwn(t *testing.T) {
	listener, err := net.Listen("tcp", net.JoinHostPort(Own(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if client := conn.LocalAddr().(*net.TCPAddr).IP.String(); client != "127.0.0.1" {
		t.Errorf("client address is %s", client)
	}
}
