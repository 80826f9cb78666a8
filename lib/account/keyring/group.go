package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
)

// Message is a message in the namespace of device groups. Hash and StoredMS are what a node says: its name, and when it
// was stored.
type Message struct {
	Data     []byte
	Hash     string
	StoredMS int64
}

// Request is a device that asks to join, with the emoji to compare.
type Request struct {
	Device devicegroup.Device
	Emoji  []devicegroup.Emoji
}

// Take reads messages of the namespace of device groups. It merges group messages that this device can open, and learns
// from the others whether it was removed or displaced. Afterwards NeedsPush says whether the swarm lacks something that
// this device knows. Messages that are not the account's are ignored.
func (k *Keyring) Take(messages []Message) error {
	if k.state.Standing != Member {
		return nil
	}
	var opened []devicegroup.Group
	var closed []func()
	for _, message := range sorted(messages) {
		if devicegroup.KindOf(message.Data) != devicegroup.KindGroup || slices.Contains(k.state.Merged, message.Hash) {
			continue
		}
		sealed, err := devicegroup.Parse(k.Account.Ed25519Public(), message.Data)
		if err != nil {
			continue
		}
		group, err := sealed.Open(k.deviceKeys()...)
		if errors.Is(err, devicegroup.ErrNotMember) {
			closed = append(closed, func() { k.judge(sealed, message) })
		}
		if err != nil {
			continue
		}
		k.state.Merged = append(k.state.Merged, message.Hash)
		k.state.Merged = k.state.Merged[max(0, len(k.state.Merged)-maxMerged):]
		k.state.OpenedMS = max(k.state.OpenedMS, message.StoredMS)
		if err := k.merge(group); err != nil || k.state.Standing != Member {
			return err
		}
		opened = append(opened, group)
	}
	// Only now the time of the newest message that opens is known.
	for _, judge := range closed {
		if judge(); k.state.Standing != Member {
			return nil
		}
	}
	if len(opened) == 0 {
		return nil
	}
	return k.compare(opened)
}

// maxMerged bounds the hashes of merged messages. A swarm holds few of them: each push deletes the others.
const maxMerged = 64

// sorted returns messages in the order in which the swarm stored them.
func sorted(messages []Message) []Message {
	messages = slices.Clone(messages)
	slices.SortStableFunc(messages, func(a, b Message) int {
		if a.StoredMS != b.StoredMS {
			return int(min(max(a.StoredMS-b.StoredMS, -1), 1))
		}
		return strings.Compare(a.Hash, b.Hash)
	})
	return messages
}

// judge learns from a message that this device cannot open whether it is still a device of the account.
func (k *Keyring) judge(sealed *devicegroup.Sealed, message Message) {
	stored, newest := time.UnixMilli(message.StoredMS), time.UnixMilli(k.state.OpenedMS)
	switch sealed.Standing(k.Account, k.state.Device, k.state.GroupID, stored, newest) {
	case devicegroup.Removed:
		k.drop(Removed)
	case devicegroup.Displaced:
		k.drop(Displaced)
	case devicegroup.OtherGroup:
		if stored.After(newest) {
			k.drop(Displaced)
		}
	}
}

// drop ends the membership of this device. Its account keys are kept for what was sent before, until they expire.
func (k *Keyring) drop(why Standing) {
	k.state.Standing = why
	k.state.Merged, k.state.Emoji, k.state.OwnKeys = nil, nil, nil
	var entries []accountkeys.Entry
	for _, e := range k.entries() {
		if e.IsActive() {
			e.Rotated = max(k.Now.Unix(), e.Created)
		}
		entries = append(entries, e)
	}
	accountkeys.Sort(entries)
	k.setEntries(entries)
	k.touch(false)
}

