package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/node/ring"
)

// FuzzRegistryFile starts a registry from any file: it is refused, or its list is one that a registry can have written
// and writes again.
func FuzzRegistryFile(f *testing.F) {
	r := newRegistry(f, 2)
	for i := range 3 {
		if err := r.register(announcement(i)); err != nil {
			f.Fatal(err)
		}
	}
	written, err := os.ReadFile(r.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(written)
	f.Add([]byte(`{"port":1,"height":18446744073709551615,"nodes":[]}`))
	f.Add([]byte(`{"nodes":[{"pubkey_ed25519":"00"}]}`))
	f.Add([]byte(strings.Replace(string(written), keys(1).Name(), keys(0).Name(), 1)))
	path := filepath.Join(f.TempDir(), registryFile)
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := loadRegistry(path, 2, func() time.Time { return day })
		if errors.Is(err, ring.ErrFolder) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(r.list("").States) != len(r.state.Nodes) || len(r.state.Nodes) > MaxNodes {
			t.Errorf("%d nodes are listed of %d", len(r.list("").States), len(r.state.Nodes))
		}
		if err := r.keep(); err != nil {
			t.Fatal(err)
		}
		again, err := loadRegistry(path, 2, r.now)
		if err != nil || again.hash != r.hash {
			t.Errorf("written again it is %v, with hash %s instead of %s", err, again.hash, r.hash)
		}
	})
}

// FuzzControlPort sends anything to the control port: without the token nothing is read, with it the order is carried
// out or refused.
func FuzzControlPort(f *testing.F) {
	n, err := Start(f.Context(), Options{RegistryOnly: true, Control: true, Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	for _, o := range []order{
		{}, {Difficulty: 7}, {Clear: true, Kinds: []FaultKind{FaultStop}},
		{Set: &Fault{Kind: FaultStop}, Nodes: []string{keys(1).Name()}}, {Set: &Fault{Kind: FaultDelay}},
	} {
		body, err := json.Marshal(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(true, "POST", controlPath, "", "", body)
	}
	f.Add(false, "GET", "/", "http://evil.example", "Bearer x", []byte("{"))
	f.Fuzz(func(t *testing.T, authorized bool, method, path, origin, token string, body []byte) {
		r, err := http.NewRequest(method, "http://127.0.0.1/", strings.NewReader(string(body)))
		if err != nil {
			return
		}
		r.URL.Path = path
		if origin != "" {
			r.Header["Origin"] = []string{origin}
		}
		r.Header["Authorization"] = []string{token}
		if authorized {
			r.Header["Authorization"] = []string{"Bearer " + n.control.token}
		}
		own := []string{"", "http://127.0.0.1", "https://127.0.0.1"}
		w := httptest.NewRecorder()
		n.control.server.Handler.ServeHTTP(w, r)
		switch {
		case w.Code >= 500:
			t.Errorf("status %d: %s", w.Code, w.Body)
		case w.Code == 200 &&
			(!authorized || method != http.MethodPost || path != controlPath || !slices.Contains(own, origin)):
			t.Errorf("%s %q with origin %q and token %q is obeyed", method, path, origin, token)
		case w.Code == 200 && !json.Valid(w.Body.Bytes()):
			t.Errorf("answer %q", w.Body)
		}
	})
}
