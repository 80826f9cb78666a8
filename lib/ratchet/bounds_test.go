package ratchet

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/x25519"
)

// keysUpTo returns skipped keys with the counters 0 to count-1.
func keysUpTo(count int) (keys []skippedKey) {
	for counter := range count {
		keys = append(keys, skippedKey{counter: uint32(counter)})
	}
	return keys
}

// Skipped keys beyond MaxSkippedKeys are dropped, the oldest of the oldest chain first.
func TestForgetKeys(t *testing.T) {
	for surplus := range 3 {
		s := &Session{receiving: []receivingChain{{}, {skipped: keysUpTo(MaxSkippedKeys + surplus)}, {}}}
		s.forget()
		kept := s.receiving[1]
		if len(kept.skipped) != MaxSkippedKeys || kept.skipped[0].counter != uint32(surplus) ||
			kept.dropped != uint32(surplus) || s.receiving[0].dropped != 0 || s.receiving[2].dropped != 0 {
			t.Errorf("a surplus of %d: %d keys from %d on, dropped below %d", surplus, len(kept.skipped),
				kept.skipped[0].counter, kept.dropped)
		}
	}
}

// A closed chain without skipped keys takes no place of one that has some.
func TestForgetChains(t *testing.T) {
	s := &Session{lateChains: 1, receiving: make([]receivingChain, MaxClosedChains+3)}
	s.receiving[0].skipped = keysUpTo(1)
	s.forget()
	if len(s.receiving) != MaxClosedChains+2 || len(s.receiving[0].skipped) != 1 {
		t.Errorf("%d chains, the first one with %d keys", len(s.receiving), len(s.receiving[0].skipped))
	}
}

func TestInFront(t *testing.T) {
	for first, want := range map[int][]int{-1: {0, 1, 2, 3}, 0: {0, 1, 2, 3}, 1: {1, 0, 2, 3}, 3: {3, 0, 1, 2}} {
		var order []int
		for n := range 4 {
			order = append(order, inFront(n, first))
		}
		if !slices.Equal(order, want) {
			t.Errorf("%d in front: %v", first, order)
		}
	}
}

// The last free step costs nothing, and the last step that is left may be spent.
func TestTrialsAfford(t *testing.T) {
	trials := NewTrials(freeSteps + 1)
	for _, test := range []struct {
		n     int
		steps uint32
		want  bool
		left  int
	}{
		{0, freeSteps, true, freeSteps + 1}, {freeSessions - 1, freeSteps, true, freeSteps + 1},
		{freeSessions, freeSteps + 2, false, freeSteps + 1}, {0, freeSteps + 1, true, 0}, {freeSessions, 1, false, 0},
		{freeSessions, 0, true, 0},
	} {
		if got := trials.afford(test.n, 0, test.steps); got != test.want || trials.left != test.left {
			t.Errorf("%+v: %v, %d left", test, got, trials.left)
		}
	}
}

// A message costs the steps from the next one of its chain, or all of them in a new chain.
func TestStepsOfMessages(t *testing.T) {
	own, other := publicKey(t, 1), publicKey(t, 2)
	s := &Session{receiving: []receivingChain{{ratchetKey: own, chain: chain{next: 5}}}}
	record := &SessionRecord{sessions: []*Session{s}}
	for _, test := range []struct {
		key               x25519.PublicKey
		counter           uint32
		agreements, steps int
		all               int
	}{
		{own, 4, 0, 0, 0}, {own, 5, 0, 0, 1}, {own, 9, 0, 4, 5}, {other, 9, 1, 9, 10}, {other, 0, 1, 0, 1},
	} {
		m := WhisperMessage{Version: Version, RatchetKey: test.key, Counter: test.counter, Ciphertext: make([]byte, 16)}
		agreements, steps := s.stepsOf(received{WhisperMessage: m})
		if agreements != test.agreements || int(steps) != test.steps {
			t.Errorf("counter %d: %d agreements, %d steps", test.counter, agreements, steps)
		}
		all, err := record.Steps(ciphertext.Whisper, append(m.body(), make([]byte, MACSize)...))
		if err != nil || all != test.all {
			t.Errorf("counter %d: %d steps in all, %v", test.counter, all, err)
		}
	}
}

func publicKey(t *testing.T, seed byte) x25519.PublicKey {
	t.Helper()
	keys, err := x25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return keys.Public
}

func TestBoundsOfFrames(t *testing.T) {
	for size, want := range map[int]bool{9: false, 10: true, MaxMessageSize: true, MaxMessageSize + 1: false} {
		if err := checkFrame(bytes.Repeat([]byte{Version}, size), 10); (err == nil) != want {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	for value, want := range map[uint64]bool{0: true, math.MaxUint32: true, math.MaxUint32 + 1: false} {
		got, err := field{wireType: protowire.VarintType, varint: value}.uint32()
		if (err == nil) != want || want && uint64(got) != value || !want && !errors.Is(err, ErrMalformed) {
			t.Errorf("%d: %d, %v", value, got, err)
		}
	}
}
