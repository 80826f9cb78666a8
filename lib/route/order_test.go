package route

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/storage"
)

// shuffled is boxes that each got the same messages in an order of their own, and the first answer of each is late.
func shuffled(t *testing.T, most time.Duration, nodes []*fakenet.Node, data []string) {
	t.Helper()
	for _, node := range nodes {
		b := &box{}
		rand.Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
		b.put(data...)
		var late sync.Once
		node.Answer(func(call fakenet.Call) (int, string) {
			if call.Method == storage.MethodRetrieve {
				late.Do(func() { <-time.After(rand.N(most)) })
			}
			return b.answer(call)
		})
	}
}

// bySender splits texts such as "alice 003".
func bySender(texts []string) map[string][]string {
	all := make(map[string][]string)
	for _, text := range texts {
		name, _, _ := strings.Cut(text, " ")
		all[name] = append(all[name], text)
	}
	return all
}

// Members list messages in orders of their own, and answer when they like. One poll delivers those of each sender in
// their order, each once.
func TestOrderOfPoll(t *testing.T) {
	if testing.Short() {
		t.Skip("polls hundreds of messages")
	}
	net := startFakenet(t, 4)
	bob := newPerson(t, "bob", net.SeedURL())
	var data, want []string
	for s, name := range []string{"alice", "carol", "dave"} {
		friend := newPerson(t, name, net.SeedURL())
		friend.befriends(bob)
		for i := range []int{167, 167, 166}[s] {
			text := fmt.Sprintf("%s %03d", name, i)
			want, data = append(want, text), append(data, friend.seals(bob, text))
		}
	}
	shuffled(t, 5*time.Second, net.Nodes, data)
	got := bob.polls()
	for name, texts := range bySender(want) {
		if ofOne := bySender(got)[name]; !slices.Equal(ofOne, texts) {
			t.Errorf("of %s came %q", name, ofOne)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d of %d texts came", len(got), len(want))
	}
	bob.getsNothing()
}

// A listener that finds many messages stored prints them in order, too, though they come in pages.
func TestOrderOfListen(t *testing.T) {
	net := startFakenet(t, 4)
	bob := newPerson(t, "bob", net.SeedURL())
	var data, want []string
	for _, name := range []string{"alice", "carol"} {
		friend := newPerson(t, name, net.SeedURL())
		friend.befriends(bob)
		for i := range 60 {
			text := fmt.Sprintf("%s %03d", name, i)
			want, data = append(want, text), append(data, friend.seals(bob, text))
		}
	}
	shuffled(t, 100*time.Millisecond, net.Nodes, data)
	ear := bob.listens("bob listens", ListenOptions{})
	eventually(t, "bob to hear all", func() bool { texts, _ := ear.texts(); return len(texts) >= len(want) })
	got, _ := ear.texts()
	for name, texts := range bySender(want) {
		if ofOne := bySender(got)[name]; !slices.Equal(ofOne, texts) {
			t.Errorf("of %s came %q", name, ofOne)
		}
	}
}

// What a poll leaves, because it was to print so many or because its reader failed, comes with the next one, in order.
func TestOrderOfWhatIsLeft(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	var data, want, got []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("text %02d", i))
		data = append(data, alice.seals(bob, want[i]))
	}
	shuffled(t, time.Millisecond, net.Nodes, data)
	full := errors.New("disk is full")
	for _, room := range []int{7, 0, 11, 40} {
		left := room
		err := bob.Poll(t.Context(), PollOptions{Count: 15}, func(event inbox.Event) error {
			if left--; left < 0 {
				return full
			}
			got = append(got, event.Text)
			return nil
		})
		if room < 15 {
			wantError(t, "a reader that fails", err, full)
		} else if err != nil {
			t.Error(err)
		}
	}
	got = append(got, bob.polls()...)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// The order of a session is that of its ratchet, also across chains and whatever the sender's clock does meanwhile.
func TestOrderOfChains(t *testing.T) {
	net := startFakenet(t, 4)
	var back time.Duration
	env := environment("alice")
	env.Now = func() time.Time { return time.Now().Add(-back) }
	alice := newPersonIn(t, "alice", configOf(t, net.SeedURL()), Options{}, env)
	bob := newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	var first, rest, want []string
	says := func(turn int) (data []string) {
		for i := range 5 {
			text := fmt.Sprintf("turn %d text %d", turn, i)
			want, data = append(want, text), append(data, alice.seals(bob, text))
		}
		return data
	}
	for turn := range 4 {
		data := says(turn)
		first, rest = append(first, data[2]), append(rest, slices.Delete(data, 2, 3)...)
		if _, err := bob.Receive(t.Context(), []account.Incoming{{Data: first[turn]}}, nil); err != nil {
			t.Fatal(err)
		}
		bob.hands(alice)(bob.Account.Send(t.Context(), account.Draft{To: alice.ID(), Text: "go on"}))
		back += time.Hour
	}
	shuffled(t, time.Millisecond, net.Nodes, rest)
	if got := bob.polls(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// If no member answers, what was received before is delivered all the same.
func TestPollDeliversWithoutAnswers(t *testing.T) {
	net := startFakenet(t, 4)
	alice, bob := newPerson(t, "alice", net.SeedURL()), newPerson(t, "bob", net.SeedURL())
	alice.befriends(bob)
	if _, err := bob.Receive(t.Context(), []account.Incoming{{Data: alice.seals(bob, "received")}}, nil); err != nil {
		t.Fatal(err)
	}
	always(storage.MethodRetrieve, storage.StatusNotReady, "not ready", net.Nodes...)
	got, err := bob.tryPoll()
	wantError(t, "nobody answers", err, ErrNotRetrieved)
	if !slices.Equal(got, []string{"received"}) {
		t.Errorf("got %q", got)
	}
}
