package network

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"sessiontool/lib/network/clocks"
	"sessiontool/lib/network/latency"
	"sessiontool/lib/network/listing"
	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// FuzzStateFile starts a client from any file network-*.json: it works as with a cache that is wrong or lost. Each node
// that it may ask has usable keys. It writes a file that it reads again as the same.
func FuzzStateFile(f *testing.F) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	full := state{
		FetchedAt: at, Guards: []Key{key(1), key(2)}, Failed: map[Key]time.Time{key(3): at},
		Swarms:     map[string]swarmEntry{swarmName(sessionid.ID{5}): {Members: []Key{key(1)}, At: at}},
		Strikes:    map[Key]map[Key]time.Time{key(1): {key(3): at}},
		Difficulty: 10, OffsetMS: -5000, OffsetAt: at, Generation: storage.Generation28,
		Answers: map[string]int64{storage.MethodSwarm: 70},
	}
	for i := range byte(6) {
		full.Nodes = append(full.Nodes, Node{Ed25519: key(1 + i), X25519: key(2), IP: "192.0.2.7", Port: 22021,
			Address: "y.snode", SwarmID: 5})
	}
	data, err := json.Marshal(full)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"nodes":[{"pubkey_ed25519":"00"}],"failed":{"x":"y"}}`))
	f.Add([]byte(`{"swarms":{"":{"members":null}},"answers_ms":{"a":-1},"clock_offset_ms":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "network-0.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		config := Config{Seeds: []string{"http://127.0.0.1:1"}, StateFile: path, Random: zeros{},
			Now: func() time.Time { return at }}
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		c.carry = func(context.Context, []Node, Node, []byte) (onion.Response, error) {
			return onion.Response{Status: storage.StatusOK, Body: "{}"}, nil
		}
		id := sessionid.ID{5}
		if len(c.state.Nodes) > 0 {
			c.askedAt = at // no seed is asked
			for _, node := range c.state.Nodes {
				if !listing.UsableKeys(node.Ed25519, node.X25519) {
					t.Errorf("%+v may be asked", node)
				}
			}
			path, err := c.Path(t.Context(), c.state.Nodes[0].Ed25519)
			for _, node := range path {
				if _, ok := c.Node(node.Ed25519); !ok {
					t.Errorf("a path has %+v, which is not listed", node)
				}
			}
			if err == nil && len(path) == 0 {
				t.Error("a path has no node")
			}
			for _, node := range c.cachedSwarm(id) {
				if _, ok := c.Node(node.Ed25519); !ok {
					t.Errorf("a swarm has %+v, which is not listed", node)
				}
			}
		}
		if c.Difficulty() < 1 {
			t.Errorf("the difficulty is %d", c.Difficulty())
		}
		if late := c.lateAfter(Call{Method: storage.MethodSwarm}); late < latency.Soonest {
			t.Errorf("an answer is late after %s", late)
		}
		c.Now()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		kept := c.state
		again := (&stateFile{path: path}).load()
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || !reflect.DeepEqual(normal(t, again), normal(t, kept)) {
			t.Errorf("%+v was written, and read as %+v", kept, again)
		}
	})
}

// normal is a state as JSON.
func normal(t *testing.T, s state) string {
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// zeros is a source of bytes.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// FuzzNodeAnswers reads what nodes answer about their swarms, their time and the difficulty.
func FuzzNodeAnswers(f *testing.F) {
	f.Add(200, `{"t":1795391232497,"version":[2,8,0]}`)
	f.Add(400, "no such method: info")
	f.Add(421, `{"snodes":[{"pubkey_ed25519":"00","ip":"1.2.3.4","port":"1"}]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		c, err := New(Config{Seeds: []string{"http://127.0.0.1:1"}, Random: zeros{}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		if at := clocks.AnswerTime(status, body); !at.IsZero() && at.Before(time.UnixMilli(1)) {
			t.Errorf("%q has the time %s", body, at)
		}
		c.overhear(key(1), clocks.AnswerTime(status, body), time.Now())
		w := witness{Answer: Answer{Status: status, Body: body}}
		if g := w.generation(); g != "" && !g.Known() || w.time() < 0 {
			t.Errorf("%q is of generation %q, at %d", body, g, w.time())
		}
		if snodes, err := storage.ParseSwarm(body); err == nil {
			if members, _ := c.registered(snodes); len(members) > 0 {
				t.Errorf("%q names members that no list has: %v", body, members)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
