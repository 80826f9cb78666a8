// Package keyring keeps the keys of Session Protocol v2 of an account in the keystore: its account keys, current and
// rotated, this device's own keys, and the device group as this device knows it (session-v2.md sections 10 to 14).
//
// It promises that a key that is no longer needed is deleted with the change that finds it so, that two devices that
// read each other's messages agree, that a device that was removed stops to act for the account, and that nothing is
// lost if the process ends between two changes: a change that the swarm does not have yet is pushed by a later process.
//
// In reads a Keyring in a transaction, and Save writes it if it has changed. Start makes the first device of an
// account. RequestLink, Admit and Join add another one. Take reads what the swarm has in the namespace of device groups,
// KeepFresh rotates and deletes keys, Push and Publish make the messages for the swarm. It knows no network.
package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/devicegroup"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// Table has the keyring of an account.
const Table keystore.Table = "keyring"

const recordName = "self"

const (
	// deviceKeyKept is how long a replaced device key is kept: it opens group messages of devices that had not read of
	// its successor yet.
	deviceKeyKept = 24 * time.Hour
	// renewAfter is the age at which a device replaces its own key: a copy of that key opens group messages, with the
	// account keys in them, until the other devices have read of its successor. libsession does not renew device keys
	// and reads records of devices that do.
	renewAfter = 24 * time.Hour
	// pushAgain is the age at which the group message in the swarm is replaced, half of its lifetime.
	pushAgain = devicegroup.Lifetime / 2
	// publishAgain is the age at which the published key is stored again.
	publishAgain = accountkeys.PublishedLifetime / 2
)

var (
	// ErrNone reports an account without keys of Session Protocol v2.
	ErrNone = errors.New("the account has no keys of session-v2")
	// ErrNotMember reports an action that only a device of the group may take.
	ErrNotMember = errors.New("this device is not in the account's device group")
	// ErrMember reports a request to join by a device of the group.
	ErrMember = errors.New("this device is in the account's device group already")
	// ErrEmoji reports emoji that no request to join has.
	ErrEmoji = errors.New("no request of a device has these emoji")
	// ErrNoGroup reports a swarm without the message of a device group.
	ErrNoGroup = errors.New("no device group of this account is in the swarm")
	// ErrNotAdmitted reports that no device has admitted this one yet.
	ErrNotAdmitted = errors.New("no device of the account has admitted this one yet")
	// ErrUnknownDevice reports a device that the group does not have.
	ErrUnknownDevice = errors.New("no such device")
)

// Standing is how this device stands to the account's device group.
type Standing string

// The standings.
const (
	None      Standing = ""
	Requested Standing = "requested" // it asks to join
	Member    Standing = "member"
	Left      Standing = "left"
	Removed   Standing = "removed"   // another device has removed it
	Displaced Standing = "displaced" // the group goes on without it, or another group has replaced it
)

// Key is an account key with what is known of it.
type Key struct {
	accountkeys.Entry
	Prefix accountkeys.Prefix
	X25519 x25519.PublicKey
	// ShownAt is when this device last saw the rotated key published: senders may have got it until then. Unix seconds.
	ShownAt int64
}

// expires returns when a key is deleted, in Unix seconds; 0 for the active one.
func (k Key) expires() int64 {
	if k.IsActive() {
		return 0
	}
	return max(k.Rotated, k.ShownAt) + int64(accountkeys.Retention/time.Second)
}

// Expires returns when the key is deleted, the zero time for the active one.
func (k Key) Expires() time.Time {
	if k.IsActive() {
		return time.Time{}
	}
	return time.Unix(k.expires(), 0).UTC()
}

// Keyring is the keyring of one account within a transaction.
type Keyring struct {
	Account sessionid.Keys
	Random  io.Reader
	Now     time.Time

	state   state
	keys    []Key // in the order of accountkeys.Sort
	changed bool
	learned bool // Take or Start brought keys
}

