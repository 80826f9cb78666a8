package network

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

const years = 10 * 365 * 24 * time.Hour

// judging makes nodes of storage RPC 2.0 judge timestamps by a clock, which is all that they ever say of it.
func judging(now func() time.Time, nodes ...*fakenet.Node) {
	for _, node := range nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodStore {
				return 0, ""
			}
			stamp, err := strconv.ParseInt(call.Params["timestamp"], 10, 64)
			ttl, ttlErr := strconv.ParseInt(call.Params["ttl"], 10, 64)
			at := now().UnixMilli()
			switch {
			case err != nil || ttlErr != nil:
				return storage.StatusBadRequest, "numbers"
			case stamp > at+storage.MaxFutureMillis, stamp+ttl < at:
				return storage.StatusBadTimestamp, "Timestamp error: check your clock\n"
			}
			return storage.StatusBadProofOfWork, `{"difficulty":1}`
		})
	}
}

// dating makes nodes give a time with each answer, as our own do.
func dating(now func() time.Time, nodes ...*fakenet.Node) {
	for _, node := range nodes {
		node.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
			return false
		})
	}
}

func fast(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// What the network says counts, in whatever way it says so, however wrong this machine's clock is.
func TestSyncClock(t *testing.T) {
	seeds := map[string]func(net *fakenet.Network, now func() time.Time){
		"date":          func(net *fakenet.Network, now func() time.Time) { net.ServeTime(now) },
		"last modified": func(net *fakenet.Network, now func() time.Time) { net.ServeTimeIn("Last-Modified", now) },
		"neither":       func(net *fakenet.Network, _ func() time.Time) { net.ServeTime(nil) },
	}
	nodes := map[string]func(now func() time.Time, nodes ...*fakenet.Node){
		"answer": answerInfo, "header": dating, "limit": judging, "nothing": func(func() time.Time,
			...*fakenet.Node) {
		},
	}
	for how, give := range nodes {
		net := startFakenet(t, 4)
		give(time.Now, net.Nodes...)
		for seed, tell := range seeds {
			tell(net, time.Now)
			for _, off := range []time.Duration{0, time.Hour, -time.Hour, years, -years} {
				if how == "limit" && (seed == "last modified" || (seed == "date") != (off.Abs() == years)) &&
					off != years {
					continue // a search takes seconds, and these have nothing new
				}
				t.Run(fmt.Sprintf("%s, %s, %s", seed, how, off), func(t *testing.T) {
					config := configOf(t, net.SeedURL())
					config.Now = fast(off)
					c := open(t, config)
					got, err := c.SyncClock(t.Context())
					source, ways := ClockNodes, how
					switch {
					case how == "nothing" && seed == "neither", how == "limit" && seed == "neither" &&
						off.Abs() == years:
						if !errors.Is(err, ErrNoTime) || errors.Is(err, ErrNoSeed) || c.Offset() != 0 {
							t.Errorf("learned %+v, %v", got, err)
						}
						return
					case how == "nothing":
						source, ways = ClockSeeds, "header"
					}
					if err != nil || got.Source != source || (got.Offset+off).Abs() > 4*time.Second ||
						got.Offset != c.Offset() {
						t.Errorf("learned %+v, %v", got, err)
					}
					if off == 0 && got.Offset != 0 {
						t.Errorf("a clock that is right is off by %s", got.Offset)
					}
					if !slices.ContainsFunc(got.Voices,
						func(v Voice) bool { return v.From == source && string(v.How) == ways }) {
						t.Errorf("voices are %+v", got.Voices)
					}
				})
			}
		}
	}
}

// A clock that the user sets while the nodes are asked does not make an error of what it showed before. Simulated schedules
// found it (seed 992, quick).
func TestClockIsSetMeanwhile(t *testing.T) {
	net := startFakenet(t, 4)
	var ahead atomic.Int64
	config := configOf(t, net.SeedURL())
	config.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := open(t, config)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(time.Hour))
	net.ServeTime(func() time.Time {
		ahead.Store(0)
		return time.Now()
	})
	if got, err := c.SyncClock(t.Context()); err != nil || got.Offset != 0 || c.Offset() != 0 {
		t.Errorf("the clock is off by %s, %v", got.Offset, err)
	}
}

