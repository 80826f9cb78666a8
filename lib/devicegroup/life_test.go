package devicegroup_test

import (
	"crypto/sha3"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/v2message"
)

// The times of the simulation, in hours.
const (
	day          = 24
	lifeSpan     = 60 * day
	theftAt      = 10*day + 6
	removalAt    = 20 * day
	additionAt   = 30 * day
	longestSleep = 13 * day
	messageTTL   = 14 * day
	cacheLimit   = 48 // a sender uses published keys for up to so long
)

// life is an account with its swarm, and the senders that write to it, on a virtual clock.
type life struct {
	t       *testing.T
	random  io.Reader
	dice    *rand.Rand
	account sessionid.Keys
	id      devicegroup.GroupID
	hour    int64

	published [][]byte // namespace -21
	created   int64    // the hour of that key
	rotations int
	groups    []stored // namespace 21
	inbox     []letter // namespace 0, with what is expired
	devices   []*phone
	senders   []sender
}

type stored struct {
	hour    int64
	message []byte
}

// letter is a message with what its sender knows of it.
type letter struct {
	stored
	keyCreated int64
	readBy     map[*phone]bool
}

type sender struct {
	keys    sessionid.Keys
	cache   accountkeys.Public
	fetched int64
	created int64 // the hour of the cached key
}

// phone is a device of the account.
type phone struct {
	device     devicegroup.Device
	deviceKeys []*accountkeys.Key // the newest first
	renewed    int64
	group      devicegroup.Group
	held       map[accountkeys.Seed]*accountkeys.Held
	seen       map[*byte]bool // the group messages that are read, by their first byte
	tried      map[int]int    // for each message that did not open, how many keys were tried
	asleep     int64          // until this hour
	removed    bool           // and tries on with what it has
	joined     int64
}

func (l *life) now() int64 { return 1_777_700_000 + l.hour*3600 }

func newLife(t *testing.T) *life {
	shake := sha3.NewSHAKE256()
	shake.Write([]byte("life"))
	l := &life{t: t, random: shake, dice: rand.New(rand.NewPCG(60, 4)),
		account: sessionid.KeysFromSeed(sessionid.Seed{1})}
	for range 4 {
		p := l.newPhone()
		p.device.State = devicegroup.Registered
		l.devices = append(l.devices, p)
	}
	for i := range byte(20) {
		l.senders = append(l.senders, sender{keys: sessionid.KeysFromSeed(sessionid.Seed{2, i}), fetched: -1000})
	}
	first := l.devices[0]
	for _, p := range l.devices {
		first.group.Devices = append(first.group.Devices, p.device)
	}
	l.rotate(first)
	return l
}

func (l *life) seed() accountkeys.Seed {
	seed, err := accountkeys.GenerateSeed(l.random)
	if err != nil {
		l.t.Fatal(err)
	}
	return seed
}

func (l *life) newPhone() *phone {
	key := l.seed().DeviceKey()
	p := &phone{deviceKeys: []*accountkeys.Key{key}, joined: l.hour}
	p.held, p.seen, p.tried = map[accountkeys.Seed]*accountkeys.Held{}, map[*byte]bool{}, map[int]int{}
	p.device = devicegroup.Device{ID: devicegroup.DeviceID(l.seed()), Record: devicegroup.NewRecord(key.Public())}
	p.device.Record.SeqNo, p.device.Record.Updated = 1, l.now()
	return p
}

// rotate makes a new account key, and pushes and publishes it.
func (l *life) rotate(p *phone) {
	p.group.Keys = accountkeys.Prune(accountkeys.Rotate(p.group.Keys, l.seed(), l.now()), l.now())
	l.push(p)
	active, _ := accountkeys.Active(p.group.Keys)
	message, err := accountkeys.Publish(l.random, l.account, active.Seed.AccountKey().Public())
	if err != nil {
		l.t.Fatal(err)
	}
	l.published, l.created = [][]byte{message}, l.hour
	l.rotations++
}

// push stores the group of p, in place of what p has read.
func (l *life) push(p *phone) {
	message, err := devicegroup.Seal(l.random, l.account, l.id, p.group)
	if err != nil {
		l.t.Fatal(err)
	}
	l.groups = slices.DeleteFunc(l.groups, func(s stored) bool { return p.seen[&s.message[0]] })
	l.groups = append(l.groups, stored{l.hour, message})
}

