package ring

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"sessiontool/lib/storage/nodelist"
	"sessiontool/lib/swarm"
)

// state makes a list entry of a node that does not run.
func state(i int, id swarm.SwarmID) nodelist.State {
	keys := KeysFromSeed([32]byte{byte(i), byte(i >> 8)})
	return nodelist.State{
		PubkeyLegacy:  keys.Name(),
		PubkeyEd25519: keys.Name(),
		PubkeyX25519:  keys.X25519.Public.String(),
		PublicIP:      "192.0.2.1",
		StoragePort:   22021,
		SwarmID:       uint64(id),
	}
}

func mustView(t *testing.T, self string, states ...nodelist.State) *View {
	t.Helper()
	v, err := NewView(&nodelist.Result{States: states}, self)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestViewOfSwarms(t *testing.T) {
	self := state(0, 100)
	v := mustView(t, self.PubkeyEd25519, self, state(1, 200), state(2, 100), state(3, swarm.NoSwarm))
	low, high := "05"+strings.Repeat("0", 62)+"10", "05"+strings.Repeat("0", 62)+"ff"
	if !v.Ready() || !v.Owns(low) || v.Owns(high) {
		t.Errorf("ready %v, owns the low key %v, the high key %v", v.Ready(), v.Owns(low), v.Owns(high))
	}
	if members := v.SwarmOf(low); len(members) != 2 || members[0].Name() != self.PubkeyEd25519 {
		t.Errorf("swarm of the low key is %v", members)
	}
	if others := v.Others(); len(others) != 1 || others[0].Name() != state(2, 0).PubkeyEd25519 {
		t.Errorf("the others are %v", others)
	}
	if len(v.Peers) != 4 {
		t.Errorf("%d nodes can be relays, want all 4", len(v.Peers))
	}
}

func TestViewWithoutSelf(t *testing.T) {
	key := "05" + strings.Repeat("0", 64)
	decommissioned := state(0, swarm.NoSwarm)
	for name, v := range map[string]*View{
		"empty":          mustView(t, decommissioned.PubkeyEd25519),
		"not listed":     mustView(t, decommissioned.PubkeyEd25519, state(1, 100)),
		"decommissioned": mustView(t, decommissioned.PubkeyEd25519, state(1, 100), decommissioned),
		"before a list":  {},
	} {
		if v.Ready() || v.Owns(key) || v.Others() != nil {
			t.Errorf("%s: ready %v, owns %v, others %v", name, v.Ready(), v.Owns(key), v.Others())
		}
	}
}

func TestViewLeavesOutBadEntries(t *testing.T) {
	with := func(change func(s *nodelist.State)) nodelist.State {
		s := state(1, 100)
		change(&s)
		return s
	}
	v := mustView(t, "",
		with(func(s *nodelist.State) { s.PubkeyEd25519 = "zz" }),
		with(func(s *nodelist.State) { s.PubkeyX25519 = "" }),
		with(func(s *nodelist.State) { s.PubkeyLegacy = s.PubkeyLegacy[2:] }),
		with(func(s *nodelist.State) { s.PubkeyEd25519 = "01" + strings.Repeat("00", 31) }), // of low order
		with(func(s *nodelist.State) { s.PubkeyX25519 = "01" + strings.Repeat("00", 31) }),
		with(func(s *nodelist.State) { s.PublicIP = "localhost" }),
		with(func(s *nodelist.State) { s.PublicIP = "0.0.0.0" }),
		with(func(s *nodelist.State) { s.StoragePort = 0 }),
		state(2, 100), state(2, 200))
	if len(v.Peers) != 1 || len(v.Swarms) != 1 {
		t.Errorf("%d nodes in %d swarms, want the one good entry", len(v.Peers), len(v.Swarms))
	}
	if _, err := NewView(&nodelist.Result{States: make([]nodelist.State, maxMembers+1)}, ""); err == nil {
		t.Error("an endless list was accepted")
	}
}

// A key is read as with strtoull: each word up to its first character that is no digit.
func TestLenientKey(t *testing.T) {
	word := func(n uint64) string { return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, n)) }
	for _, test := range []struct {
		text string
		want uint64 // position on the ring
	}{
		{"05" + word(1) + word(2) + word(4) + word(8), 15},
		{"05" + strings.ToUpper(word(0xabcdef)) + word(0) + word(0) + word(0), 0xabcdef},
		{"zz" + strings.Repeat("q", 64), 0},
		{"05" + "12zz567890123456" + word(0) + word(0) + word(0), 0x12},
		{"05" + word(math.MaxUint64) + "g000000000000000" + word(0) + word(0), math.MaxUint64},
		{"05", 0},
	} {
		if got := swarm.Position(lenientKey(test.text)); got != test.want {
			t.Errorf("%q is at %x, want %x", test.text, got, test.want)
		}
	}
}

// funcDirectory is a Directory made of a function.
type funcDirectory func(lastHash string) (*nodelist.Result, error)

func (f funcDirectory) Nodes(_ context.Context, lastHash string) (*nodelist.Result, error) {
	return f(lastHash)
}

// When the directory fails or repeats itself, the last list stays in force. Each new list is acted upon once.
func TestRefresh(t *testing.T) {
	answers := []struct {
		result *nodelist.Result
		err    error
	}{
		{nil, errors.New("no answer")},
		{&nodelist.Result{States: []nodelist.State{state(1, 100)}, BlockHash: "a"}, nil},
		{&nodelist.Result{Unchanged: true}, nil},
		{&nodelist.Result{States: []nodelist.State{state(1, 100)}, BlockHash: "a"}, nil},
		{nil, errors.New("no answer")},
		{&nodelist.Result{BlockHash: "b"}, nil},
	}
	var asked, changes []string
	m := NewMembers(funcDirectory(func(lastHash string) (*nodelist.Result, error) {
		answer := answers[len(asked)]
		asked = append(asked, lastHash)
		return answer.result, answer.err
	}), "", slog.New(slog.DiscardHandler), func(old, fresh *View) {
		changes = append(changes, old.BlockHash+">"+fresh.BlockHash)
	})
	for _, answer := range answers {
		if err := m.Refresh(t.Context()); !errors.Is(err, answer.err) {
			t.Errorf("refresh says %v, the directory said %v", err, answer.err)
		}
	}
	if got := fmt.Sprintf("%q %q", asked, changes); got != `["" "" "a" "a" "a" "a"] [">a" "a>b"]` {
		t.Errorf("asked for and changed: %s", got)
	}
}
