package ratchet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"sessiontool/lib/internal/vectors"
)

// measurement is an entry of ratchet_limits.json. The order of the entries matters.
type measurement struct {
	name   string
	result json.RawMessage
}

type measurements []measurement

func (m *measurements) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var result json.RawMessage
		if err := decoder.Decode(&result); err != nil {
			return err
		}
		*m = append(*m, measurement{fmt.Sprint(name), result})
	}
	return nil
}

// The test repeats every measurement of the real client: how far ahead a counter may be, and how many chains it keeps.
func TestLimitVectors(t *testing.T) {
	var recording struct{ Results measurements }
	vectors.Load(t, "ratchet_limits.json", &recording)

	var alice, bob *party // the conversation that "then" goes on with
	sent := make(map[uint32]sealed)
	for _, m := range recording.Results {
		var counter, rounds uint32
		var result string
		switch {
		case scan(m.name, "first_message_counter_%d_on_fresh_chain", &counter):
			alice, bob = newSession(t, 1)
			clear(sent)
			fallthrough
		case scan(m.name, "then_counter_%d", &counter):
			if err := json.Unmarshal(m.result, &result); err != nil {
				t.Fatal(err)
			}
			for next := alice.record.Current().sending.next; next <= counter; next++ {
				sent[next] = alice.send(t, m.name)
			}
			checkOutcome(t, bob, sent[counter], result)
		case m.name == "skipped_keys_held":
			var perChain []int
			if err := json.Unmarshal(m.result, &perChain); err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, n := range perChain {
				want += n
			}
			if got := bob.record.Missing(); got != want {
				t.Errorf("%d skipped keys are held, recorded %d", got, want)
			}
		case scan(m.name, "late_message_of_ratchet_n_after_%d", &rounds):
			var results []string
			if err := json.Unmarshal(m.result, &results); err != nil {
				t.Fatal(err)
			}
			checkLateMessages(t, int(rounds), results)
		default:
			t.Fatalf("unknown measurement %q", m.name)
		}
	}
}

// scan reports whether name begins with the pattern, and reads its number.
func scan(name, pattern string, number *uint32) bool {
	n, err := fmt.Sscanf(name, pattern, number)
	return n == 1 && err == nil
}

// checkOutcome delivers m and expects "ok" or the recorded error.
func checkOutcome(t *testing.T, to *party, m sealed, recorded string) {
	t.Helper()
	if recorded == "ok" {
		to.mustReceive(t, m)
		return
	}
	to.mustRefuse(t, m, outcome(t, recorded))
}

// checkLateMessages makes a number of ratchet steps, keeps back the first message of each, and delivers them in the
// end.
func checkLateMessages(t *testing.T, rounds int, results []string) {
	t.Helper()
	alice, bob := newSession(t, 2)
	var late []sealed
	for n := range rounds {
		late = append(late, alice.send(t, "late message of ratchet "+strconv.Itoa(n)))
		exchange(t, alice, bob, "in time")
		exchange(t, bob, alice, "answer")
	}
	if len(late) != len(results) {
		t.Fatalf("%d results for %d rounds", len(results), rounds)
	}
	for n, m := range late {
		checkOutcome(t, bob, m, results[n])
	}
}

// With LateChains a session keeps more chains than the real client, but only those with skipped keys.
func TestLateChains(t *testing.T) {
	for _, test := range []struct{ remembered, rounds int }{{0, 30}, {7, 30}, {MaxLateChains, MaxLateChains + 20},
		{MaxLateChains + 9, MaxLateChains + 20}} {
		t.Run(fmt.Sprint(test.remembered), func(t *testing.T) {
			alice, bob := newSession(t, 3)
			bob.LateChains = test.remembered
			var late []sealed
			for n := range test.rounds {
				late = append(late, alice.send(t, "late message "+strconv.Itoa(n)))
				exchange(t, alice, bob, "in time")
				exchange(t, bob, alice, "answer")
				exchange(t, alice, bob, "no message of this chain is late")
				exchange(t, bob, alice, "answer")
			}
			bob.restart(t)
			// Of the last MaxClosedChains every other one lacks a message.
			want := MaxClosedChains/2 + min(test.remembered, MaxLateChains)
			if got := bob.record.Current().skippedKeys(); got != want {
				t.Fatalf("%d messages are waited for, want %d", got, want)
			}
			for _, m := range late[:len(late)-want] {
				bob.mustRefuse(t, m, ErrMAC)
			}
			for _, m := range late[len(late)-want:] {
				bob.mustReceive(t, m)
			}
			exchange(t, alice, bob, "one more")
			exchange(t, bob, alice, "answer")
			exchange(t, alice, bob, "and another")
			if chains := len(bob.record.Current().receiving); chains != MaxClosedChains+1 {
				t.Errorf("with nothing late %d chains are remembered", chains)
			}
		})
	}
}

