package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/sessionid"
)

// swarm is what one account's swarm has.
type swarm struct {
	t         *testing.T
	account   sessionid.Keys
	random    io.Reader
	now       time.Time
	messages  []Message
	published *accountkeys.Public
}

func newSwarm(t *testing.T) *swarm {
	random := rand.NewChaCha8([32]byte([]byte("the randomness of a test's swarm")))
	seed, err := sessionid.GenerateSeed(random)
	if err != nil {
		t.Fatal(err)
	}
	return &swarm{
		t: t, account: sessionid.KeysFromSeed(seed), random: random,
		now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (s *swarm) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// pass lets time pass for the swarm and for these devices.
func (s *swarm) pass(d time.Duration, devices ...*Keyring) {
	s.now = s.now.Add(d)
	for _, k := range devices {
		k.Now = s.now
	}
}

func (s *swarm) keyring() *Keyring { return &Keyring{Account: s.account, Random: s.random, Now: s.now} }

// first makes the first device, which publishes.
func (s *swarm) first() *Keyring {
	s.t.Helper()
	k := s.keyring()
	s.must(k.Start("first"))
	s.must(k.SetPublishes(true))
	s.push(k)
	return k
}

// linked adds a device.
func (s *swarm) linked(by *Keyring) *Keyring {
	s.t.Helper()
	k := s.keyring()
	request, err := k.RequestLink(s.messages, "second")
	s.must(err)
	requests, err := by.Requests([]Message{{Data: request, StoredMS: s.now.UnixMilli()}})
	s.must(err)
	_, err = by.Admit(requests, strings.Join(k.Emoji(), ""))
	s.must(err)
	s.push(by)
	s.must(k.Join(s.messages, strings.Join(k.Emoji(), "")))
	return k
}

// push stores what the swarm lacks, and returns the message.
func (s *swarm) push(k *Keyring) Push {
	s.t.Helper()
	if !k.NeedsPush() {
		s.t.Fatal("there is nothing to push")
	}
	push, err := k.Push()
	s.must(err)
	s.store(push)
	k.Pushed(push, s.messages[len(s.messages)-1].Hash)
	if k.NeedsPublish() {
		_, key, err := k.Publish()
		s.must(err)
		k.Published(key)
		s.published = &key
	}
	return push
}

func (s *swarm) store(push Push) {
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return slices.Contains(push.Replaces, m.Hash) })
	s.messages = append(s.messages,
		Message{Data: push.Data, Hash: fmt.Sprintf("hash %x", push.Data[len(push.Data)-20:]), StoredMS: s.now.UnixMilli()})
}

func (s *swarm) take(devices ...*Keyring) {
	s.t.Helper()
	for _, k := range devices {
		s.must(k.Take(s.messages))
	}
}

// wantSameKey checks that the devices agree on the active key, and returns it.
func (s *swarm) wantSameKey(devices ...*Keyring) Key {
	s.t.Helper()
	first, found := devices[0].Active()
	for _, k := range devices[1:] {
		if key, ok := k.Active(); !found || !ok || !key.Seed.Equal(first.Seed) {
			s.t.Errorf("the devices have different active keys")
		}
	}
	return first
}

// Two devices that rotate at once agree on one key, keep both, and need no more than one push each.
func TestRace(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	s.pass(13*time.Hour, a, b)
	s.must(a.KeepFresh())
	s.pass(time.Second, a, b)
	s.must(b.KeepFresh())
	s.push(a)
	s.push(b)
	s.take(a, b)
	s.wantSameKey(a, b)
	for range 2 {
		for _, k := range []*Keyring{a, b} {
			if k.NeedsPush() {
				s.push(k)
			}
		}
		s.take(a, b)
	}
	if a.NeedsPush() || b.NeedsPush() {
		t.Error("the devices go on pushing")
	}
	if len(a.Keys()) != 3 || len(b.Keys()) != 3 {
		t.Errorf("%d and %d keys are kept, want the first one and both of the race", len(a.Keys()), len(b.Keys()))
	}
	if active := s.wantSameKey(a, b); a.NeedsPublish() == a.Shows(active) || b.NeedsPublish() == b.Shows(active) {
		t.Error("a device that does not see the active key published does not publish it")
	}
}