// state is the stored form of a Keyring beside the keys. Times are Unix seconds, but those in names with MS.
type state struct {
	Standing  Standing             `json:"standing"`
	Device    devicegroup.DeviceID `json:"device"`
	OwnKeys   []ownKey             `json:"own_keys"` // newest first
	GroupID   devicegroup.GroupID  `json:"group_id"`
	Devices   []storedDevice       `json:"devices"`
	Emoji     []string             `json:"emoji,omitempty"`      // of this device's request to join
	RequestMS int64                `json:"request_ms,omitempty"` // when it was made

	// Changes counts what the swarm must learn of, and Pushed is the count that the message in the swarm has.
	Changes int `json:"changes"`
	Pushed  int `json:"pushed"`
	// Merged has the hashes of the group messages in the swarm that the keyring has merged; the next push deletes them.
	Merged   []string `json:"merged,omitempty"`
	PushedAt int64    `json:"pushed_at,omitempty"`
	// OpenedMS is when the swarm stored the newest group message that this device could open, by the swarm's clock.
	OpenedMS int64 `json:"opened_ms,omitempty"`

	// Shown is the key that the swarm publishes as far as known, and ShownAt is when this device stored it there last.
	Shown   []byte `json:"shown,omitempty"`
	ShownAt int64  `json:"shown_at,omitempty"`
}

// ownKey is a key of this device.
type ownKey struct {
	Seed    []byte `json:"seed"`
	Created int64  `json:"created"`
	Retired int64  `json:"retired,omitempty"` // when it was replaced; 0 for the current one
}

// storedDevice is a devicegroup.Device.
type storedDevice struct {
	ID     devicegroup.DeviceID `json:"id"`
	State  devicegroup.State    `json:"state"`
	GoneAt int64                `json:"gone_at,omitempty"`
	Record []byte               `json:"record,omitempty"`
}

// storedKey is a Key.
type storedKey struct {
	Seed    []byte             `json:"seed"`
	Created int64              `json:"created"`
	Rotated int64              `json:"rotated,omitempty"`
	Prefix  accountkeys.Prefix `json:"prefix"`
	X25519  []byte             `json:"x25519"`
	ShownAt int64              `json:"shown_at,omitempty"`
}

// stored is the record in the keystore.
type stored struct {
	tables.Form
	state
	Keys []storedKey `json:"keys"`
}

// storedVersion is the form of the record. A later one is keystore.ErrVersion.
const storedVersion = 1

// In reads the keyring of an account within a transaction. Without one it is empty, with the standing None.
func In(tx *keystore.Tx, account sessionid.Keys, random io.Reader, now time.Time) (*Keyring, error) {
	k := &Keyring{Account: account, Random: random, Now: now}
	value, found, err := tx.Get(Table, recordName)
	if err != nil || !found {
		return k, err
	}
	return k, k.decode(value)
}

// decode reads the stored form. The error wraps keystore.ErrCorrupt or keystore.ErrVersion.
func (k *Keyring) decode(value []byte) error {
	var s stored
	if err := tables.ReadForm(Table, value, storedVersion, &s); err != nil {
		return err
	}
	for _, own := range s.OwnKeys {
		if len(own.Seed) != accountkeys.SeedSize {
			return fmt.Errorf("%w: table %s has a device key of a wrong size", keystore.ErrCorrupt, Table)
		}
	}
	k.state, k.keys = s.state, nil
	for _, one := range s.Keys {
		if len(one.Seed) != accountkeys.SeedSize || len(one.X25519) != x25519.Size {
			return fmt.Errorf("%w: table %s has a key of a wrong size", keystore.ErrCorrupt, Table)
		}
		k.keys = append(k.keys, Key{
			Entry:  accountkeys.Entry{Seed: accountkeys.Seed(one.Seed), Created: one.Created, Rotated: one.Rotated},
			Prefix: one.Prefix, X25519: x25519.PublicKey(one.X25519), ShownAt: one.ShownAt,
		})
	}
	return nil
}

// Save writes the keyring if it has changed since In.
func (k *Keyring) Save(tx *keystore.Tx) error {
	if !k.changed {
		return nil
	}
	return tables.Put(tx, Table, recordName, k.store())
}

// store returns the stored form.
func (k *Keyring) store() stored {
	s := stored{Form: tables.Form{Version: storedVersion}, state: k.state}
	for _, key := range k.keys {
		s.Keys = append(s.Keys, storedKey{
			Seed: key.Seed[:], Created: key.Created, Rotated: key.Rotated, Prefix: key.Prefix, X25519: key.X25519[:],
			ShownAt: key.ShownAt,
		})
	}
	return s
}

// Format prints a placeholder whatever the verb is.
func (k *Keyring) Format(f fmt.State, _ rune) { io.WriteString(f, "keyring.Keyring(redacted)") }

// Learned reports whether the keyring got account keys from elsewhere since In: what could not be read may be
// readable now.
func (k *Keyring) Learned() bool { return k.learned }

