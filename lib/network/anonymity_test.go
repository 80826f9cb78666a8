package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/swarm"
)

// simulation is a network without connections: what a hop would do is decided at once.
type simulation struct {
	nodes   []Node
	hostile map[Key]bool
	attack  bool
	named   string // the swarm that hostile nodes name

	mu      sync.Mutex
	paths   int // that carried an answer
	whole   int // of these, wholly hostile ones
	guards  int // with a hostile guard
	dropped int
}

// simulated is the body of a request that counts; others are probes.
var simulated = []byte("simulated")

// newSimulation makes n nodes in swarms of 5, of which some are hostile.
func newSimulation(n, hostile int, attack bool, random *rand.Rand) *simulation {
	s := &simulation{hostile: make(map[Key]bool), attack: attack}
	var named []string
	for i := range n {
		node := Node{IP: "127.0.0.1", Port: 1, SwarmID: swarm.SwarmID(uint64(i/5) * (1 << 63 / uint64(n/5)) * 2)}
		for j := range 4 {
			binary.BigEndian.PutUint64(node.Ed25519[8*j:], random.Uint64())
		}
		s.nodes = append(s.nodes, node)
	}
	for _, i := range random.Perm(n)[:hostile] {
		s.hostile[s.nodes[i].Ed25519] = true
		named = append(named, fmt.Sprintf(`{"pubkey_ed25519":"%s"}`, s.nodes[i].Ed25519))
	}
	s.named = `{"snodes":[` + strings.Join(named, ",") + `]}`
	return s
}

// carry is what becomes of a request. Hostile guards drop requests whose relays are not all hostile, and let probes
// pass; hostile targets name each other as the swarm, and answer requests with 421.
func (s *simulation) carry(_ context.Context, path []Node, target Node, body []byte) (onion.Response, error) {
	counts, whole := bytes.Equal(body, simulated), true
	for _, hop := range path {
		whole = whole && s.hostile[hop.Ed25519]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if counts && s.attack && s.hostile[path[0].Ed25519] && !whole {
		s.dropped++
		return onion.Response{}, &pathError{504, onion.TextTimeout}
	}
	if counts {
		s.paths++
		if whole {
			s.whole++
		}
		if s.hostile[path[0].Ed25519] {
			s.guards++
		}
	}
	switch {
	case s.attack && s.hostile[target.Ed25519] && counts:
		return onion.Response{Status: storage.StatusWrongSwarm, Body: s.named}, nil
	case s.attack && s.hostile[target.Ed25519]:
		return onion.Response{Status: storage.StatusOK, Body: s.named}, nil
	}
	return onion.Response{Status: storage.StatusOK, Body: `{"snodes":[{"pubkey_ed25519":"` + target.Ed25519.String() +
		`"}]}`}, nil
}

// simulatedJudge makes requests that count, and takes any answer.
type simulatedJudge struct{}

func (simulatedJudge) Request(Node) ([]byte, error) { return simulated, nil }

func (simulatedJudge) Judge(reply Reply) Verdict {
	if reply.Err != nil {
		return Next
	}
	return Done
}

// run lets accounts send to and poll swarms, and returns how many mappings were captured and how many requests failed.
func (s *simulation) run(b *testing.B, accounts, requests int, seed uint64) (captured, failed int) {
	b.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	running := make(chan struct{}, 32) // accounts at once, because most of their time is waiting
	for account := range accounts {
		running <- struct{}{}
		all.Go(func() {
			defer func() { <-running }()
			got, lost := s.account(b, account, requests, seed)
			mu.Lock()
			defer mu.Unlock()
			captured, failed = captured+got, failed+lost
		})
	}
	all.Wait()
	return captured, failed
}

// account is one account of run.
func (s *simulation) account(b *testing.B, account, requests int, seed uint64) (captured, failed int) {
	b.Helper()
	random := rand.NewChaCha8([32]byte{byte(account), byte(seed), byte(account >> 8)})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c, err := New(Config{Seeds: []string{"http://127.0.0.1:1"}, Random: random,
		Now: func() time.Time { return at }})
	if err != nil {
		b.Error(err)
		return captured, failed
	}
	c.carry = s.carry
	c.setNodes(s.nodes)
	c.askedAt = at
	ids := make([]sessionid.ID, 20)
	for i := range ids {
		var key [32]byte
		if _, err := random.Read(key[:]); err != nil {
			b.Error(err)
			return captured, failed
		}
		ids[i] = sessionid.FromPublicKey(key)
	}
	for i := range requests {
		id := ids[i%len(ids)]
		err := c.AskSwarm(b.Context(), Question{Owner: id, Call: Call{Method: storage.MethodStore},
			Judge: simulatedJudge{}, Sides: SwarmTargets})
		if err != nil {
			failed++
		}
		members, err := c.Swarm(b.Context(), id)
		if ring, _ := c.ringMembers(id); err == nil && !sameNodes(members, ring) {
			captured++
		}
		at = at.Add(time.Minute)
		c.askedAt = at
	}
	if err := c.Close(); err != nil {
		b.Error(err)
		return captured, failed
	}
	return captured, failed
}

// BenchmarkAnonymity prints what hostile nodes that drop selectively, name wrong swarms and answer 421 get of the paths
// of 200 accounts, beside what they get when they do nothing but watch. It measures no time. The order of goroutines
// changes the last digits.
func BenchmarkAnonymity(b *testing.B) {
	for b.Loop() {
		fmt.Println("| nodes | hostile | wholly hostile paths: drawn blindly | watching | attacking | hostile " +
			"guards: watching | attacking | captured mappings | failed requests |")
		fmt.Println("|---|---|---|---|---|---|---|---|---|")
		for _, n := range []int{30, 300} {
			for _, percent := range []int{5, 10, 20} {
				h := max(n*percent/100, 1)
				expected := float64(h*(h-1)*(h-2)) / float64(n*(n-1)*(n-2))
				var whole, guards [2]float64
				var captured, failed int
				for i, attack := range []bool{false, true} {
					s := newSimulation(n, h, attack, rand.New(rand.NewPCG(uint64(n), uint64(percent))))
					got, lost := s.run(b, 200, 50, uint64(percent))
					captured, failed = captured+got, failed+lost
					whole[i] = 100 * float64(s.whole) / float64(s.paths)
					guards[i] = 100 * float64(s.guards) / float64(s.paths)
				}
				fmt.Printf("| %d | %d%% | %.3f%% | %.3f%% | %.3f%% | %.1f%% | %.1f%% | %d | %d |\n",
					n, percent, 100*expected, whole[0], whole[1], guards[0], guards[1], captured, failed)
			}
		}
	}
}
