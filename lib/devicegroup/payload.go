package devicegroup

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/internal/bencode"
)

// The content of a device group (session-v2.md section 12).
const (
	devicesKey = "D"
	keysKey    = "K"

	createdKey = "c"
	rotatedKey = "r"
	seedKey    = "s"

	payloadBase = 2300 // the padded length is payloadBase plus a multiple of payloadStep that is not zero
	payloadStep = 6400
)

// Device is a device as the group knows it: with a record, or gone.
type Device struct {
	ID     DeviceID
	State  State
	GoneAt int64  // when it went; only for Left and Kicked
	Record Record // not for Left and Kicked
}

// IsGone reports whether d is a tombstone.
func (d Device) IsGone() bool { return d.State == Left || d.State == Kicked }

// Group is what the devices of an account share.
type Group struct {
	Devices []Device
	Keys    []accountkeys.Entry
}

// Device returns the device with the ID id, and whether there is one.
func (g Group) Device(id DeviceID) (Device, bool) {
	i := slices.IndexFunc(g.Devices, func(d Device) bool { return d.ID == id })
	if i < 0 {
		return Device{}, false
	}
	return g.Devices[i], true
}

// with returns the devices in the given states, by ID.
func (g Group) with(states ...State) (devices []Device) {
	for _, d := range g.Devices {
		if slices.Contains(states, d.State) {
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b Device) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return devices
}

// encode returns the bencoded group, without padding. Devices that are not registered or gone are left out.
func (g Group) encode() ([]byte, error) {
	keys := slices.Clone(g.Keys)
	accountkeys.Sort(keys)
	if len(keys) == 0 || !keys[0].IsActive() {
		return nil, fmt.Errorf("%w: no active account key", ErrPayload)
	}
	text := append(bencode.AppendBytes([]byte("d"), []byte(devicesKey)), 'd')
	for _, d := range g.with(Registered, Left, Kicked) {
		text = bencode.AppendBytes(text, d.ID[:])
		switch d.State {
		case Registered:
			text = d.Record.append(text)
		case Left:
			text = bencode.AppendInt(text, -d.GoneAt)
		case Kicked:
			text = bencode.AppendInt(text, d.GoneAt)
		}
		if d.IsGone() && d.GoneAt < 1 {
			return nil, fmt.Errorf("%w: device %s went at %d", ErrPayload, d.ID, d.GoneAt)
		}
	}
	text = append(bencode.AppendBytes(append(text, 'e'), []byte(keysKey)), 'l')
	for _, key := range keys {
		text = bencode.AppendIntPair(append(text, 'd'), createdKey, key.Created)
		if !key.IsActive() {
			text = bencode.AppendIntPair(text, rotatedKey, key.Rotated)
		}
		text = append(bencode.AppendPair(text, seedKey, key.Seed[:]), 'e')
	}
	return append(text, "ee"...), nil
}

// paddedPayload returns the padded length for a group of size bytes.
func paddedPayload(size int) int {
	return payloadBase + payloadStep*max(1, (size-payloadBase+payloadStep-1)/payloadStep)
}

// decode reads a group. What follows the dict is ignored. The error is ErrPayload.
func decode(text []byte) (Group, error) {
	var group Group
	dict := bencode.Open(text)
	devices := dict.Value(devicesKey)
	keys := dict.Value(keysKey)
	for range dict.All() {
		continue // only checks that the dict ends
	}
	err := dict.Err()
	if err == nil {
		group.Devices, err = decodeDevices(devices)
	}
	if err == nil {
		group.Keys, err = decodeKeys(keys)
	}
	if err != nil {
		return Group{}, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return group, nil
}

func decodeDevices(text bencode.Value) (devices []Device, err error) {
	dict, seen := text.Dict(), map[DeviceID]bool{}
	for key, value := range dict.All() {
		if len(key) != len(DeviceID{}) {
			return nil, fmt.Errorf("a device id of %d bytes", len(key))
		}
		d := Device{ID: DeviceID([]byte(key))}
		if seen[d.ID] {
			return nil, fmt.Errorf("device %s stands there twice", d.ID)
		}
		seen[d.ID] = true
		if value.IsInt() {
			d.State, d.GoneAt, err = decodeTombstone(value)
		} else {
			d.State = Registered
			d.Record, err = parseRecord(value)
		}
		if err != nil {
			return nil, fmt.Errorf("device %s: %w", d.ID, err)
		}
		devices = append(devices, d)
	}
	return devices, dict.Finish()
}

// decodeTombstone reads when a device was kicked, or when it left if the number is negative.
func decodeTombstone(value bencode.Value) (State, int64, error) {
	number, err := value.Int()
	switch {
	case err != nil:
		return 0, 0, err
	case number == 0 || number == math.MinInt64:
		return 0, 0, fmt.Errorf("a tombstone of %d", number)
	case number < 0:
		return Left, -number, nil
	}
	return Kicked, number, nil
}

func decodeKeys(text bencode.Value) (keys []accountkeys.Entry, err error) {
	values, err := text.List()
	if err != nil {
		return nil, err
	}
	for _, value := range values {
		dict := value.Dict()
		key := accountkeys.Entry{Created: dict.Int(createdKey)}
		rotated := dict.Find(rotatedKey)
		if rotated {
			key.Rotated = dict.Int(rotatedKey)
		}
		key.Seed = accountkeys.Seed(dict.Sized(seedKey, accountkeys.SeedSize))
		if err := dict.Finish(); err != nil {
			return nil, err
		}
		if key.Created < 1 || (rotated && key.Rotated < 1) {
			return nil, fmt.Errorf("an account key created at %d and rotated at %d", key.Created, key.Rotated)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
