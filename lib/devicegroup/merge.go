package devicegroup

import (
	"bytes"
	"cmp"
	"slices"

	"sessiontool/lib/accountkeys"
)

// Changes is what Merge found, as device IDs.
type Changes struct {
	Updated  []DeviceID // devices whose record is new or newer
	Gone     []DeviceID // devices that are gone and were not before: the account key must rotate
	Restated []DeviceID // gone devices that the other side still has: the group must be pushed
}

// Merge returns what the group ours becomes when theirs is read at now, by the rules of session-v2.md section 12: the
// greater state, then the greater sequence number, then the greater digest of a record wins; a device that is gone
// stays gone; a device that theirs lacks stays as it is. A new record whose key cannot be used is left out. The devices
// are in the order of their IDs.
func Merge(ours, theirs Group, now int64) (Group, Changes) {
	merged := Group{Devices: slices.Clone(ours.Devices), Keys: accountkeys.Merge(ours.Keys, theirs.Keys)}
	var changes Changes
	for _, other := range theirs.Devices {
		i := slices.IndexFunc(merged.Devices, func(d Device) bool { return d.ID == other.ID })
		if i < 0 {
			i = len(merged.Devices)
			merged.Devices = append(merged.Devices, Device{ID: other.ID})
		}
		changes.mergeDevice(&merged.Devices[i], other, now, i >= len(ours.Devices))
	}
	merged.Devices = slices.DeleteFunc(merged.Devices, Device.isEmpty)
	slices.SortFunc(merged.Devices, func(a, b Device) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return merged, changes
}

// isEmpty reports whether d is a place for a record that was not taken.
func (d Device) isEmpty() bool {
	return d.State == Unregistered && d.Record.KEM == [accountkeys.KEMPublicSize]byte{}
}

// mergeDevice merges what the other side knows into known, which is empty if isNew.
func (c *Changes) mergeDevice(known *Device, other Device, now int64, isNew bool) {
	switch {
	case other.IsGone() && known.IsGone():
		if cmp.Or(cmp.Compare(other.State, known.State), cmp.Compare(other.GoneAt, known.GoneAt)) > 0 {
			*known = other
		}
	case other.IsGone():
		*known = other
		c.Gone = append(c.Gone, other.ID)
	case known.IsGone():
		known.GoneAt = max(known.GoneAt, now)
		c.Restated = append(c.Restated, other.ID)
	case isNew || newer(other, *known):
		if _, err := other.Record.Public(); err == nil {
			*known = other
			c.Updated = append(c.Updated, other.ID)
		}
	}
}

// newer reports whether a replaces b. Neither is gone.
func newer(a, b Device) bool {
	return cmp.Or(
		cmp.Compare(a.State, b.State),
		cmp.Compare(a.Record.SeqNo, b.Record.SeqNo),
		bytes.Compare(a.Record.digest(), b.Record.digest()),
	) > 0
}