// A message with a new ratchet key closes the current chain at its previous counter. It opens whatever that is; only
// the keys of the chain's end are kept within the effort.
func TestPreviousChainTooLong(t *testing.T) {
	for _, effort := range []*Effort{nil, NewEffort(MaxAhead)} {
		alice, bob := newConversation(t, 1)
		exchange(t, alice, bob, "last one before the gap")
		var lost sealed
		for range MaxSkip + 1 {
			lost = alice.send(t, "late")
		}
		exchange(t, bob, alice, "makes alice step")
		bob.Effort = effort
		exchange(t, alice, bob, "after the gap")
		bob.restart(t)
		if effort == nil {
			bob.mustRefuse(t, lost, ErrDropped)
		} else {
			bob.mustReceive(t, lost)
		}
		exchange(t, alice, bob, "and on")
		exchange(t, bob, alice, "and back")
	}
}

// A session keeps at most MaxSkippedKeys skipped keys and drops the oldest ones.
func TestSkippedKeysAreBounded(t *testing.T) {
	alice, bob := newSession(t, 1)
	var lost []sealed
	for range 3 {
		for range MaxSkip - 1 {
			lost = append(lost, alice.send(t, "late"))
		}
		exchange(t, alice, bob, "in time")
		exchange(t, bob, alice, "answer")
	}
	if got := bob.record.Current().skippedKeys(); got != MaxSkippedKeys {
		t.Errorf("%d skipped keys are held, want %d", got, MaxSkippedKeys)
	}
	dropped := len(lost) - MaxSkippedKeys
	bob.mustRefuse(t, lost[0], ErrDropped)
	bob.mustRefuse(t, lost[dropped-1], ErrDropped)
	bob.mustReceive(t, lost[dropped])
	bob.mustReceive(t, lost[len(lost)-1])
	bob.restart(t)
}

// The previous counter of the next chain ends a receiving chain: its key is dropped, and later messages of it do not
// decrypt.
func TestClosedChain(t *testing.T) {
	alice, bob := newConversation(t, 1)
	bob.mustRefuse(t, beyondEnd(t, alice, bob), ErrTooFarAhead)
	chains := bob.record.Current().receiving
	for _, c := range chains[:len(chains)-1] {
		if c.key != (key32{}) {
			t.Error("a closed chain still has its key")
		}
	}
}

func TestSendingLimits(t *testing.T) {
	alice, _ := newConversation(t, 1)
	session := alice.record.Current()
	before := stored(t, &alice.record)
	if _, _, err := session.Encrypt(make([]byte, MaxPlaintextSize+1)); err == nil {
		t.Error("a plaintext beyond the limit was taken")
	}
	if !slices.Equal(before, stored(t, &alice.record)) {
		t.Error("the refused plaintext changed the session")
	}
	for _, state := range []*Session{session, mustInitiate(t)} {
		_, message, err := state.Encrypt(make([]byte, MaxPlaintextSize))
		if err != nil || len(message) > MaxMessageSize {
			t.Errorf("the largest plaintext makes %d bytes (%v)", len(message), err)
		}
	}
	session.sending.next = maxCounter + 1
	if _, _, err := session.Encrypt(nil); err != ErrExhausted {
		t.Errorf("a chain without counters left: %v", err)
	}
}

// mustInitiate starts a session whose messages have the longest possible header.
func mustInitiate(t *testing.T) *Session {
	alice, bob := newPair(t, 2)
	const longest = 1<<32 - 1
	alice.Local.RegistrationID = longest
	alice.start(t, bob.bundle(t, longest, longest))
	session := alice.record.Current()
	session.sending.next, session.previousCounter = maxCounter, maxCounter
	return session
}
