package keyring

import (
	"bytes"
	"slices"
	"time"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/internal/bencode"
)

// publishField is a key of a device's record that only this program knows: whether the account publishes its keys. The
// value is the Unix time of the decision, negative to publish no longer. Other programs keep such keys and write them
// back. The latest decision of a registered device counts for all.
const publishField = "sessiontool publish"

// Publishes reports whether the account publishes its keys.
func (k *Keyring) Publishes() (bool, error) {
	devices, err := k.Devices()
	if err != nil {
		return false, err
	}
	var latest int64
	for _, d := range devices {
		if d.State != devicegroup.Registered {
			continue
		}
		for _, field := range d.Record.Extra {
			decided, err := bencode.Value(field.Value).Int()
			if field.Key == publishField && err == nil && max(decided, -decided) > max(latest, -latest) {
				latest = decided
			}
		}
	}
	return latest > 0, nil
}

// SetPublishes decides whether the account publishes its keys.
func (k *Keyring) SetPublishes(publish bool) error {
	if k.state.Standing != Member {
		return ErrNotMember
	}
	if publishes, err := k.Publishes(); err != nil || publishes == publish {
		return err
	}
	return k.changeDevice(k.state.Device, func(d *devicegroup.Device) {
		decided := k.Now.Unix()
		for _, field := range d.Record.Extra {
			if before, err := bencode.Value(field.Value).Int(); field.Key == publishField && err == nil {
				decided = max(decided, max(before, -before)+1)
			}
		}
		d.Record.SeqNo, d.Record.Updated = d.Record.SeqNo+1, k.Now.Unix()
		if !publish {
			decided = -decided
		}
		d.Record.Extra = slices.DeleteFunc(d.Record.Extra, func(f devicegroup.Field) bool { return f.Key == publishField })
		d.Record.Extra = append(d.Record.Extra,
			devicegroup.Field{Key: publishField, Value: bencode.AppendInt(nil, decided)})
	})
}

// See records what the swarm publishes for the account; nil is nothing. A rotated key that is still published is kept
// until its retention has passed from now on.
func (k *Keyring) See(published *accountkeys.Public) {
	var shown []byte
	if published != nil {
		x := published.X25519()
		shown = x[:]
	}
	if !bytes.Equal(shown, k.state.Shown) {
		k.state.Shown = shown
		k.touch(false)
	}
	for i := range k.keys {
		key := &k.keys[i]
		// Each such change is a commit: an hour's precision is enough.
		if !key.IsActive() && bytes.Equal(shown, key.X25519[:]) && k.Now.Unix()-key.ShownAt >= 3600 {
			key.ShownAt = k.Now.Unix() + 3600
			k.touch(false)
		}
	}
}

// NeedsPublish reports whether this device should publish the current account key.
func (k *Keyring) NeedsPublish() bool {
	active, found := k.Active()
	publishes, err := k.Publishes()
	return err == nil && publishes && found && k.state.Standing == Member &&
		(!k.Shows(active) || k.Now.Unix()-k.state.ShownAt >= int64(publishAgain/time.Second) && k.state.ShownAt != 0)
}

// Publish returns the message that publishes the current account key, and the key.
func (k *Keyring) Publish() ([]byte, accountkeys.Public, error) {
	active, found := k.Active()
	if !found || k.state.Standing != Member {
		return nil, accountkeys.Public{}, ErrNotMember
	}
	public := active.Seed.AccountKey().Public()
	message, err := accountkeys.Publish(k.Random, k.Account, public)
	return message, public, err
}

// Published records that the swarm publishes key since now, because this device stored it there.
func (k *Keyring) Published(key accountkeys.Public) {
	k.See(&key)
	k.state.ShownAt = k.Now.Unix()
	k.touch(false)
}
