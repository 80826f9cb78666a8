package route

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sessionid"
)

// Each of many friends has sent 20 texts while the account was away. One poll prints all of them, those of each friend in
// their order, and the next one nothing.
func TestManySendersWait(t *testing.T) {
	const each = 20
	senders := 10
	if text := os.Getenv("SESSIONTOOL_TEST_SENDERS"); text != "" {
		var err error
		if senders, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	net := startFakenet(t, 4)
	bob := newPerson(t, "bob", net.SeedURL())
	random := rand.NewChaCha8([32]byte{1})
	begun := uint64(time.Now().Add(-time.Hour).UnixMilli())
	var data []string
	err := bob.store.Update(t.Context(), bob.Name(), func(tx *keystore.Tx) error {
		for i := range senders {
			seed, err := sessionid.GenerateSeed(random)
			if err != nil {
				return err
			}
			keys := sessionid.KeysFromSeed(seed)
			friend := contacts.Contact{
				ID: keys.ID(), Since: time.Now(), FriendsSince: time.Now(), Protocol: contacts.ProtocolSessionV1,
			}
			if err := contacts.Save(tx, friend); err != nil {
				return err
			}
			for j := range uint64(each) {
				at := begun + j*1000 + uint64(i)
				content := message.Text(fmt.Sprint(j), "", nil)
				content.SigTimestampMS = at
				box, err := sealedbox.Seal(random, keys, bob.ID().PublicKey(), message.PadV1(content.Marshal()))
				if err != nil {
					return err
				}
				packed, err := envelope.PackBox(at, box, envelope.ProSignature{})
				if err != nil {
					return err
				}
				data = append(data, packed)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rand.New(random).Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
	for _, b := range boxes(net.Nodes...) {
		b.put(data...)
	}
	next := make(map[sessionid.ID]int)
	started, count := time.Now(), 0
	err = bob.Poll(t.Context(), PollOptions{}, func(event inbox.Event) error {
		if want := strconv.Itoa(next[event.From]); event.Kind != inbox.EventMessage || event.Text != want {
			return fmt.Errorf("%s sends %s %q, want %s", event.From, event.Kind, event.Text, want)
		}
		next[event.From]++
		count++
		return nil
	})
	took := time.Since(started)
	if err != nil || count != senders*each {
		t.Fatalf("%d of %d messages are printed: %v", count, senders*each, err)
	}
	t.Logf("%d messages of %d senders in %v, %.0f/s", count, senders, took.Round(time.Millisecond),
		float64(count)/took.Seconds())
	bob.getsNothing()
}
