package network

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// answerInfo makes nodes answer info as those of 2.8 do, at the time of their clock.
func answerInfo(now func() time.Time, nodes ...*fakenet.Node) {
	for _, node := range nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != rpc28.MethodInfo {
				return 0, ""
			}
			ms := now().UnixMilli()
			return storage.StatusOK, fmt.Sprintf(`{"version":[2,8,0],"timestamp":%d,"t":%d,"hf":[19,4]}`, ms, ms)
		})
	}
}

func wantGeneration(t *testing.T, c *Client, want storage.Generation) {
	t.Helper()
	if got, err := c.Generation(t.Context()); err != nil || got != want {
		t.Errorf("the generation is %q, %v, want %q", got, err, want)
	}
}

func TestGenerationIsFoundOutOnce(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	c := open(t, config)
	wantGeneration(t, c, storage.Generation20) // fake nodes do not know info
	closeClient(t, c)

	answerInfo(time.Now, net.Nodes...)
	wantGeneration(t, open(t, config), storage.Generation20) // remembered
	wantGeneration(t, clientOf(t, net), storage.Generation28)
}

func TestGenerationOfTheConfigCounts(t *testing.T) {
	net := startFakenet(t, 4)
	config := configOf(t, net.SeedURL())
	config.Generation = storage.Generation28
	wantGeneration(t, open(t, config), storage.Generation28)
	config.Generation = "tomorrow"
	if _, err := New(config); !errors.Is(err, ErrBadNetwork) {
		t.Errorf("an unknown generation gives %v", err)
	}
}

// One node that lies does not decide what the network is.
func TestGenerationIsThatOfMost(t *testing.T) {
	net := startFakenet(t, 4)
	answerInfo(time.Now, net.Nodes[0])
	wantGeneration(t, clientOf(t, net), storage.Generation20)
	answerInfo(time.Now, net.Nodes[1:]...)
	net.Nodes[0].Answer(func(fakenet.Call) (int, string) { return storage.StatusBadRequest, "no method info" })
	wantGeneration(t, clientOf(t, net), storage.Generation28)
}

func TestGenerationThatNobodyTells(t *testing.T) {
	net := startFakenet(t, 4)
	for _, node := range net.Nodes {
		node.Answer(func(fakenet.Call) (int, string) { return storage.StatusNotReady, "not ready" })
	}
	if _, err := clientOf(t, net).Generation(t.Context()); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("got %v", err)
	}
}

// Nodes of 2.8 send the time with every answer, so that seeds need not.
func TestClock28Nodes(t *testing.T) {
	net := startFakenet(t, 4)
	net.ServeTime(nil)
	fast := func() time.Time { return time.Now().Add(time.Hour) }
	answerInfo(fast, net.Nodes...)
	// One that lies, even by years, is outvoted.
	answerInfo(func() time.Time { return time.Unix(0, 0).Add(time.Hour) }, net.Nodes[2])
	config := configOf(t, net.SeedURL())
	config.Generation = storage.Generation28
	c := open(t, config)
	learned, err := c.SyncClock(t.Context())
	if err != nil || (learned.Offset-time.Hour).Abs() > 5*time.Minute || learned.Source != ClockNodes ||
		len(learned.Voices) != 3 {
		t.Errorf("the clock is off by %+v, %v", learned, err)
	}
	if off := c.Now().Sub(fast()).Abs(); off > 5*time.Minute {
		t.Errorf("the time is off by %s", off)
	}

	for _, node := range net.Nodes {
		node.Answer(func(fakenet.Call) (int, string) { return storage.StatusNotReady, "not ready" })
	}
	if _, err := c.SyncClock(t.Context()); !errors.Is(err, ErrNoTime) {
		t.Errorf("nobody tells the time: %v", err)
	}
}
