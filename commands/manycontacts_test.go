package commands

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// knows adds friends of session-v1 to p's keystore.
func (p *person) knows(friends int) {
	p.t.Helper()
	store, err := keystore.Open(p.t.Context(), filepath.Join(p.home, "keystore"), keystore.Unlock{}, keystore.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	const atOnce = 5000
	for from := 0; from < friends; from += atOnce {
		err := store.Update(p.t.Context(), "default", func(tx *keystore.Tx) error {
			for i := from; i < min(friends, from+atOnce); i++ {
				key := sha256.Sum256(fmt.Append(nil, "friend ", i))
				err := contacts.Save(tx, contacts.Contact{
					ID: sessionid.FromPublicKey(x25519.PublicKey(key)), DisplayName: fmt.Sprint("friend ", i),
					Since: time.Now(), FriendsSince: time.Now(), Protocol: contacts.ProtocolSessionV1,
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// With many contacts send and poll take at most twice as long as with one. TestNothingReadsAllContacts of lib/account
// has the reason.
func TestManyContacts(t *testing.T) {
	friends, err := strconv.Atoi(os.Getenv("SESSIONTOOL_TEST_CONTACTS"))
	if err != nil {
		t.Skip("SESSIONTOOL_TEST_CONTACTS is not set")
	}
	net := startDevnet(t, usual)
	bob := newPerson(t, net.SeedURL(), "Bob")
	few, many := newPerson(t, net.SeedURL(), "Few"), newPerson(t, net.SeedURL(), "Many")
	befriend(t, few, bob)
	befriend(t, many, bob)
	many.knows(friends)
	took := make(map[string][]time.Duration)
	const runs = 9
	for i := range runs {
		for name, p := range map[string]*person{"few": few, "many": many} {
			for _, args := range [][]string{{"poll"}, {"send", "--to", bob.id, "--text", fmt.Sprint("text ", i)}} {
				started := time.Now()
				p.must("", args...)
				took[name+" "+args[0]] = append(took[name+" "+args[0]], time.Since(started))
			}
		}
	}
	for _, command := range []string{"poll", "send"} {
		with, without := slices.Sorted(slices.Values(took["many "+command])), slices.Sorted(slices.Values(took["few "+command]))
		t.Logf("%s with %d contacts: %v, with one: %v (medians)", command, friends+1, with[runs/2], without[runs/2])
		if with[runs/2] > 2*without[runs/2] {
			t.Errorf("%s takes more than twice as long", command)
		}
	}
}