// Standing returns how this device stands to the account's device group.
func (k *Keyring) Standing() Standing { return k.state.Standing }

// Device returns the ID of this device.
func (k *Keyring) Device() devicegroup.DeviceID { return k.state.Device }

// GroupID returns the ID of the device group.
func (k *Keyring) GroupID() devicegroup.GroupID { return k.state.GroupID }

// Emoji returns the emoji of this device's request to join, as texts; none without one.
func (k *Keyring) Emoji() []string { return k.state.Emoji }

// Keys returns the account keys: the active one, then the latest rotated.
func (k *Keyring) Keys() []Key { return k.keys }

// Held returns the account keys as v2message.Open takes them.
func (k *Keyring) Held() (held []*accountkeys.Held) {
	for _, key := range k.keys {
		held = append(held, accountkeys.HoldKnown(key.Entry, key.Prefix))
	}
	return held
}

// Active returns the current account key.
func (k *Keyring) Active() (Key, bool) {
	if len(k.keys) == 0 || !k.keys[0].IsActive() {
		return Key{}, false
	}
	return k.keys[0], true
}

// Shows reports whether the swarm publishes key, as far as this device knows.
func (k *Keyring) Shows(key Key) bool { return bytes.Equal(k.state.Shown, key.X25519[:]) }