// No seed decides where nodes give their time, and no node decides alone where several do.
func TestOneVoiceDoesNotDecide(t *testing.T) {
	for how, give := range map[string]func(func() time.Time, ...*fakenet.Node){"answer": answerInfo, "limit": judging} {
		t.Run(how, func(t *testing.T) {
			net := startFakenet(t, 4)
			net.ServeTime(fast(-2 * time.Hour))
			give(fast(time.Hour), net.Nodes[0])
			give(time.Now, net.Nodes[1:]...)
			c := clientOf(t, net)
			if _, err := c.Generation(t.Context()); err != nil || (c.Offset()+2*time.Hour).Abs() > 4*time.Second {
				t.Fatalf("before nodes are asked the seed counts: off by %s, %v", c.Offset(), err)
			}
			if err := c.SureClock(t.Context()); err != nil || c.Offset() != 0 {
				t.Errorf("off by %s, %v", c.Offset(), err)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	node, seed := ClockNodes, ClockSeeds
	voices := func(from ClockSource, hours ...int) (all []Voice) {
		for _, h := range hours {
			all = append(all, Voice{From: from, Offset: time.Duration(h) * time.Hour})
		}
		return all
	}
	for _, test := range []struct {
		voices []Voice
		want   int
		source ClockSource
	}{
		{voices(seed, 3), 3, seed},
		{voices(seed, 9, 3, 2), 3, seed},
		{slices.Concat(voices(node, 1), voices(seed, 3, 3, 3)), 1, node},
		{slices.Concat(voices(node, 1, 7), voices(seed, 3)), 3, node},
		{slices.Concat(voices(node, 1, 7), voices(seed, 6, 9, 8)), 7, node},
		{voices(node, 7, 1), 1, node},
		{voices(node, -7, -1), -1, node},
		{slices.Concat(voices(node, 5, -7, 1), voices(seed, 9)), 1, node},
	} {
		got, source, ok := decide(test.voices)
		if !ok || got != time.Duration(test.want)*time.Hour || source != test.source {
			t.Errorf("of %+v: %s by %s", test.voices, got, source)
		}
	}
	if _, _, ok := decide(nil); ok {
		t.Error("nobody decides")
	}
}

// What an earlier run learned is looked at again after a while: the clock may have been set right since, or wrong once
// more. A clock that was right costs no request.
func TestOffsetOfAnEarlierRun(t *testing.T) {
	net := startFakenet(t, 4)
	answerInfo(time.Now, net.Nodes...)
	config := configOf(t, net.SeedURL())
	run := func(off time.Duration) time.Duration {
		t.Helper()
		config.Now = fast(off)
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer closeClient(t, c)
		if err := c.SureClock(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c.Offset()
	}
	net.ServeTime(time.Now)
	for _, off := range []time.Duration{-time.Hour, -time.Hour, 0, 0} { // the seed's list is fetched once
		if got := run(off); (got + off).Abs() > 4*time.Second {
			t.Errorf("a clock that is %s ahead is off by %s", off, got)
		}
		net.ServeTime(nil)
	}
	for _, node := range net.Nodes {
		node.Intercept(func(http.ResponseWriter, *http.Request) bool {
			t.Error("a node is asked though the clock was right")
			return false
		})
	}
	if got := run(0); got != 0 {
		t.Errorf("the clock is off by %s", got)
	}
}

// The time that comes with an answer decides nothing, but a SureClock after it asks several nodes, once for each that
// raises doubt. A process that ends before leaves its doubt to the next one.
func TestAnswersRaiseDoubt(t *testing.T) {
	const off = -time.Hour
	net := startFakenet(t, 5)
	net.ServeTime(nil)
	answerInfo(time.Now, net.Nodes...)
	config := configOf(t, net.SeedURL())
	config.Now = fast(off)
	asks := func(c *Client) time.Duration {
		t.Helper()
		info, err := storage.NewRequest(rpc28.MethodInfo, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := c.Nodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Request(t.Context(), nodes[0], info); err != nil {
			t.Fatal(err)
		}
		return c.Offset()
	}
	sure := func(c *Client) time.Duration {
		t.Helper()
		if err := c.SureClock(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c.Offset()
	}
	c := open(t, config)
	if got := sure(c); got != 0 {
		t.Fatalf("nobody has said a time, but the clock is off by %s", got)
	}
	if got := asks(c); got != 0 {
		t.Errorf("one node decides that the clock is off by %s", got)
	}
	closeClient(t, c)
	next := open(t, config)
	if got := sure(next); (got + off).Abs() > 4*time.Second {
		t.Errorf("the next run finds the clock off by %s", got)
	}
	if got := asks(next); (got + off).Abs() > 4*time.Second {
		t.Errorf("an answer with the right time sets the clock to %s", got)
	}
	if next.doubted() {
		t.Error("an answer with the right time raises doubt")
	}

	// A node with a wrong clock of its own raises doubt, but once.
	answerInfo(fast(5*time.Hour), net.Nodes...)
	asks(next)
	answerInfo(time.Now, net.Nodes...)
	if !next.doubted() || (sure(next)+off).Abs() > 4*time.Second {
		t.Errorf("after a node with a wrong clock: off by %s, doubt %v", next.Offset(), next.doubted())
	}
	answerInfo(fast(5*time.Hour), net.Nodes...)
	asks(next)
	if next.doubted() {
		t.Error("the same node raises doubt again")
	}
}

// A clock that no seed doubts costs no request.
func TestSureClockAsksOnlyInDoubt(t *testing.T) {
	net := startFakenet(t, 4)
	var stored atomic.Int32
	for _, node := range net.Nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method == storage.MethodStore {
				stored.Add(1)
			}
			return 0, ""
		})
	}
	c := clientOf(t, net)
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := net.SeedRequests()
	if err := c.SureClock(t.Context()); err != nil || stored.Load() > 0 || net.SeedRequests() != before {
		t.Errorf("%v, %d probes, the seed was asked %d times more", err, stored.Load(), net.SeedRequests()-before)
	}
}

// The offset of an earlier run needs no check for hours, unless the clock was set meanwhile or the system cannot say
// that it was not.
func TestOffsetIsRemembered(t *testing.T) {
	for _, test := range []struct {
		name    string
		pass    time.Duration
		set     time.Duration // by which the clock is set
		known   bool
		doubted bool
	}{
		{"soon", sureFor / 2, 0, false, false},
		{"later", time.Hour, 0, true, false},
		{"later, with some drift", time.Hour, steady / 2, true, false},
		{"later, not known", time.Hour, 0, false, true},
		{"set right", time.Hour, time.Hour, true, true},
		{"set back", time.Hour, -2 * steady, true, true},
		{"much later", steadyFor, 0, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			net, clock := startFakenet(t, 4), newClock()
			config := configOf(t, net.SeedURL())
			booted := clock.Now().Add(-24 * time.Hour)
			config.Now = clock.Now
			config.SinceBoot = func() (time.Duration, bool) { return clock.Now().Sub(booted), test.known }
			c := open(t, config)
			c.setOffset(time.Hour, false)
			if c.doubted() {
				t.Fatal("a fresh offset is in doubt")
			}
			closeClient(t, c)
			clock.pass(test.pass + test.set)
			booted = booted.Add(test.set)
			c = open(t, config)
			defer closeClient(t, c)
			if c.Offset() != time.Hour || c.doubted() != test.doubted {
				t.Errorf("the offset is %s, in doubt: %v", c.Offset(), c.doubted())
			}
		})
	}
}