// merge merges a group that another device has written.
func (k *Keyring) merge(theirs devicegroup.Group) error {
	ours, err := k.group()
	if err != nil {
		return err
	}
	merged, changes := devicegroup.Merge(ours, theirs, k.Now.Unix())
	own, _ := merged.Device(k.state.Device)
	if own.IsGone() {
		k.setDevices(merged.Devices)
		k.drop(Removed)
		return nil
	}
	known := k.entries()
	k.setDevices(merged.Devices)
	k.setEntries(merged.Keys)
	k.Prune()
	k.learned = k.learned || slices.ContainsFunc(k.keys, func(key Key) bool {
		return !slices.ContainsFunc(known, func(e accountkeys.Entry) bool { return e.Seed.Equal(key.Seed) })
	})
	k.touch(false)
	if err := k.rotateAfter(theirs, changes, merged); err != nil {
		return err
	}
	if k.holds(own.Record) {
		return nil
	}
	return k.renew() // the keystore is an older copy: the group has a key of this device that it does not have
}

// holds reports whether a record has the current key of this device.
func (k *Keyring) holds(record devicegroup.Record) bool {
	if len(k.state.OwnKeys) == 0 {
		return false
	}
	public := accountkeys.Seed(k.state.OwnKeys[0].Seed).DeviceKey().Public()
	return public.X25519() == record.X25519
}

// rotateAfter rotates the account key if a device that is gone may know it: a device that left knows all keys up to its
// departure, and one that was removed knows all keys but those that were made with the removal.
func (k *Keyring) rotateAfter(theirs devicegroup.Group, changes devicegroup.Changes, merged devicegroup.Group) error {
	active, found := k.Active()
	theirActive, _ := accountkeys.Active(theirs.Keys)
	isTheirs := found && active.Seed.Equal(theirActive.Seed)
	known := len(changes.Restated) > 0 && isTheirs // they wrote it for a device that is gone
	for _, id := range changes.Gone {
		d, _ := merged.Device(id)
		known = known || d.State == devicegroup.Left || !isTheirs
	}
	if !known {
		return nil
	}
	return k.rotate()
}

// compare decides whether the swarm lacks something, once all of its messages are merged.
func (k *Keyring) compare(opened []devicegroup.Group) error {
	ours, err := k.group()
	if err != nil {
		return err
	}
	for _, theirs := range opened {
		if same(ours, theirs) {
			k.state.Pushed, k.state.PushedAt = k.state.Changes, k.Now.Unix()
			return nil
		}
	}
	k.touch(true)
	return nil
}

// same reports whether theirs has all of ours. It may have more keys, which are of the past.
func same(ours, theirs devicegroup.Group) bool {
	for _, key := range ours.Keys {
		if !slices.Contains(theirs.Keys, key) {
			return false
		}
	}
	for _, d := range ours.Devices {
		other, found := theirs.Device(d.ID)
		if !found || other.State != d.State || other.GoneAt != d.GoneAt ||
			string(other.Record.Bytes()) != string(d.Record.Bytes()) {
			return false
		}
	}
	return true
}

// NeedsPush reports whether the swarm lacks something that this device knows, or its message gets old.
func (k *Keyring) NeedsPush() bool {
	return k.state.Standing == Member &&
		(k.state.Changes != k.state.Pushed || k.Now.Unix()-k.state.PushedAt >= int64(pushAgain/time.Second))
}

// Push is a group message for the swarm. Replaces has the hashes of the messages that it replaces.
type Push struct {
	Data     []byte
	Replaces []string

	changes int
}

// Push returns the message with all that this device knows.
func (k *Keyring) Push() (Push, error) {
	if k.state.Standing != Member {
		return Push{}, ErrNotMember
	}
	group, err := k.group()
	if err != nil {
		return Push{}, err
	}
	data, err := devicegroup.Seal(k.Random, k.Account, k.state.GroupID, group)
	return Push{Data: data, Replaces: slices.Clone(k.state.Merged), changes: k.state.Changes}, err
}