// Devices returns the devices of the group, by ID.
func (k *Keyring) Devices() (devices []devicegroup.Device, err error) {
	for _, s := range k.state.Devices {
		d := devicegroup.Device{ID: s.ID, State: s.State, GoneAt: s.GoneAt}
		if !d.IsGone() {
			if d.Record, err = devicegroup.ParseRecord(s.Record); err != nil {
				return nil, fmt.Errorf("%w: table %s: %w", keystore.ErrCorrupt, Table, err)
			}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

func (k *Keyring) setDevices(devices []devicegroup.Device) {
	k.state.Devices = nil
	for _, d := range devices {
		s := storedDevice{ID: d.ID, State: d.State, GoneAt: d.GoneAt}
		if !d.IsGone() {
			s.Record = d.Record.Bytes()
		}
		k.state.Devices = append(k.state.Devices, s)
	}
}

// group returns what the devices share.
func (k *Keyring) group() (devicegroup.Group, error) {
	devices, err := k.Devices()
	return devicegroup.Group{Devices: devices, Keys: accountkeys.Prune(k.entries(), k.Now.Unix())}, err
}

func (k *Keyring) entries() (entries []accountkeys.Entry) {
	for _, key := range k.keys {
		entries = append(entries, key.Entry)
	}
	return entries
}

// setEntries replaces the account keys, and keeps what is known of those that stay.
func (k *Keyring) setEntries(entries []accountkeys.Entry) {
	keys := make([]Key, 0, len(entries))
	for _, e := range entries {
		i := slices.IndexFunc(k.keys, func(known Key) bool { return known.Seed.Equal(e.Seed) })
		if i >= 0 {
			known := k.keys[i]
			known.Entry = e
			keys = append(keys, known)
			continue
		}
		public := e.Seed.AccountKey().Public()
		keys = append(keys, Key{Entry: e, Prefix: public.Prefix(), X25519: public.X25519()})
	}
	k.keys = keys
}

// touch records a change; tell is set if the other devices must learn of it.
func (k *Keyring) touch(tell bool) {
	k.changed = true
	if tell {
		k.state.Changes++
	}
}

// deviceKeys expands this device's keys, the current one first.
func (k *Keyring) deviceKeys() (keys []*accountkeys.Key) {
	for _, own := range k.state.OwnKeys {
		keys = append(keys, accountkeys.Seed(own.Seed).DeviceKey())
	}
	return keys
}

// newDeviceKey makes a new key of this device, and retires the former one.
func (k *Keyring) newDeviceKey() (accountkeys.Public, error) {
	seed, err := accountkeys.GenerateSeed(k.Random)
	if err != nil {
		return accountkeys.Public{}, err
	}
	for i := range k.state.OwnKeys {
		if own := &k.state.OwnKeys[i]; own.Retired == 0 {
			own.Retired = k.Now.Unix()
		}
	}
	k.state.OwnKeys = append([]ownKey{{Seed: seed[:], Created: k.Now.Unix()}}, k.state.OwnKeys...)
	return seed.DeviceKey().Public(), nil
}

// newDevice makes this device: an ID, a key and a record.
func (k *Keyring) newDevice(description string) (devicegroup.Device, error) {
	var id devicegroup.DeviceID
	if _, err := io.ReadFull(k.Random, id[:]); err != nil {
		return devicegroup.Device{}, err
	}
	k.state.OwnKeys = nil
	public, err := k.newDeviceKey()
	if err != nil {
		return devicegroup.Device{}, err
	}
	k.state.Device = id
	record := devicegroup.NewRecord(public)
	record.SeqNo, record.Updated, record.Description = 1, k.Now.Unix(), description
	record.Type = devicegroup.TypeCommandLine
	return devicegroup.Device{ID: id, State: devicegroup.Registered, Record: record}, nil
}

// Start makes this device the first one of a new device group, with a new account key. Keys that the account has are
// kept as rotated ones.
func (k *Keyring) Start(description string) error {
	device, err := k.newDevice(description)
	if err != nil {
		return err
	}
	if k.state.GroupID, err = devicegroup.NewGroupID(k.Random, k.Now); err != nil {
		return err
	}
	k.state.Standing, k.state.Merged, k.state.Emoji, k.state.OpenedMS = Member, nil, nil, 0
	k.setDevices([]devicegroup.Device{device})
	return k.rotate()
}

// rotate makes a new account key.
func (k *Keyring) rotate() error {
	seed, err := accountkeys.GenerateSeed(k.Random)
	if err != nil {
		return err
	}
	k.setEntries(accountkeys.Rotate(k.entries(), seed, k.Now.Unix()))
	k.touch(true)
	return nil
}

// changeDevice changes the record or the state of a device of the group.
func (k *Keyring) changeDevice(id devicegroup.DeviceID, change func(*devicegroup.Device)) error {
	devices, err := k.Devices()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(devices, func(d devicegroup.Device) bool { return d.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: %s", ErrUnknownDevice, id)
	}
	change(&devices[i])
	k.setDevices(devices)
	k.touch(true)
	return nil
}

// renew gives this device a new key, and its record a new sequence number.
func (k *Keyring) renew() error {
	public, err := k.newDeviceKey()
	if err != nil {
		return err
	}
	return k.changeDevice(k.state.Device, func(d *devicegroup.Device) {
		d.Record.KEM, d.Record.X25519 = public.KEM(), public.X25519()
		d.Record.SeqNo, d.Record.Updated = d.Record.SeqNo+1, k.Now.Unix()
	})
}

// members returns the number of registered devices.
func (k *Keyring) members() (count int) {
	for _, d := range k.state.Devices {
		if d.State == devicegroup.Registered {
			count++
		}
	}
	return count
}

// Due returns when this device rotates the account key; the zero time if it does not.
func (k *Keyring) Due() time.Time {
	active, found := k.Active()
	if !found || k.state.Standing != Member {
		return time.Time{}
	}
	return active.RotationDue(k.state.Device, k.members())
}

// Overdue reports whether KeepFresh, a push or a publication is due.
func (k *Keyring) Overdue() bool {
	due := k.Due()
	return !due.IsZero() && (!k.Now.Before(due) || k.renewalDue() || k.NeedsPush() || k.NeedsPublish())
}

func (k *Keyring) renewalDue() bool {
	return len(k.state.OwnKeys) == 0 ||
		k.Now.Unix()-k.state.OwnKeys[0].Created >= int64(renewAfter/time.Second)
}

// KeepFresh rotates the account key if that is due. It also renews this device's own key, with each rotation and after
// renewAfter.
func (k *Keyring) KeepFresh() error {
	due := k.Due()
	if due.IsZero() {
		return nil
	}
	rotates := !k.Now.Before(due)
	if rotates {
		if err := k.rotate(); err != nil {
			return err
		}
	}
	if !rotates && !k.renewalDue() {
		return nil
	}
	return k.renew()
}

// Prune deletes the keys that are no longer needed.
func (k *Keyring) Prune() {
	now := k.Now.Unix()
	keys, own := len(k.keys), len(k.state.OwnKeys)
	k.keys = slices.DeleteFunc(k.keys, func(key Key) bool { return !key.IsActive() && now >= key.expires() })
	k.state.OwnKeys = slices.DeleteFunc(k.state.OwnKeys, func(key ownKey) bool {
		return key.Retired != 0 && now >= key.Retired+int64(deviceKeyKept/time.Second)
	})
	if len(k.keys) != keys || len(k.state.OwnKeys) != own {
		k.touch(false)
	}
}