// renew replaces the device key of p.
func (l *life) renew(p *phone) {
	p.renewed = l.hour
	key := l.seed().DeviceKey()
	p.deviceKeys = slices.Insert(p.deviceKeys, 0, key)
	record := devicegroup.NewRecord(key.Public())
	record.SeqNo, record.Updated = p.device.Record.SeqNo+1, l.now()
	p.device.Record = record
	p.group, _ = devicegroup.Merge(p.group, devicegroup.Group{Devices: []devicegroup.Device{p.device}}, l.now())
	l.push(p)
}

// readGroups merges the messages of the swarm and reports whether a departure is new. It drops those that are replaced.
func (l *life) readGroups(p *phone, seen []stored) (departure bool) {
	for _, s := range seen {
		if p.seen[&s.message[0]] {
			continue
		}
		p.seen[&s.message[0]] = true
		sealed, err := devicegroup.Parse(l.account.Ed25519Public(), s.message)
		if err != nil {
			l.t.Fatal(err)
		}
		group, err := sealed.Open(p.deviceKeys...)
		if errors.Is(err, devicegroup.ErrNotMember) {
			p.removed = p.removed || sealed.HasKicked(l.account, p.device.ID)
			continue
		}
		if err != nil {
			l.t.Fatal(err)
		}
		var changes devicegroup.Changes
		p.group, changes = devicegroup.Merge(p.group, group, l.now())
		departure = departure || (len(changes.Gone) > 0 && len(p.held) > 0)
	}
	p.group.Keys = accountkeys.Prune(p.group.Keys, l.now())
	return departure
}

// wake lets a device do what a client does when it polls. It sees the swarm as it was an instant ago, so that two
// devices may rotate at once.
func (l *life) wake(p *phone, seen []stored) {
	departure := l.readGroups(p, seen)
	if own, found := p.group.Device(p.device.ID); !p.removed && found && own.State == devicegroup.Registered {
		registered := 0
		for _, d := range p.group.Devices {
			if d.State == devicegroup.Registered {
				registered++
			}
		}
		active, found := accountkeys.Active(p.group.Keys)
		if found && (departure || active.RotationDue(p.device.ID, registered).Unix() <= l.now()) {
			l.rotate(p)
		}
		if l.hour-p.renewed >= day {
			l.renew(p)
		}
	}
	l.readInbox(p)
}

func (p *phone) keys() (held []*accountkeys.Held) {
	for _, entry := range p.group.Keys {
		if p.held[entry.Seed] == nil {
			p.held[entry.Seed] = accountkeys.Hold(entry)
		}
		held = append(held, p.held[entry.Seed])
	}
	return held
}

// readInbox opens what is new, and tries again what did not open when keys have arrived.
func (l *life) readInbox(p *phone) {
	held := p.keys()
	for i, letter := range l.inbox {
		if letter.readBy[p] || l.hour-letter.hour >= messageTTL || p.tried[i] == len(p.held) {
			continue
		}
		p.tried[i] = len(p.held)
		opened, err := v2message.Open(l.account, held, letter.message)
		if err == nil && opened.ForwardSecrecy {
			letter.readBy[p] = true
		} else if !errors.Is(err, v2message.ErrNoKey) {
			l.t.Fatal(err)
		}
	}
}

// send writes one message, with keys that may be two days old.
func (l *life) send(s *sender) {
	if age := l.hour - s.fetched; age > cacheLimit || (age > day && l.dice.IntN(2) == 0) {
		key, found := accountkeys.LatestPublished(l.account.ID(), l.published)
		if !found {
			l.t.Fatal("no keys are published")
		}
		s.cache, s.fetched, s.created = key, l.hour, l.created
	}
	draft := v2message.Draft{To: l.account.ID(), Content: fmt.Append(nil, len(l.inbox))}
	message, err := v2message.Seal(l.random, s.keys, draft, s.cache)
	if err != nil {
		l.t.Fatal(err)
	}
	l.inbox = append(l.inbox, letter{stored{l.hour, message}, s.created, map[*phone]bool{}})
}

// remove lets p kick other.
func (l *life) remove(p, other *phone) {
	kicked := devicegroup.Device{ID: other.device.ID, State: devicegroup.Kicked, GoneAt: l.now()}
	p.group, _ = devicegroup.Merge(p.group, devicegroup.Group{Devices: []devicegroup.Device{kicked}}, l.now())
	l.rotate(p)
}