// Pushed records that the swarm has stored p under the hash.
func (k *Keyring) Pushed(p Push, hash string) {
	k.state.Merged = slices.DeleteFunc(k.state.Merged, func(h string) bool { return slices.Contains(p.Replaces, h) })
	k.state.Merged = append(k.state.Merged, hash)
	k.state.Pushed, k.state.PushedAt = max(k.state.Pushed, p.changes), k.Now.Unix()
	k.state.OpenedMS = max(k.state.OpenedMS, k.Now.UnixMilli())
	k.touch(false)
}

// Remove removes another device from the group, and rotates the account key.
func (k *Keyring) Remove(id devicegroup.DeviceID) error {
	if k.state.Standing != Member {
		return ErrNotMember
	}
	err := k.changeDevice(id, func(d *devicegroup.Device) {
		*d = devicegroup.Device{ID: id, State: devicegroup.Kicked, GoneAt: k.Now.Unix()}
	})
	if err != nil {
		return err
	}
	return k.rotate()
}

// Leave returns the message by which this device leaves the group. The others then rotate the account key. Call
// HasLeft once the swarm has it.
func (k *Keyring) Leave() (Push, error) {
	if k.state.Standing != Member {
		return Push{}, ErrNotMember
	}
	group, err := k.group()
	if err != nil {
		return Push{}, err
	}
	for i, d := range group.Devices {
		if d.ID == k.state.Device {
			group.Devices[i] = devicegroup.Device{ID: d.ID, State: devicegroup.Left, GoneAt: k.Now.Unix()}
		}
	}
	data, err := devicegroup.Seal(k.Random, k.Account, k.state.GroupID, group)
	return Push{Data: data, Replaces: slices.Clone(k.state.Merged)}, err
}

// HasLeft records that this device is not in the group any more.
func (k *Keyring) HasLeft() { k.drop(Left) }

// Requests returns the devices that ask to join, with their emoji. Requests that this device cannot read are left out,
// and those of devices that are in the group or were.
func (k *Keyring) Requests(messages []Message) (requests []Request, err error) {
	if k.state.Standing != Member {
		return nil, ErrNotMember
	}
	devices, err := k.Devices()
	if err != nil {
		return nil, err
	}
	var keys []*accountkeys.Key
	for _, message := range sorted(messages) {
		if devicegroup.KindOf(message.Data) != devicegroup.KindLink {
			continue
		}
		if keys == nil {
			for _, held := range k.keys {
				keys = append(keys, held.Seed.AccountKey())
			}
		}
		link, err := devicegroup.OpenLink(k.Account, keys, message.Data)
		known := func(d devicegroup.Device) bool { return d.ID == link.Device.ID }
		if err != nil || slices.ContainsFunc(devices, known) {
			continue
		}
		requests = append(requests, Request{Device: link.Device, Emoji: link.Emoji()})
	}
	return requests, nil
}

