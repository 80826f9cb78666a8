package route

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/pow"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// provedFor makes a request with a proof that meets one difficulty and not another.
func provedFor(t *testing.T, to sessionid.ID, difficulty, not int64) StoreRequest {
	t.Helper()
	router := New(nil, nil, Options{})
	request := requestFor(to, "hello")
	for request.StampMS = time.Now().UnixMilli(); ; request.StampMS-- {
		if err := router.Solve(t.Context(), &request, difficulty); err != nil {
			t.Fatal(err)
		}
		if !request.proves(not) {
			return request
		}
	}
}

// Difficulty rises and falls, and messages are stored at once or with one proof more.
func TestDifficulty(t *testing.T) {
	net := startDevnet(t, 8, 4)
	router, client := storer(t, net.SeedURL(), Options{})
	bob, last := someone(t), int64(1)
	for _, difficulty := range []int64{3, 8} {
		net.SetDifficulty(uint64(difficulty))
		solved := 0
		request := provedFor(t, bob, last, difficulty)
		request.Solved = func(q StoreRequest) error {
			if solved++; !q.proves(difficulty) || q.StampMS != request.StampMS {
				t.Errorf("difficulty %d: solved is %+v", difficulty, q)
			}
			return nil
		}
		receipt, err := router.Store(t.Context(), request)
		if err != nil || receipt.Stored != 3 || receipt.Difficulty != difficulty || solved != 1 {
			t.Errorf("difficulty %d: %+v after %d proofs, %v", difficulty, receipt, solved, err)
		}
		if got := client.Difficulty(); got != difficulty {
			t.Errorf("difficulty %d: %d is remembered", difficulty, got)
		}
		last = difficulty
	}
	net.SetDifficulty(2)
	for _, proved := range []int64{8, 2} {
		receipt, err := router.Store(t.Context(), requestFor(bob, "hello"))
		if err != nil || receipt.Stored != 3 || receipt.Difficulty != proved {
			t.Errorf("difficulty 2: %+v, %v", receipt, err)
		}
		if got := client.Difficulty(); got != 2 {
			t.Errorf("difficulty 2: %d is remembered", got)
		}
	}
}

// wants makes a node take only what meets its difficulty.
func wants(node *fakenet.Node, difficulty int64) {
	node.Answer(func(call fakenet.Call) (int, string) {
		if call.Method != storage.MethodStore {
			return 0, ""
		}
		p := call.Params
		m := pow.Message{PubKey: p["pubKey"], Timestamp: p["timestamp"], TTL: p["ttl"], Data: p["data"]}
		status := storage.StatusOK
		if _, ok := pow.Verify(m, pow.DecodeNonceLenient(p["nonce"]), uint64(difficulty)); !ok {
			status = storage.StatusBadProofOfWork
		}
		return status, fmt.Sprintf(`{"difficulty":%d}`, difficulty)
	})
}

// A node that lies about the difficulty causes no work, as long as others take the message.
func TestNodeLiesAboutDifficulty(t *testing.T) {
	for name, lie := range map[string]string{
		"absurd": `{"difficulty":9000000000000000000}`, "more than allowed": `{"difficulty":1099511627776}`,
		"what is met": `{"difficulty":1}`, "none": `{"difficulty":0}`, "negative": `{"difficulty":-5}`,
		"no number": `{"difficulty":"10"}`, "no JSON": `no`,
	} {
		t.Run(name, func(t *testing.T) {
			net := startFakenet(t, 8)
			net.OneSwarm(net.Nodes[:4]...)
			always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(net.Nodes[:4]...), net.Nodes...)
			net.Nodes[0].Answer(func(call fakenet.Call) (int, string) {
				if call.Method == storage.MethodStore {
					return storage.StatusBadProofOfWork, lie
				}
				return 0, ""
			})
			router, client := storer(t, net.SeedURL(), Options{Quorum: 3})
			for range 4 {
				receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
				if err != nil || receipt.Stored != 3 || receipt.Difficulty != 1 {
					t.Errorf("%s: %+v, %v", name, receipt, err)
				}
			}
			if got := client.Difficulty(); got != 1 {
				t.Errorf("difficulty %d is remembered", got)
			}
		})
	}
}

// If members disagree the middle counts.
func TestMembersDisagreeAboutDifficulty(t *testing.T) {
	net := startFakenet(t, 4)
	for i, node := range net.Nodes {
		wants(node, []int64{6, 6, 900, 6}[i])
	}
	router, client := storer(t, net.SeedURL(), Options{})
	for range 4 {
		receipt, err := router.Store(t.Context(), provedFor(t, someone(t), 1, 6))
		if err != nil || receipt.Difficulty != 6 || client.Difficulty() != 6 {
			t.Errorf("%+v, %v; difficulty %d is remembered", receipt, err, client.Difficulty())
		}
	}
}

// A member that has missed a change of difficulty takes what no other would take from it. The others get the message with
// another proof.
func TestMemberMissedAChangeOfDifficulty(t *testing.T) {
	net := startFakenet(t, 4)
	for i, node := range net.Nodes {
		wants(node, []int64{1, 6, 6, 6}[i])
	}
	for range 8 {
		router, client := storer(t, net.SeedURL(), Options{})
		receipt, err := router.Store(t.Context(), provedFor(t, someone(t), 1, 6))
		if err != nil || receipt.Stored < 2 || receipt.Difficulty != 6 || client.Difficulty() != 6 {
			t.Errorf("%+v, %v; difficulty %d is remembered", receipt, err, client.Difficulty())
		}
	}
}