// The removed device learns that it is, and the key that comes with the removal is not in any message for it.
func TestRemove(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	before := s.wantSameKey(a, b)
	s.must(a.Remove(b.Device()))
	s.push(a)
	s.take(b)
	if b.Standing() != Removed || len(b.state.OwnKeys) != 0 {
		t.Errorf("the removed device is %q", b.Standing())
	}
	if _, found := b.Active(); found {
		t.Error("the removed device has an active key")
	}
	after, _ := a.Active()
	isNext := func(k Key) bool { return k.Seed.Equal(after.Seed) }
	if isNext(before) || slices.ContainsFunc(b.Keys(), isNext) {
		t.Error("the key was not replaced, or the removed device has the next one")
	}
	if _, err := b.Push(); !errors.Is(err, ErrNotMember) {
		t.Errorf("the removed device pushes: %v", err)
	}
	if err := a.Remove(devicegroup.DeviceID{1}); !errors.Is(err, ErrUnknownDevice) {
		t.Errorf("removing an unknown device: %v", err)
	}
}

// A device that rotates without knowing of a removal tells the removed device its key. The others replace that.
func TestRotationMeetsRemoval(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	gone := s.linked(a)
	s.take(b)
	s.pass(13*time.Hour, a, b, gone)
	s.must(a.Remove(gone.Device()))
	s.push(a)
	s.pass(time.Second, a, b, gone)
	s.must(b.KeepFresh()) // it has not read of the removal
	push, err := b.Push()
	s.must(err)
	known, _ := b.Active()
	s.store(push)
	s.take(a)
	if active, _ := a.Active(); active.Seed.Equal(known.Seed) {
		t.Error("a key that the removed device knows stays the account's")
	}
	s.push(a)
	s.take(b)
	s.wantSameKey(a, b)
}

// A device that leaves has no keys of its own any more, and the others replace the account's.
func TestLeave(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	known := s.wantSameKey(a, b)
	push, err := b.Leave()
	s.must(err)
	s.store(push)
	b.HasLeft()
	s.take(a)
	if active, _ := a.Active(); active.Seed.Equal(known.Seed) {
		t.Error("the account keeps the key that the device has left with")
	}
	s.push(a)
	if b.Standing() != Left {
		t.Errorf("the device that left is %q", b.Standing())
	}
}

// Another group of the account ends this one.
func TestOtherGroup(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	s.pass(time.Hour, a)
	other := s.keyring()
	if !other.HasOtherGroup(s.messages) {
		t.Error("a new device does not see the group of another one")
	}
	s.must(other.Start("other"))
	push, err := other.Push()
	s.must(err)
	s.store(push)
	s.take(a)
	if a.Standing() != Displaced {
		t.Errorf("the device of the former group is %q", a.Standing())
	}
}

// The decision of one device to publish no longer is that of all.
func TestPublishes(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	want := func(publishes bool) {
		t.Helper()
		for _, k := range []*Keyring{a, b} {
			if got, err := k.Publishes(); err != nil || got != publishes {
				t.Errorf("publishes: %v (%v), want %v", got, err, publishes)
			}
		}
	}
	want(true)
	s.must(b.SetPublishes(false))
	s.push(b)
	s.take(a)
	want(false)
	s.must(a.SetPublishes(true))
	s.push(a)
	s.take(b)
	want(true)
}

// A replaced key that the swarm still shows is kept for 16 days from then on; otherwise for 16 days from its rotation.
func TestRetention(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	first, _ := a.Active()
	shown := first.Seed.AccountKey().Public()
	s.pass(13*time.Hour, a)
	s.must(a.KeepFresh())
	holds := func() bool {
		a.Prune()
		return slices.ContainsFunc(a.Keys(), func(k Key) bool { return k.Seed.Equal(first.Seed) })
	}
	s.pass(15*24*time.Hour, a)
	a.See(&shown) // the publication of the next key has failed
	s.pass(15*24*time.Hour, a)
	if !holds() {
		t.Error("a key is deleted that senders got 15 days ago")
	}
	s.pass(24*time.Hour+time.Hour, a)
	if holds() {
		t.Error("a key is kept for more than 16 days")
	}
}

