package network

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sessiontool/lib/storage"
)

func key(b byte) (k Key) {
	for i := range k {
		k[i] = b
	}
	return k
}

func TestKey(t *testing.T) {
	var k Key
	text := strings.Repeat("a1", 32)
	if err := k.UnmarshalText([]byte(strings.ToUpper(text))); err != nil || k != key(0xa1) || k.String() != text {
		t.Errorf("got %s, %v", k, err)
	}
	for _, bad := range []string{"", "a1", text + "a1", strings.Repeat("xy", 32)} {
		if err := k.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a key", bad)
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	at := time.Date(2020, 6, 5, 12, 0, 0, 17, time.UTC)
	want := state{
		Nodes: []Node{{Ed25519: key(1), X25519: key(2), IP: "192.0.2.7", Port: 22021, Address: "y.snode",
			SwarmID: 1<<64 - 2}},
		FetchedAt: at, Guards: []Key{key(1)}, Failed: map[Key]time.Time{key(3): at},
		Swarms:     map[string]swarmEntry{"name": {Members: []Key{key(1)}, At: at}},
		Strikes:    map[Key]map[Key]time.Time{key(1): {key(3): at}},
		Difficulty: 10, OffsetMS: -5000,
	}
	path := filepath.Join(t.TempDir(), "new", "folder", "state.json")
	file := stateFile{path: path}
	if err := file.save(want); err != nil {
		t.Fatal(err)
	}
	if got := (&stateFile{path: path}).load(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the file: %v, %v", info.Mode(), err)
	}
}

// The file is written when there is something new only: most runs learn nothing.
func TestStateIsWrittenWhenItChanges(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	config.Late = time.Minute // a late answer is worth a note
	var content []byte
	run := func(do func(*Client)) os.FileInfo {
		c := open(t, config)
		do(c)
		closeClient(t, c)
		info, err := os.Stat(config.StateFile)
		if err == nil {
			content, err = os.ReadFile(config.StateFile)
		}
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	request := func(c *Client) { ask(t, c, nodeOf(t, c, net.Nodes[0])) }
	first := run(request)
	for try := 1; ; try++ { // a run on a busy machine may learn how long answers take
		before, second := content, run(request)
		if os.SameFile(first, second) {
			break
		}
		if first = second; try == 5 {
			t.Fatalf("runs that learned nothing wrote the file, at last\n%s\nover\n%s", content, before)
		}
	}
	if third := run(func(c *Client) { c.SetDifficulty(7) }); os.SameFile(first, third) {
		t.Error("what a run learned was not written")
	}
}

// A node with a key of low order does not come back from the cache.
func TestStateLeavesOutLowOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	good := Node{Ed25519: key(1), X25519: key(2), IP: "192.0.2.7", Port: 22021}
	bad, worse := good, good
	bad.Ed25519, worse.X25519 = Key{1}, Key{}
	if err := (&stateFile{path: path}).save(state{Nodes: []Node{bad, good, worse}}); err != nil {
		t.Fatal(err)
	}
	if got := (&stateFile{path: path}).load().Nodes; !reflect.DeepEqual(got, []Node{good}) {
		t.Errorf("the cache has %v", got)
	}
}

// A cache that is lost or spoilt is as good as none.
func TestSpoiltState(t *testing.T) {
	for _, content := range []string{"", "{", "[]", `{"nodes":7}`, `{"guards":["xyz"]}`,
		`{"failed":null,"swarms":null}`, "\x00\x01"} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got := (&stateFile{path: path}).load()
		want := state{Failed: map[Key]time.Time{}, Swarms: map[string]swarmEntry{},
			Strikes: map[Key]map[Key]time.Time{}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q was read as %+v", content, got)
		}
	}
}

func TestClientWithSpoiltState(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	if err := os.WriteFile(config.StateFile, []byte(`{"nodes":[{"pubkey_ed25519":"12`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, config)
	ask(t, c, nodeOf(t, c, net.Nodes[0]))
	closeClient(t, c)
	if got := (&stateFile{path: config.StateFile}).load(); len(got.Nodes) != 4 {
		t.Errorf("%d nodes are remembered", len(got.Nodes))
	}
}

// A cache that cannot be written is worth a warning, and no reason for a request to fail.
func TestStateCannotBeWritten(t *testing.T) {
	net, log := startFakenet(t, 4), &buffer{}
	config := configOf(t, net.SeedURL())
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config.StateFile, config.Log = filepath.Join(occupied, "state.json"), log.logger()
	c := open(t, config)
	ask(t, c, nodeOf(t, c, net.Nodes[0]))
	if _, err := c.Swarm(t.Context(), someone(t)); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("warned %d times:\n%s", n, log)
	}
}

func TestNoStateFile(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	config.StateFile = ""
	c := open(t, config)
	ask(t, c, nodeOf(t, c, net.Nodes[0]))
}

func TestForget(t *testing.T) {
	now := time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)
	s := state{
		Failed: map[Key]time.Time{
			key(1): now.Add(-failedFor), key(2): now.Add(-failedFor + time.Second), key(3): now,
			key(4): now.Add(time.Second),
		},
		Swarms: make(map[string]swarmEntry),
	}
	for i := range maxSwarms + 10 {
		s.Swarms[string(rune(0x4e00+i))] = swarmEntry{At: now.Add(time.Duration(i) * time.Second)}
	}
	s.forget(now)
	if want := map[Key]time.Time{key(2): now.Add(-failedFor + time.Second), key(3): now}; !reflect.DeepEqual(s.Failed,
		want) {
		t.Errorf("failures %v are left, want %v", s.Failed, want)
	}
	if len(s.Swarms) != maxSwarms {
		t.Errorf("%d swarms are left", len(s.Swarms))
	}
	for i := range 10 {
		if _, ok := s.Swarms[string(rune(0x4e00+i))]; ok {
			t.Errorf("swarm %d is left though it is one of the oldest", i)
		}
	}
}

func TestStatePath(t *testing.T) {
	one := StatePath("dir", []string{"http://a", "http://b"})
	if filepath.Dir(one) != "dir" {
		t.Errorf("%s is not in the folder", one)
	}
	if other := StatePath("dir", []string{"http://b", "http://a"}); other != one {
		t.Errorf("the order of seeds makes %s of %s", other, one)
	}
	if other := StatePath("dir", []string{"http://a"}); other == one {
		t.Error("two networks share a file")
	}
}

func TestDifficultyIsRemembered(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	c := open(t, config)
	if got := c.Difficulty(); got != 1 {
		t.Errorf("at first it is %d", got)
	}
	c.SetDifficulty(7)
	closeClient(t, c)
	if got := open(t, config).Difficulty(); got != 7 {
		t.Errorf("the next run starts at %d", got)
	}
}

// A file of an older version has other words for the storage RPCs. They are forgotten, and the rest is not.
func TestStateForgetsUnknownGenerations(t *testing.T) {
	for word, want := range map[string]storage.Generation{"today": "", "2020": "", "2.8": storage.Generation28} {
		path := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(path, []byte(`{"generation":"`+word+`","difficulty":7}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := (&stateFile{path: path}).load(); got.Generation != want || got.Difficulty != 7 {
			t.Errorf("%s: generation %q, difficulty %d", word, got.Generation, got.Difficulty)
		}
	}
}
