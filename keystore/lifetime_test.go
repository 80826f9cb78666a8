package keystore_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account"
	received "sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/message"
	"sessiontool/lib/presence"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// This file lets the devices of one account live for weeks of virtual time, with real keystores and a swarm in memory.

// life is the world of one account: its swarm, its devices, and those who write to it.
type life struct {
	t      *testing.T
	now    time.Time
	random io.Reader
	dice   *rand.Rand
	seed   sessionid.Seed
	id     sessionid.ID

	inbox     []sentMessage // all that was ever sent, in order
	group     []keyring.Message
	deleted   map[string]bool   // hashes of group messages that are not in the swarm any more
	archive   []keyring.Message // all group messages that ever were
	published *accountkeys.Public

	devices []*lifeDevice
	senders []*account.Account
	seeds   map[accountkeys.Seed]bool // every account key that ever was
	created map[string]time.Time      // by X25519 key
}

// sentMessage is a message in the account's box.
type sentMessage struct {
	text, data string
	at         time.Time
	key        string // the account key that it was sealed for
}

const lifeTTL = 14 * 24 * time.Hour

func newLife(t *testing.T, seed uint64) *life {
	t.Helper()
	var key [32]byte
	copy(key[:], fmt.Sprintf("a life of seed %d", seed))
	l := &life{
		t: t, now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), random: rand.NewChaCha8(key),
		dice: rand.New(rand.NewPCG(seed, 1)), deleted: make(map[string]bool),
		seeds: make(map[accountkeys.Seed]bool), created: make(map[string]time.Time),
	}
	var err error
	if l.seed, err = sessionid.GenerateSeed(l.random); err != nil {
		t.Fatal(err)
	}
	keys := sessionid.KeysFromSeed(l.seed)
	l.id = keys.ID()
	return l
}

func (l *life) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("at %s: %v", l.now, err)
	}
}

func (l *life) environment() account.Environment {
	return account.Environment{
		Now: func() time.Time { return l.now }, Random: l.random, Owner: "one",
		StateOf: func(string) presence.State { return presence.Alive },
	}
}

