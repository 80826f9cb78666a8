package keystore_test

import (
	"fmt"
	"sessiontool/keystore"
	"sessiontool/lib/account"
	received "sessiontool/lib/account/inbox"
	"sessiontool/lib/account/keyring"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/message"
	"sessiontool/lib/storage/rpc28"
	"time"
)

// This file has the devices of a [life].

// lifeDevice is one device of the account.
type lifeDevice struct {
	*account.Account
	life           *life
	name, dir      string
	store          *keystore.Store
	read           int // messages of the box that it has fetched
	offUntil       time.Time
	from, until    time.Time // its membership; until is zero while it lasts
	got            map[string]bool
	failures       int
	receivedBefore int // how often it fetched messages before it read of their keys
}

// change is a transaction on the device's keyring. Messages that waited for a key arrive.
func (d *lifeDevice) change(change func(*keyring.Keyring) error) {
	d.life.t.Helper()
	opened, err := d.UpdateKeyring(d.life.t.Context(), nil, change)
	d.life.must(err)
	d.take(opened)
	d.life.must(d.ViewKeyring(d.life.t.Context(), func(k *keyring.Keyring) error {
		for _, key := range k.Keys() {
			d.life.seeds[key.Seed] = true
			if at := time.Unix(key.Created, 0); d.life.created[key.X25519.String()].IsZero() {
				d.life.created[key.X25519.String()] = at
			}
		}
		return nil
	}))
}

// take notes what arrived.
func (d *lifeDevice) take(opened []account.Opened) {
	var events []received.Event
	for _, one := range opened {
		if one.Duplicate {
			continue
		}
		switch one.Event.Kind {
		case received.EventMessage:
			d.got[one.Event.Text] = true
		case received.EventFailure:
			d.failures++
			d.life.t.Logf("%s at %s: %s %s", d.name, d.life.now, one.Event.Code, one.Event.Text)
		}
		if one.Event.Seq != 0 {
			events = append(events, one.Event)
		}
	}
	d.life.must(d.MarkDelivered(d.life.t.Context(), events...))
}

// sync reads the swarm's messages of the devices, and rotates if that is due.
func (d *lifeDevice) sync() {
	d.life.t.Helper()
	d.change(func(k *keyring.Keyring) error {
		if err := k.Take(d.life.inSwarm()); err != nil {
			return err
		}
		k.See(d.life.published)
		return k.KeepFresh()
	})
}

// push stores in the swarm what it lacks.
func (d *lifeDevice) push() {
	l := d.life
	l.t.Helper()
	var push keyring.Push
	var publish *accountkeys.Public
	l.must(d.ViewKeyring(l.t.Context(), func(k *keyring.Keyring) (err error) {
		if k.NeedsPush() {
			push, err = k.Push()
		}
		return err
	}))
	if push.Data != nil {
		m := keyring.Message{Data: push.Data, Hash: rpc28.MessageHash(l.id, 21, push.Data), StoredMS: l.now.UnixMilli()}
		l.group, l.archive = append(l.group, m), append(l.archive, m)
		for _, hash := range push.Replaces {
			l.deleted[hash] = true
		}
		d.change(func(k *keyring.Keyring) error {
			k.Pushed(push, m.Hash)
			return nil
		})
	}
	l.must(d.ViewKeyring(l.t.Context(), func(k *keyring.Keyring) error {
		if !k.NeedsPublish() {
			return nil
		}
		data, _, err := k.Publish()
		if err != nil {
			return err
		}
		key, err := accountkeys.ParsePublished(l.id, data)
		publish = &key
		return err
	}))
	if publish == nil {
		return
	}
	l.published = publish
	d.change(func(k *keyring.Keyring) error {
		k.Published(*publish)
		return nil
	})
}

// receive fetches the messages that the box has got since the last time and still has.
func (d *lifeDevice) receive() {
	l := d.life
	l.t.Helper()
	var batch []account.Incoming
	for ; d.read < len(l.inbox); d.read++ {
		if m := l.inbox[d.read]; l.now.Sub(m.at) < lifeTTL {
			batch = append(batch, account.Incoming{Data: m.data, Hash: fmt.Sprint(d.read), Route: message.RouteAsync})
		}
	}
	if len(batch) == 0 {
		return
	}
	opened, err := d.Receive(l.t.Context(), batch, nil)
	l.must(err)
	d.take(opened)
}

// poll does what the command does. The order of its two parts is a matter of chance.
func (d *lifeDevice) poll() {
	if d.life.dice.IntN(2) == 0 {
		d.receivedBefore++
		d.receive()
		d.sync()
	} else {
		d.sync()
		d.receive()
	}
	d.push()
	reported, err := d.ReportUndecided(d.life.t.Context())
	d.life.must(err)
	d.take(reported)
}