// Admit takes the device into the group whose request has these emoji, by symbols or names. The error is ErrEmoji if
// none has.
func (k *Keyring) Admit(requests []Request, emoji string) (Request, error) {
	if k.state.Standing != Member {
		return Request{}, ErrNotMember
	}
	for _, request := range requests {
		if !SameEmoji(Texts(request.Emoji), emoji) {
			continue
		}
		devices, err := k.Devices()
		if err != nil {
			return Request{}, err
		}
		request.Device.State = devicegroup.Registered
		devices = append(devices, request.Device)
		slices.SortFunc(devices, func(a, b devicegroup.Device) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		k.setDevices(devices)
		k.touch(true)
		return request, nil
	}
	return Request{}, ErrEmoji
}

// RequestLink returns the message in which this device asks to join the account's group, whose messages are those of
// the swarm. The error is ErrNoGroup if there is none, or ErrMember.
func (k *Keyring) RequestLink(messages []Message, description string) ([]byte, error) {
	if k.state.Standing == Member {
		return nil, ErrMember
	}
	sealed, _, found := k.newest(messages)
	if !found {
		return nil, ErrNoGroup
	}
	linkKey, found := sealed.LinkKey()
	if !found {
		return nil, fmt.Errorf("%w: its message has no key for requests", ErrNoGroup)
	}
	device, err := k.newDevice(description)
	if err != nil {
		return nil, err
	}
	message, link, err := devicegroup.RequestLink(k.Random, k.Account, linkKey, device)
	if err != nil {
		return nil, err
	}
	k.state.Standing, k.state.Emoji, k.state.RequestMS = Requested, Texts(link.Emoji()), k.Now.UnixMilli()
	k.state.Devices, k.state.Merged = nil, nil
	k.touch(false)
	return message, nil
}

// newest returns the newest group message of the account.
func (k *Keyring) newest(messages []Message) (sealed *devicegroup.Sealed, message Message, found bool) {
	for _, one := range sorted(messages) {
		if devicegroup.KindOf(one.Data) != devicegroup.KindGroup {
			continue
		}
		if parsed, err := devicegroup.Parse(k.Account.Ed25519Public(), one.Data); err == nil {
			sealed, message, found = parsed, one, true
		}
	}
	return sealed, message, found
}

// HasOtherGroup reports whether messages has the group of other devices than this one.
func (k *Keyring) HasOtherGroup(messages []Message) bool {
	_, message, found := k.newest(messages)
	return found && (k.state.Standing != Member || !slices.Contains(k.state.Merged, message.Hash))
}

// Join makes this device a member of the group that has admitted it, once the user has confirmed that the other device
// shows these emoji. The error is ErrEmoji if they are not those of this device's request, ErrNotAdmitted, or ErrNone
// without a request.
func (k *Keyring) Join(messages []Message, emoji string) error {
	switch {
	case k.state.Standing == Member:
		return ErrMember
	case k.state.Standing != Requested:
		return ErrNone
	case !SameEmoji(k.state.Emoji, emoji):
		return ErrEmoji
	}
	for _, message := range slices.Backward(sorted(messages)) {
		if devicegroup.KindOf(message.Data) != devicegroup.KindGroup {
			continue
		}
		sealed, err := devicegroup.Parse(k.Account.Ed25519Public(), message.Data)
		if err != nil {
			continue
		}
		group, err := sealed.Open(k.deviceKeys()...)
		own, found := group.Device(k.state.Device)
		if err != nil || !found || own.State != devicegroup.Registered || !k.holds(own.Record) {
			continue
		}
		if id, found := sealed.GroupID(k.Account); found {
			k.state.GroupID = id
		}
		k.state.Standing, k.state.Emoji, k.state.OpenedMS = Member, nil, message.StoredMS
		k.state.Pushed = k.state.Changes
		k.touch(false)
		return k.Take(messages)
	}
	return ErrNotAdmitted
}

// Texts returns each emoji as its symbol and name.
func Texts(emoji []devicegroup.Emoji) (texts []string) {
	for _, e := range emoji {
		texts = append(texts, e.Symbol+" "+e.Name)
	}
	return texts
}

// SameEmoji reports whether a user has typed these emoji, given as Texts makes them: the symbols, the names, or both,
// with anything but letters between them.
func SameEmoji(texts []string, typed string) bool {
	if len(texts) == 0 {
		return false
	}
	var symbols, names, both string
	for _, text := range texts {
		symbol, name, _ := strings.Cut(text, " ")
		symbols, names, both = symbols+symbol, names+name, both+symbol+name
	}
	typed = plain(typed)
	return typed == plain(symbols) || typed == plain(names) || typed == plain(both)
}

// plain removes what may stand between emoji or varies in how they are typed: spaces, punctuation, case, and the
// selector of a coloured form.
func plain(text string) string {
	return strings.ToLower(strings.NewReplacer(
		" ", "", ",", "", ";", "", "\"", "", "[", "", "]", "", "\t", "", "\n", "", "\ufe0f", "").Replace(text))
}
