package render

import (
	"strings"
	"time"

	"sessiontool/lib/account"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/record"
)

// forwardSecrecy returns secret for a message whose protocol is known, else nil.
func forwardSecrecy(protocol string, secret bool) *bool {
	if protocol == "" {
		return nil
	}
	return &secret
}

// AccountKeys returns the records of the account's keys of session-v2.
func AccountKeys(a *account.Account, k *keyring.Keyring) (out []record.AccountKey) {
	for _, key := range k.Keys() {
		one := record.AccountKey{
			Type: record.TypeAccountKey, Account: a.Name(), PublicKey: key.X25519.String(), Current: key.IsActive(),
			Published: k.Shows(key), CreatedAt: record.Time(time.Unix(key.Created, 0)),
		}
		if due := k.Due(); key.IsActive() && !due.IsZero() {
			one.RotatesAt = record.Time(due)
		}
		if !key.IsActive() {
			one.RotatedAt, one.ExpiresAt = record.Time(time.Unix(key.Rotated, 0)), record.Time(key.Expires())
		}
		out = append(out, one)
	}
	return out
}

// Device returns the record of a device of the account. own is the ID of this one.
func Device(a *account.Account, d devicegroup.Device, own devicegroup.DeviceID) record.Device {
	out := record.Device{
		Type: record.TypeDevice, Account: a.Name(), DeviceID: d.ID.String(), State: d.State.String(), This: d.ID == own,
		Description: d.Record.Description, DeviceType: d.Record.Type,
		ChangedAt: record.Time(time.Unix(d.Record.Updated, 0)),
	}
	if d.IsGone() {
		out.ChangedAt = record.Time(time.Unix(d.GoneAt, 0))
	}
	if d.Record.Version != 0 {
		out.Version = d.Record.VersionText()
	}
	return out
}

// DeviceLink returns the record of a step of adding the device id. The emoji are as keyring.Texts makes them.
func DeviceLink(a *account.Account, id devicegroup.DeviceID, state string, emoji []string) record.DeviceLink {
	out := record.DeviceLink{Type: record.TypeDeviceLink, Account: a.Name(), DeviceID: id.String(), State: state}
	var symbols, names []string
	for _, text := range emoji {
		symbol, name, _ := strings.Cut(text, " ")
		symbols, names = append(symbols, symbol), append(names, name)
	}
	out.Emoji, out.EmojiNames = strings.Join(symbols, " "), strings.Join(names, ", ")
	return out
}