func (l *life) keystore(dir string) *keystore.Store {
	l.t.Helper()
	store, err := keystore.Create(l.t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	l.must(err)
	return store
}

// device makes a device of the account, which is in no group yet.
func (l *life) device(name string, make func(context.Context, *keystore.Store, account.Environment, string, string,
	sessionid.Seed) (*account.Account, error)) *lifeDevice {
	l.t.Helper()
	dir := filepath.Join(l.t.TempDir(), name)
	store := l.keystore(dir)
	a, err := make(l.t.Context(), store, l.environment(), name, "", l.seed)
	l.must(err)
	d := &lifeDevice{Account: a, life: l, name: name, dir: dir, store: store, from: l.now, got: map[string]bool{}}
	l.devices = append(l.devices, d)
	return d
}

// begin makes the first device, which publishes.
func (l *life) begin() *lifeDevice {
	l.t.Helper()
	first := l.device("first", account.Create)
	first.change(func(k *keyring.Keyring) error {
		if err := k.Start("first"); err != nil {
			return err
		}
		return k.SetPublishes(true)
	})
	first.push()
	return first
}

// link adds a device, with the emoji confirmed on both sides.
func (l *life) link(name string, by *lifeDevice) *lifeDevice {
	l.t.Helper()
	d := l.device(name, account.Restore)
	var request []byte
	d.change(func(k *keyring.Keyring) (err error) {
		request, err = k.RequestLink(l.inSwarm(), name)
		return err
	})
	requests := []keyring.Message{{Data: request, Hash: "request " + name, StoredMS: l.now.UnixMilli()}}
	var emoji string
	by.change(func(k *keyring.Keyring) error {
		if err := k.Take(l.inSwarm()); err != nil {
			return err
		}
		found, err := k.Requests(requests)
		if err != nil {
			return err
		}
		admitted, err := k.Admit(found, strings.Join(keyring.Texts(found[0].Emoji), " "))
		emoji = strings.Join(keyring.Texts(admitted.Emoji), ", ")
		return err
	})
	by.push()
	l.befriend(d.Account)
	d.change(func(k *keyring.Keyring) error { return k.Join(l.inSwarm(), emoji) })
	return d
}

// befriend lets an account write to all senders, so that it keeps more than a stranger's few messages of each.
func (l *life) befriend(a *account.Account) {
	l.t.Helper()
	for _, sender := range l.senders {
		out, err := a.Send(l.t.Context(), account.Draft{To: sender.ID(), Text: "hi", Network: storage.Generation28})
		l.must(err)
		l.must(a.Discard(l.t.Context(), out))
	}
}

// inSwarm are the group messages that the swarm has.
func (l *life) inSwarm() (messages []keyring.Message) {
	for _, m := range l.group {
		if !l.deleted[m.Hash] && l.now.UnixMilli()-m.StoredMS < (30*24*time.Hour).Milliseconds() {
			messages = append(messages, m)
		}
	}
	return messages
}

// race lets two devices read the same state, rotate if that is due, and store their messages one after the other.
func race(a, b *lifeDevice) {
	a.sync()
	b.sync()
	a.push()
	b.push()
	a.receive()
	b.receive()
}

// send lets a sender write to the account, by the rules of its memory of the account's key.
func (l *life) send(sender int) {
	l.t.Helper()
	a := l.senders[sender]
	draft := account.Draft{
		To: l.id, Text: fmt.Sprintf("message %d", len(l.inbox)), Network: storage.Generation28,
		TTLMillis: lifeTTL.Milliseconds(),
	}
	known, err := a.PeerKeys(l.t.Context(), draft)
	l.must(err)
	fetch := func() {
		if known.Fetch {
			l.must(a.RememberPeerKey(l.t.Context(), l.id, l.published))
		}
	}
	if known.Before {
		fetch()
		known, err = a.PeerKeys(l.t.Context(), draft)
		l.must(err)
	} else {
		defer fetch() // beside
	}
	out, err := a.Send(l.t.Context(), draft)
	l.must(err)
	l.must(a.Discard(l.t.Context(), out))
	if !out.ForwardSecrecy {
		l.t.Fatalf("at %s a message goes without forward secrecy", l.now)
	}
	x := known.Key.X25519()
	l.inbox = append(l.inbox, sentMessage{text: draft.Text, data: out.Data, at: l.now, key: x.String()})
}

// checkFile opens everything in the device's file with its data key, and looks for account keys that the device does
// not hold any more.
func (d *lifeDevice) checkFile() {
	l := d.life
	l.t.Helper()
	held := make(map[accountkeys.Seed]bool)
	l.must(d.ViewKeyring(l.t.Context(), func(k *keyring.Keyring) error {
		for _, key := range k.Keys() {
			held[key.Seed] = true
			rotated := time.Unix(key.Rotated, 0)
			if !key.IsActive() && l.now.Sub(rotated) > accountkeys.Retention+24*time.Hour {
				l.t.Errorf("%s keeps a key that was rotated at %s", d.name, rotated)
			}
		}
		return nil
	}))
	file, err := os.ReadFile(filepath.Join(d.dir, "keystore.db"))
	l.must(err)
	loot := keystore.Loot(d.store, file)
	for seed := range l.seeds {
		text := []byte(base64.StdEncoding.EncodeToString(seed[:]))
		found := bytes.Contains(loot, text) || bytes.Contains(loot, seed[:])
		if found != held[seed] {
			l.t.Errorf("%s at %s: key in the file: %v, held: %v", d.name, l.now, found, held[seed])
		}
	}
}

// on returns the devices that are members and on.
func (l *life) on() (devices []*lifeDevice) {
	for _, d := range l.devices {
		if d.until.IsZero() && !l.now.Before(d.offUntil) {
			devices = append(devices, d)
		}
	}
	return devices
}

// plan is how a life goes, in days.
type plan struct {
	days, devices, senders   int
	perDay                   int // messages
	pollEvery                int // half hours, on the average
	removeOn, addOn, stealOn int
}

// live runs a plan and returns the thief's copy of the first device's keystore.
func (l *life) live(p plan) (stolen string) {
	l.t.Helper()
	first := l.begin()
	for i := 1; i < p.devices; i++ {
		l.link(fmt.Sprintf("device%d", i), first)
	}
	for i := range p.senders {
		store := l.keystore(filepath.Join(l.t.TempDir(), fmt.Sprintf("sender%d", i)))
		seed, err := sessionid.GenerateSeed(l.random)
		l.must(err)
		a, err := account.Create(l.t.Context(), store, l.environment(), "sender", "", seed)
		l.must(err)
		l.senders = append(l.senders, a)
	}
	for _, d := range l.devices {
		l.befriend(d.Account)
	}
	const step = 30 * time.Minute
	start := l.now
	steps := int(time.Duration(p.days) * 24 * time.Hour / step)
	for i := range steps {
		l.now = l.now.Add(step)
		day := int(l.now.Sub(start) / (24 * time.Hour))
		newDay := i%48 == 47
		for range p.perDay {
			if l.dice.IntN(48) == 0 {
				l.send(l.dice.IntN(len(l.senders)))
			}
		}
		on := l.on()
		for _, d := range on {
			switch l.dice.IntN(200) {
			case 0: // never the one that a later step needs
				if d != first {
					d.offUntil = l.now.Add(time.Duration(l.dice.IntN(13*24)) * time.Hour)
				}
			default:
				if l.dice.IntN(p.pollEvery) == 0 {
					d.poll()
				}
			}
		}
		if len(on) > 1 && l.dice.IntN(2*p.pollEvery) == 0 {
			race(on[0], on[1])
		}
		if !newDay {
			continue
		}
		switch day {
		case p.stealOn:
			first.poll()
			stolen = filepath.Join(l.t.TempDir(), "stolen")
			l.must(os.CopyFS(stolen, os.DirFS(first.dir)))
			l.must(os.Chmod(stolen, 0o700))
			for _, name := range []string{"keystore.db", "keystore.key"} {
				l.must(os.Chmod(filepath.Join(stolen, name), 0o600))
			}
		case p.removeOn:
			l.remove(first, l.devices[len(l.devices)-1])
		case p.addOn:
			l.link("added", first)
		}
		if day%5 == 4 && p.days > 20 {
			for _, d := range l.on() {
				d.poll()
				d.checkFile()
			}
		}
	}
	for _, d := range l.devices {
		if d.until.IsZero() {
			d.offUntil = time.Time{}
			d.poll()
			d.checkFile()
		}
	}
	return stolen
}

// remove lets a device remove another one, which had fetched everything before.
func (l *life) remove(by, gone *lifeDevice) {
	l.t.Helper()
	gone.offUntil = time.Time{}
	gone.poll()
	by.sync()
	var id [32]byte
	l.must(gone.ViewKeyring(l.t.Context(), func(k *keyring.Keyring) error {
		id = k.Device()
		return nil
	}))
	by.change(func(k *keyring.Keyring) error { return k.Remove(id) })
	by.push()
	gone.until = l.now
}

// checkRead checks that each device has read every message that was for it, and the removed one none after.
func (l *life) checkRead() {
	l.t.Helper()
	for _, d := range l.devices {
		missing, forbidden := 0, 0
		for _, m := range l.inbox {
			switch got := d.got[m.text]; {
			case !d.until.IsZero() && !l.created[m.key].Before(d.until):
				if got {
					forbidden++
				}
			case d.until.IsZero() && !got && m.at.After(d.from), !got && m.at.After(d.from) && m.at.Before(d.until):
				missing++
			}
		}
		if missing+forbidden+d.failures > 0 {
			l.t.Errorf("%s: %d messages unreadable, %d read after its removal, %d failures", d.name, missing, forbidden,
				d.failures)
		}
		l.t.Logf("%s read %d of %d messages, fetched before their keys %d times", d.name, len(d.got), len(l.inbox),
			d.receivedBefore)
	}
}

// readAll lets a thief try everything that was ever sent, with all group messages that ever were, and returns the
// messages that open.
func (l *life) readAll(a *account.Account) (opened map[string]bool) {
	l.t.Helper()
	thief := &lifeDevice{Account: a, life: l, name: "thief", got: map[string]bool{}}
	l.befriend(a)
	_, err := a.UpdateKeyring(l.t.Context(), nil, func(k *keyring.Keyring) error {
		err := k.Take(l.archive)
		if errors.Is(err, keyring.ErrNotMember) {
			return nil
		}
		return err
	})
	l.must(err)
	for chunk := range slices.Chunk(l.inbox, 500) {
		var batch []account.Incoming
		for _, m := range chunk {
			batch = append(batch, account.Incoming{Data: m.data, Route: message.RouteAsync})
		}
		got, err := a.Receive(l.t.Context(), batch, nil)
		l.must(err)
		for i, one := range got {
			if one.Event.Kind == received.EventMessage {
				thief.got[chunk[i].text] = true
			}
		}
	}
	return thief.got
}

// Four devices of one account and twenty senders, for sixty days: rotations every 11 to 13 hours, devices off for up to
// 13 days, races of two devices, one device removed and one added. Nothing is unreadable, the removed device reads
// nothing that was sealed for a later key, and no deleted key is in any page of any keystore's file. Then the thieves:
// the keystore as it was on one day, and the recovery words alone.
//
// In the suite it is a shorter life. SESSIONTOOL_TEST_LIFE=1 lives the whole one.
func TestSixtyDays(t *testing.T) {
	t.Parallel()
	p := plan{days: 19, devices: 2, senders: 2, perDay: 3, pollEvery: 16, removeOn: 8, addOn: 9, stealOn: 17}
	if os.Getenv("SESSIONTOOL_TEST_LIFE") != "" {
		p = plan{days: 60, devices: 4, senders: 20, perDay: 40, pollEvery: 4, removeOn: 25, addOn: 30, stealOn: 35}
	}
	l := newLife(t, 1)
	start := l.now
	stolen := l.live(p)
	l.checkRead()

	// The thief has the keystore of day p.stealOn, all that was ever sent, and all group messages.
	stolenAt := start.Add(time.Duration(p.stealOn+1) * 24 * time.Hour)
	store, err := keystore.Open(t.Context(), stolen, keystore.Unlock{}, keystore.Options{})
	l.must(err)
	env := l.environment()
	env.Now = func() time.Time { return stolenAt } // it does not delete what has expired since
	// What the keystore has received stands in its inbox; the question is what it opens.
	empty := l.keystore(filepath.Join(t.TempDir(), "empty"))
	thief, err := account.Restore(t.Context(), empty, env, "first", "", l.seed)
	l.must(err)
	l.transplant(store, empty)
	got := l.readAll(thief)
	oldest, newest, readable := time.Time{}, time.Time{}, 0
	for _, m := range l.inbox {
		if !got[m.text] {
			continue
		}
		readable++
		if oldest.IsZero() {
			oldest = m.at
		}
		newest = m.at
	}
	t.Logf("the thief of day %d reads %d of %d messages, from %s before the theft to %s after", p.stealOn, readable,
		len(l.inbox), stolenAt.Sub(oldest), newest.Sub(stolenAt))
	// A key is in use for up to 13 hours and in senders' memories for 48; the device's own key is renewed after 24 hours,
	// and another device that was off may not know that for a while.
	if newest.Sub(stolenAt) > 5*24*time.Hour {
		t.Errorf("the thief reads what was sent %s after the theft", newest.Sub(stolenAt))
	}
	if limit := accountkeys.Retention + 3*24*time.Hour; stolenAt.Sub(oldest) > limit {
		t.Errorf("the thief reads what was sent %s before the theft, more than %s", stolenAt.Sub(oldest), limit)
	}
	if readable == 0 {
		t.Error("the thief reads nothing at all: the test proves nothing")
	}

	bare := l.keystore(filepath.Join(t.TempDir(), "words"))
	words, err := account.Restore(t.Context(), bare, l.environment(), "words", "", l.seed)
	l.must(err)
	if got := l.readAll(words); len(got) > 0 {
		t.Errorf("with the recovery words alone %d messages with forward secrecy open", len(got))
	}
}

// transplant copies the keyring of one keystore to another one of the same words: keys alone, without an inbox.
func (l *life) transplant(from, to *keystore.Store) {
	l.t.Helper()
	var value []byte
	l.must(from.View(l.t.Context(), "first", func(tx *keystore.Tx) (err error) {
		value, _, err = tx.Get(keyring.Table, "self")
		return err
	}))
	l.must(to.Update(l.t.Context(), "first", func(tx *keystore.Tx) error {
		return tx.Put(keyring.Table, "self", value)
	}))
}