// add lets p admit a new device.
func (l *life) add(p *phone) {
	newcomer := l.newPhone()
	sealed, err := devicegroup.Parse(l.account.Ed25519Public(), l.groups[len(l.groups)-1].message)
	if err != nil {
		l.t.Fatal(err)
	}
	linkKey, _ := sealed.LinkKey()
	message, shown, err := devicegroup.RequestLink(l.random, l.account, linkKey, newcomer.device)
	if err != nil {
		l.t.Fatal(err)
	}
	var keys []*accountkeys.Key
	for _, held := range p.keys() {
		keys = append(keys, held.Key())
	}
	request, err := devicegroup.OpenLink(l.account, keys, message)
	if err != nil || !slices.Equal(request.Emoji(), shown.Emoji()) {
		l.t.Fatal(err)
	}
	request.Device.State = devicegroup.Registered
	p.group, _ = devicegroup.Merge(p.group, devicegroup.Group{Devices: []devicegroup.Device{request.Device}}, l.now())
	newcomer.device = request.Device
	l.devices = append(l.devices, newcomer)
	l.rotate(p)
}

// Four devices of one account and twenty senders for sixty days: keys rotate, devices sleep for up to thirteen days,
// two rotate at once, one is removed and one added, and each renews its device key every day. Every device that belongs
// to the account reads every message. A removed one reads nothing that was sealed for later keys. A thief who copies
// all keys of a device, and goes on reading the device group, reads nothing that was sealed for keys of two days later.
func TestLifeOfAnAccount(t *testing.T) {
	l := newLife(t)
	thief, first, removed := l.newPhone(), l.devices[0], l.devices[3]
	races := 0
	for ; l.hour < lifeSpan; l.hour++ {
		switch l.hour {
		case theftAt:
			thief.group.Keys, thief.deviceKeys = slices.Clone(first.group.Keys), slices.Clone(first.deviceKeys)
		case removalAt:
			l.remove(first, removed)
		case additionAt:
			l.add(first)
		}
		for i := range l.senders {
			if l.dice.IntN(3*day) == 0 {
				l.send(&l.senders[i])
			}
		}
		seen, before := slices.Clone(l.groups), l.rotations
		for i, p := range l.devices {
			if i > 0 && p != removed && p.asleep <= l.hour && l.hour < lifeSpan-longestSleep &&
				l.dice.IntN(6*day) == 0 {
				p.asleep = l.hour + 1 + l.dice.Int64N(longestSleep)
			}
			if p.asleep <= l.hour {
				l.wake(p, seen)
			}
			for _, entry := range p.group.Keys {
				if p.asleep <= l.hour && entry.IsExpired(l.now()) {
					t.Fatalf("hour %d: device %d holds a key that was rotated %s ago", l.hour, i,
						time.Duration(l.now()-entry.Rotated)*time.Second)
				}
			}
		}
		if l.hour >= theftAt {
			l.readGroups(thief, seen)
			thief.keys()
		}
		if l.rotations > before+1 {
			races++
		}
	}
	l.readAsThief(thief)

	unread, old := 0, 0
	for _, letter := range l.inbox {
		for _, p := range l.devices {
			if p != removed && letter.hour >= p.joined && !letter.readBy[p] {
				unread++
			}
		}
		if letter.readBy[removed] && letter.keyCreated > removalAt+1 {
			t.Errorf("the removed device reads a message of hour %d", letter.hour)
		}
		if letter.readBy[thief] {
			old++
			if letter.keyCreated > theftAt+2*day {
				t.Errorf("the thief reads a message of hour %d", letter.hour)
			}
		}
		if _, err := v2message.Open(l.account, nil, letter.message); !errors.Is(err, v2message.ErrNoKey) {
			t.Errorf("the long-term key alone: %v", err)
		}
	}
	t.Logf("%d messages, %d times two rotations at once; the thief reads %d", len(l.inbox), races, old)
	if unread != 0 || len(l.inbox) < 300 || old == 0 {
		t.Errorf("%d of %d messages unread by a device; the thief reads %d", unread, len(l.inbox), old)
	}
	if races == 0 {
		t.Error("no two devices rotated at once")
	}
	if !removed.removed {
		t.Error("the removed device does not notice")
	}
}

// readAsThief tries all keys that the thief ever had on every message there ever was.
func (l *life) readAsThief(thief *phone) {
	var held []*accountkeys.Held
	for _, h := range thief.held {
		held = append(held, h)
	}
	for _, letter := range l.inbox {
		if opened, err := v2message.Open(l.account, held, letter.message); err == nil && opened.ForwardSecrecy {
			letter.readBy[thief] = true
		}
	}
}
