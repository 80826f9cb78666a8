package tickets

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start starts a server of a TLS version.
func start(t *testing.T, version uint16) (address string) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLS = &tls.Config{MaxVersion: version}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// visit makes a request over a connection of its own, and reports whether it resumed a session.
func visit(t *testing.T, c *Cache, address string) bool {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: c.For(conn)})
	defer secure.Close()
	if _, err := fmt.Fprintf(secure, "GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, secure); err != nil { // with it come the tickets of TLS 1.3
		t.Fatal(err)
	}
	return secure.ConnectionState().DidResume
}

func save(t *testing.T, c *Cache) {
	t.Helper()
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
}

// A later process resumes a session, and one process alone does.
func TestNextProcessResumes(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		address := start(t, version)
		path := filepath.Join(t.TempDir(), "tickets")
		first := New(path, time.Now)
		if visit(t, first, address) {
			t.Error("the first connection resumes a session")
		}
		save(t, first)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("the file: %v, %v", info, err)
		}
		second, third := New(path, time.Now), New(path, time.Now)
		resumed, again := visit(t, second, address), visit(t, second, address)
		if !resumed || !again {
			t.Errorf("version %x: the next process resumes no session", version)
		}
		if visit(t, third, address) {
			t.Errorf("version %x: two processes resume one session", version)
		}
		save(t, second)
		if !visit(t, New(path, time.Now), address) {
			t.Errorf("version %x: the process after it resumes no session", version)
		}
	}
}

// A ticket is used neither when it is old, nor at another port, nor from another address of this machine.
func TestTicketsThatAreNotUsed(t *testing.T) {
	address, other := start(t, 0), start(t, 0)
	path := filepath.Join(t.TempDir(), "tickets")
	first := New(path, time.Now)
	visit(t, first, address)
	save(t, first)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		now     time.Duration
		change  func(string) string
		address string
		resumes bool
	}{
		{"as it was", 0, strings.Clone, address, true},
		{"just before the end", MaxAge - time.Minute, strings.Clone, address, true},
		{"old", MaxAge, strings.Clone, address, false},
		{"of the future", -time.Minute, strings.Clone, address, false},
		{"of another port", 0, strings.Clone, other, false},
		{"of another address here", 0, func(s string) string {
			return strings.Replace(s, `"local":"127.0.0.1"`, `"local":"192.0.2.1"`, 1)
		}, address, false},
		{"damaged", 0, func(s string) string { return strings.Replace(s, `"state":"`, `"state":"AAAA`, 1) }, address, false},
		{"cut", 0, func(s string) string { return s[:len(s)/2] }, address, false},
	} {
		if err := os.WriteFile(path, []byte(test.change(string(content))), 0o600); err != nil {
			t.Fatal(err)
		}
		c := New(path, func() time.Time { return time.Now().Add(test.now) })
		if got := visit(t, c, test.address); got != test.resumes {
			t.Errorf("%s: resumes: %v", test.name, got)
		}
	}
}

// Neither the file nor the memory grows without a bound, and the youngest tickets are kept.
func TestTicketsAreBounded(t *testing.T) {
	address := start(t, 0)
	path := filepath.Join(t.TempDir(), "tickets")
	now := time.Now()
	c := New(path, func() time.Time { return now })
	visit(t, c, address)
	one := c.sessions[address]
	for i := range 2 * maxHeld {
		now = now.Add(time.Second)
		server := server{cache: c, address: fmt.Sprint("node ", i), local: "127.0.0.1"}
		server.Put("", one.state)
	}
	if len(c.sessions) != maxHeld {
		t.Errorf("%d sessions are held", len(c.sessions))
	}
	save(t, c)
	list := c.read()
	if len(list) != maxStored || list[0].Server != fmt.Sprint("node ", 2*maxHeld-1) {
		t.Errorf("%d tickets are stored, first that of %s", len(list), list[0].Server)
	}
}

// Without a file sessions are held in memory.
func TestWithoutFile(t *testing.T) {
	address := start(t, 0)
	c := New("", time.Now)
	if visit(t, c, address) || !visit(t, c, address) {
		t.Error("the second connection resumes no session")
	}
	save(t, c)
}

// A file that cannot be written is an error, which its caller may ignore.
func TestCannotSave(t *testing.T) {
	address := start(t, 0)
	c := New(filepath.Join(t.TempDir(), "absent", "tickets"), time.Now)
	visit(t, c, address)
	if err := c.Save(); err == nil {
		t.Error("it is said to be written")
	}
}
