package storagehttp_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/leakcheck"
	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/storage/storagehttp"
)

// newClient makes a client that the test's end closes, without a goroutine left.
func newClient(t *testing.T) *storagehttp.Client {
	t.Helper()
	leakcheck.Check(t)
	client := storagehttp.NewClient()
	t.Cleanup(client.Close)
	return client
}

// server is a node as the tests want it.
type server struct {
	*httptest.Server
	connections atomic.Int32
}

func newServer(t *testing.T, handler http.HandlerFunc, adjust func(*httptest.Server)) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	if adjust != nil {
		adjust(s.Server)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *server) post(ctx context.Context, client *storagehttp.Client, body string) (storagehttp.Answer, error) {
	address := s.Listener.Addr().(*net.TCPAddr)
	return client.PostNode(ctx, address.IP.String(), uint16(address.Port), storage.RPCPath, []byte(body))
}

// recordedCertificate is the certificate of a 2020 storage server.
func recordedCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	file, err := os.Open(vectors.Path(t, "node-2020.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row struct {
			Certificate []byte `json:"cert_der_b64"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if row.Certificate != nil {
			certificate, err := x509.ParseCertificate(row.Certificate)
			if err != nil {
				t.Fatalf("Go does not read the recorded certificate: %v", err)
			}
			return certificate
		}
	}
	t.Skip("the recording has no certificate")
	return nil
}

// likeIn2020 makes a server behave like a storage server of that time: TLS 1.2 only, a self-signed RSA certificate
// like the recorded one, one request per connection, no Date (storage-2.0.md section 1.1).
func likeIn2020(t *testing.T) func(*httptest.Server) {
	t.Helper()
	recorded := recordedCertificate(t)
	public, ok := recorded.PublicKey.(*rsa.PublicKey)
	if !ok {
		t.Fatalf("the recorded key is a %T", recorded.PublicKey)
	}
	key, err := rsa.GenerateKey(rand.Reader, public.N.BitLen())
	if err != nil {
		t.Fatal(err)
	}
	like := *recorded
	like.PublicKey = &key.PublicKey
	der, err := x509.CreateCertificate(rand.Reader, &like, &like, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return func(s *httptest.Server) {
		s.TLS = &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
			MinVersion:   tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
		}
		s.Config.SetKeepAlivesEnabled(false)
	}
}

func TestServerOf2020(t *testing.T) {
	client := newClient(t)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.TLS.Version != tls.VersionTLS12 {
			t.Errorf("body: %v, TLS version %x", err, r.TLS.Version)
		}
		w.Header()["Date"] = nil
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Content-Type"), body)
	}, likeIn2020(t))
	for i := range 3 {
		answer, err := s.post(t.Context(), client, "hello")
		if err != nil {
			t.Fatal(err)
		}
		want := "POST application/json hello"
		if answer.Status != 200 || string(answer.Body) != want || !answer.Date.IsZero() {
			t.Errorf("answer %d is %d %q at %v, want 200 %q without a date",
				i, answer.Status, answer.Body, answer.Date, want)
		}
	}
	if n := s.connections.Load(); n != 3 {
		t.Errorf("3 requests took %d connections", n)
	}
}

// Clients do not verify the certificate of a node, but Go must be able to parse it.
func TestCertificateOf2020(t *testing.T) {
	certificate := recordedCertificate(t)
	algorithm, signed := certificate.SignatureAlgorithm, certificate.RawTBSCertificate
	if err := certificate.CheckSignature(algorithm, signed, certificate.Signature); err != nil {
		t.Errorf("it is not self-signed: %v", err)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	client := newClient(t)
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, nil)
	for range 3 {
		if _, err := s.post(t.Context(), client, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("3 requests took %d connections", n)
	}
}

// A server that closes a kept connection as the next request arrives has not served it: the client repeats the request
// over a new connection. It does not repeat a request after a new connection was closed.
func TestConnectionClosedWhileIdle(t *testing.T) {
	client := newClient(t)
	var closes, served atomic.Int32
	var kept atomic.Value // the connection that has had an answer
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if before := kept.Swap(r.RemoteAddr); before == r.RemoteAddr || served.Load() == 2 {
			closes.Add(1)
			panic(http.ErrAbortHandler)
		}
		served.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(body)
	}, nil)
	for range 2 {
		if answer, err := s.post(t.Context(), client, "hello"); err != nil || string(answer.Body) != "hello" {
			t.Fatalf("%q, %v", answer.Body, err)
		}
	}
	if served.Load() != 2 || closes.Load() != 1 || s.connections.Load() != 2 {
		t.Errorf("%d requests served, %d closed, %d connections", served.Load(), closes.Load(), s.connections.Load())
	}
	_, err := s.post(t.Context(), client, "hello")
	if !errors.Is(err, storagehttp.ErrUnreachable) || closes.Load() != 3 {
		t.Errorf("a server that closes every connection: %v after %d", err, closes.Load())
	}
}

func TestGetAndDate(t *testing.T) {
	client := newClient(t)
	date := time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}, nil)
	address := s.Listener.Addr().(*net.TCPAddr)
	answer, err := client.GetNode(t.Context(), address.IP.String(), uint16(address.Port), storage.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	want := "GET" + storage.StatsPath
	if answer.Status != 404 || string(answer.Body) != want || !answer.Date.Equal(date) {
		t.Errorf("answer is %d %q at %v, want 404 %q at %v", answer.Status, answer.Body, answer.Date, want, date)
	}
}

func TestAnswerBound(t *testing.T) {
	client := newClient(t)
	size := storage.MaxBodyBytes
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", size))
	}, nil)
	if answer, err := s.post(t.Context(), client, ""); err != nil || len(answer.Body) != size {
		t.Errorf("got %d bytes, %v; want all %d", len(answer.Body), err, size)
	}
	size++
	if _, err := s.post(t.Context(), client, ""); !errors.Is(err, storagehttp.ErrTooLarge) {
		t.Errorf("one byte more: %v, want ErrTooLarge", err)
	}
}

func TestRedirectIsAnAnswer(t *testing.T) {
	client := newClient(t)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != storage.RPCPath {
			t.Errorf("redirect to %s was followed", r.URL)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, nil)
	answer, err := s.post(t.Context(), client, "secret")
	if err != nil || answer.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %d, %v", answer.Status, err)
	}
}

func TestUnreachable(t *testing.T) {
	hijacked := func(do func(net.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			do(conn)
			conn.Close()
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"cut before the answer": hijacked(func(net.Conn) {}),
		"cut in the answer": hijacked(func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
		}),
		"not HTTP": hijacked(func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH\r\n") }),
		"endless header": hijacked(func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			s := newServer(t, handler, nil)
			if _, err := s.post(t.Context(), client, ""); !errors.Is(err, storagehttp.ErrUnreachable) {
				t.Errorf("got %v, want ErrUnreachable", err)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		client := newClient(t)
		s := newServer(t, nil, nil)
		s.Close()
		if _, err := s.post(t.Context(), client, ""); !errors.Is(err, storagehttp.ErrUnreachable) {
			t.Errorf("got %v, want ErrUnreachable", err)
		}
	})
	t.Run("not TLS", func(t *testing.T) {
		client := newClient(t)
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		plain := &server{Server: s}
		if _, err := plain.post(t.Context(), client, ""); !errors.Is(err, storagehttp.ErrUnreachable) {
			t.Errorf("got %v, want ErrUnreachable", err)
		}
	})
}

// A cancelled or expired context is not reported as an unreachable peer.
func TestCallerGivesUp(t *testing.T) {
	client := newClient(t)
	release := make(chan struct{})
	s := newServer(t, func(http.ResponseWriter, *http.Request) { <-release }, nil)
	t.Cleanup(func() { close(release) })

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.post(cancelled, client, "")
	if !errors.Is(err, context.Canceled) || errors.Is(err, storagehttp.ErrUnreachable) {
		t.Errorf("cancelled: got %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.post(late, client, "")
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, storagehttp.ErrUnreachable) {
		t.Errorf("out of time: got %v", err)
	}
	why := errors.New("waited long enough")
	tired, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	if _, err := s.post(tired, client, ""); !errors.Is(err, why) {
		t.Errorf("got %v, want the context's cause", err)
	}
}

// Nodes prove themselves by their onion keys, seeds by their certificates.
func TestOnlySeedsNeedACertificate(t *testing.T) {
	client := newClient(t)
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, nil)
	if _, err := s.post(t.Context(), client, ""); err != nil {
		t.Errorf("node: %v", err)
	}
	_, err := client.PostSeed(t.Context(), s.URL+nodelist.SeedPath, nil)
	if !errors.Is(err, storagehttp.ErrCertificate) {
		t.Errorf("seed with a certificate that nobody signed: %v, want ErrCertificate", err)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.URL.Path, body)
	}))
	t.Cleanup(plain.Close)
	answer, err := client.PostSeed(t.Context(), plain.URL+nodelist.SeedPath, []byte("{}"))
	if want := nodelist.SeedPath + " {}"; err != nil || string(answer.Body) != want {
		t.Errorf("seed over http: %q, %v; want %q", answer.Body, err, want)
	}
	if _, err := client.PostSeed(t.Context(), "http://[", nil); err == nil {
		t.Error("a URL that is none was asked")
	}
}