// A device renews its own key after 24 hours, and deletes the old one 24 hours later. Messages for the old one open
// until then.
func TestDeviceKeyIsRenewed(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	old := a.state.OwnKeys[0].Seed
	s.pass(renewAfter, a, b)
	s.must(b.KeepFresh())
	s.push(b) // for the old key of a
	s.must(a.KeepFresh())
	s.take(a)
	s.push(a)
	s.take(b)
	if bytes.Equal(a.state.OwnKeys[0].Seed, old) {
		t.Error("the device key is not renewed")
	}
	s.wantSameKey(a, b)
	own, _ := mustDevices(t, b).Device(a.Device())
	if !a.holds(own.Record) {
		t.Error("the other device does not know the new key")
	}
	s.pass(deviceKeyKept, a, b)
	a.Prune()
	if slices.ContainsFunc(a.state.OwnKeys, func(k ownKey) bool { return bytes.Equal(k.Seed, old) }) {
		t.Error("the old device key is kept")
	}
}

func mustDevices(t *testing.T, k *Keyring) devicegroup.Group {
	t.Helper()
	group, err := k.group()
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// A keystore that was put back has an older key of its device than the group. It makes a new one.
func TestRestoredKeystore(t *testing.T) {
	s := newSwarm(t)
	a := s.first()
	b := s.linked(a)
	saved, err := json.Marshal(b.store())
	s.must(err)
	s.pass(time.Hour, a, b)
	s.must(b.renew())
	s.push(b)
	s.take(a)
	restored := s.keyring()
	s.must(restored.decode(saved))
	// It opens what was written before it was renewed, and a message for both keys does not exist. Its own push tells.
	push, err := b.Push()
	s.must(err)
	s.store(push)
	group := mustDevices(t, b)
	s.must(restored.merge(group))
	if !restored.NeedsPush() || restored.holds(mustOwn(t, group, b)) {
		t.Error("the restored device does not make a new key")
	}
}

func mustOwn(t *testing.T, group devicegroup.Group, k *Keyring) devicegroup.Record {
	t.Helper()
	d, found := group.Device(k.Device())
	if !found {
		t.Fatal("the device is not in its group")
	}
	return d.Record
}

// Emoji may be typed as symbols, as names, or as both.
func TestSameEmoji(t *testing.T) {
	shown := []string{"🐶 dog", "☂️ umbrella", "👍 thumbs up"}
	for typed, want := range map[string]bool{
		"🐶 ☂️ 👍": true, "🐶☂👍": true, "dog, umbrella, thumbs up": true, "Dog Umbrella Thumbs Up": true,
		"🐶 dog ☂️ umbrella 👍 thumbs up": true, "dog umbrella": false, "": false, "umbrella dog thumbs up": false,
	} {
		if got := SameEmoji(shown, typed); got != want {
			t.Errorf("%q: %v", typed, got)
		}
	}
	if SameEmoji(nil, "") {
		t.Error("no emoji are the same as nothing")
	}
}

// A value of a later form is refused as such.
func TestLaterForm(t *testing.T) {
	if err := new(Keyring).decode([]byte(`{"version":2,"keys":[1]}`)); !errors.Is(err, keystore.ErrVersion) {
		t.Errorf("got %v", err)
	}
}

// What is read is written again the same.
func FuzzDecode(f *testing.F) {
	s := newSwarm(&testing.T{})
	k := s.keyring()
	if err := k.Start("first"); err != nil {
		f.Fatal(err)
	}
	value, err := json.Marshal(k.store())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Fuzz(func(t *testing.T, value []byte) {
		k := s.keyring()
		if k.decode(value) != nil {
			return
		}
		first, err := json.Marshal(k.store())
		if err != nil {
			t.Fatal(err)
		}
		again := s.keyring()
		if err := again.decode(first); err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if second, err := json.Marshal(again.store()); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s is written again as %s (%v)", first, second, err)
		}
	})
}