// Nodes that want more whatever they get are left at some time.
func TestDifficultyRisesForEver(t *testing.T) {
	net := startFakenet(t, 4)
	var difficulty atomic.Int64
	difficulty.Store(1)
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodStore {
				return 0, ""
			}
			p := call.Params
			m := pow.Message{PubKey: p["pubKey"], Timestamp: p["timestamp"], TTL: p["ttl"], Data: p["data"]}
			nonce := pow.DecodeNonceLenient(p["nonce"])
			for {
				wanted := difficulty.Load()
				if _, ok := pow.Verify(m, nonce, uint64(wanted)); !ok {
					return storage.StatusBadProofOfWork, fmt.Sprintf(`{"difficulty":%d}`, wanted)
				}
				difficulty.CompareAndSwap(wanted, wanted+1)
			}
		})
	}
	router, _ := storer(t, net.SeedURL(), Options{MaxProof: AnyProof})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	wantError(t, "never enough", err, ErrNotStored)
	if receipt.OK || receipt.Difficulty < 2 {
		t.Errorf("%+v", receipt)
	}
}

// More work than allowed is not done, and not remembered: the next command asks again.
func TestDifficultyTooHigh(t *testing.T) {
	net := startFakenet(t, 4)
	for _, node := range net.Nodes {
		wants(node, math.MaxInt64)
	}
	alice := newPerson(t, "alice", net.SeedURL())
	bob := someone(t)
	receipt, err := alice.Router.Send(t.Context(), alice.drafted(bob, "hello"))
	wantError(t, "absurd difficulty", err, ErrDifficulty)
	if receipt.OK || len(receipt.Nodes) == 0 {
		t.Errorf("absurd difficulty: %+v", receipt)
	}
	if len(alice.waiting()) != 1 {
		t.Error("the message is not in the outbox")
	}

	// An earlier run was allowed more, and the network asks for less now.
	for _, node := range net.Nodes {
		wants(node, 2)
	}
	alice.network.SetDifficulty(1 << 40)
	if receipt, err := alice.Router.Send(t.Context(), alice.drafted(bob, "again")); err != nil ||
		receipt.Difficulty > 20 {
		t.Errorf("%+v, %v", receipt, err)
	}
}

func TestSolve(t *testing.T) {
	router := New(nil, nil, Options{Workers: 1})
	request := requestFor(someone(t), "hello")
	request.StampMS = 1591360000000
	if request.Hash() != "" || request.proves(1) {
		t.Error("it is proved before it is solved")
	}
	if err := router.Solve(t.Context(), &request, 50); err != nil || request.Difficulty != 50 || !request.proves(50) ||
		len(request.Hash()) != 128 {
		t.Errorf("%+v, %v", request, err)
	}
	router = New(nil, nil, Options{MaxProof: AnyProof})
	wantError(t, "beyond all", router.Solve(t.Context(), &request, math.MaxInt64), pow.ErrUnreachable)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "cancelled", router.Solve(cancelled, &request, 1<<40), context.Canceled)
}

// How much work is too much depends on the machine: it is the time that counts.
func TestMaxProofIsTime(t *testing.T) {
	request := requestFor(someone(t), "hello")
	perDifficulty := float64(pow.Expected(request.Message().PayloadLen(), minute, 1))
	for _, rate := range []float64{1e6, 1e8} {
		prover := NewProver(Options{MaxProof: 10 * time.Second})
		prover.measured.once.Do(func() { prover.measured.rate = rate })
		enough := int64(10 * rate / perDifficulty)
		if err := prover.afford(request, enough); err != nil {
			t.Errorf("at %g hashes/s: %v", rate, err)
		}
		wantError(t, "a tenth more", prover.afford(request, enough+enough/10), ErrDifficulty)
		wantError(t, "beyond all", prover.afford(request, math.MaxInt64), ErrDifficulty)
	}
}

// A request whose proof is too costly ends at once, on whatever machine; a cheap one needs no measurement.
func TestMaxProof(t *testing.T) {
	prover := NewProver(Options{MaxProof: time.Second})
	request := requestFor(someone(t), "hello")
	if err := prover.Solve(t.Context(), &request, 10); err != nil || prover.measured.rate != 0 {
		t.Errorf("a small proof: %v, after measuring %g hashes/s", err, prover.measured.rate)
	}
	err := prover.Solve(t.Context(), &request, 1<<40)
	wantError(t, "a large proof", err, ErrDifficulty)
	if prover.measured.rate < 1000 || !strings.Contains(err.Error(), "on this machine, at most 1s") {
		t.Errorf("%v, after measuring %g hashes/s", err, prover.measured.rate)
	}
}

func TestSolveReportsProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var expected uint64
	router := New(nil, nil, Options{MaxProof: AnyProof, Progress: func(_, e uint64) {
		expected = e
		cancel()
	}})
	request := requestFor(someone(t), "hello")
	wantError(t, "cancelled by progress", router.Solve(ctx, &request, 1<<40), context.Canceled)
	if want := pow.Expected(request.Message().PayloadLen(), minute, 1<<40); expected != want {
		t.Errorf("expected are %d hashes, want %d", expected, want)
	}
}

// An envelope that comes with a proof which is none is proved anew when the network says so.
func TestProofThatIsNone(t *testing.T) {
	net := startFakenet(t, 4)
	for _, node := range net.Nodes {
		wants(node, 2)
	}
	router, _ := storer(t, net.SeedURL(), Options{})
	request := requestFor(someone(t), "hello")
	for _, nonce := range []string{"AAAAAAAAAAA=", "no nonce"} {
		request.StampMS, request.Nonce, request.Difficulty = 1591360000000, nonce, 100
		for request.proves(2) {
			request.StampMS++
		}
		receipt, err := router.Store(t.Context(), request)
		if err != nil || receipt.Difficulty != 2 || receipt.TimestampMS != request.StampMS {
			t.Errorf("nonce %q: %+v, %v", nonce, receipt, err)
		}
	}
}
