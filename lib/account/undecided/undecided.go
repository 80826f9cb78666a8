// Package undecided keeps received messages of Session Protocol v2 that no key at hand opens, because the key may still
// come: from another device of the account, or with the device group that this device joins (session-v2.md section
// 6.2).
//
// It promises that such a message stays until it opens or no key can come any more, that a stranger cannot fill the
// keystore with what nothing will ever open, and that each message that is given up, or has waited long, is reported
// once.
package undecided

import (
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// The tables of this package.
const (
	Table     keystore.Table = "undecided"      // name -> Message
	TableSize keystore.Table = "undecided_size" // sizeKey -> size
)

const (
	sizeKey = "all"

	// keepFor is how long a message is kept: a device group message with its key is stored for 30 days, but a key is
	// shared for 16 days after its rotation.
	keepFor = 16 * 24 * time.Hour
	// reportAfter is how long a message waits before it is reported, if a key may be on its way.
	reportAfter = time.Hour
	// maxCount and maxBytes bound what is kept. What comes beyond them is reported and left to the swarm.
	maxCount = 2000
	maxBytes = 32 << 20
)

// Message is a message that waits. Data is store data in base64. Hash and Route are those of its arrival.
type Message struct {
	Name       string    `json:"-"`
	Data       string    `json:"data"`
	Hash       string    `json:"hash,omitempty"`
	Route      string    `json:"route,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
	Reported   bool      `json:"reported,omitempty"`
}

// size is how much is kept, so that a flood does not make each message cost a look at all others.
type size struct {
	Count int `json:"count"`
	Bytes int `json:"bytes"`
}

// grow changes the size.
func grow(tx *keystore.Tx, count, bytes int) error {
	var all size
	if _, err := tables.Get(tx, TableSize, sizeKey, &all); err != nil {
		return err
	}
	return tables.Put(tx, TableSize, sizeKey, size{all.Count + count, all.Bytes + bytes})
}

// Keep stores a message, and returns false if there is no room. One that is kept already stays.
func Keep(tx *keystore.Tx, message Message) (bool, error) {
	var all size
	if _, err := tables.Get(tx, TableSize, sizeKey, &all); err != nil {
		return false, err
	}
	_, found, err := tx.Get(Table, message.Name)
	if err != nil || found {
		return found, err
	}
	if all.Count >= maxCount || all.Bytes+len(message.Data) > maxBytes {
		return false, nil
	}
	if err := tables.Put(tx, Table, message.Name, message); err != nil {
		return false, err
	}
	return true, grow(tx, 1, len(message.Data))
}

// Each calls visit with each message that waits. Visit may change and delete that message.
func Each(tx *keystore.Tx, visit func(Message) error) error {
	return tx.ForEach(Table, func(name string, value []byte) error {
		m := Message{Name: name}
		if err := tables.Decode(Table, value, &m); err != nil {
			return err
		}
		m.Name = name
		return visit(m)
	})
}

// Drop deletes a message that waits.
func Drop(tx *keystore.Tx, m Message) error {
	if err := tx.Delete(Table, m.Name); err != nil {
		return err
	}
	return grow(tx, -1, -len(m.Data))
}

// Due returns the messages to report at now. Those that wait too long are deleted, the others are marked. Without
// hope, which is a key that may be on its way, they are reported at once.
func Due(tx *keystore.Tx, now time.Time, hope bool) (due []Message, err error) {
	err = Each(tx, func(m Message) error {
		age := now.Sub(m.ReceivedAt)
		if !m.Reported && (!hope || age >= reportAfter) {
			m.Reported = true
			due = append(due, m)
			if err := tables.Put(tx, Table, m.Name, m); err != nil {
				return err
			}
		}
		if age < keepFor {
			return nil
		}
		return Drop(tx, m)
	})
	return due, err
}
