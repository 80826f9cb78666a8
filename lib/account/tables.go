package account

import (
	"encoding/json"
	"fmt"

	"sessiontool/keystore"
)

// The tables of an account in the keystore.
const (
	tableIdentity       keystore.Table = "identity"        // identityKey -> identity
	tableSignedPrekeys  keystore.Table = "signed_prekeys"  // signedPrekeysKey -> []signedPrekey, newest first
	tableOneTimePrekeys keystore.Table = "onetime_prekeys" // id -> oneTimePrekey
	tablePrekeyOf       keystore.Table = "prekey_of"       // contact -> id of the one-time prekey it was given
	tableCounters       keystore.Table = "counters"        // name -> last number used
	tableTimes          keystore.Table = "times"           // name -> time of the last run
	tableContacts       keystore.Table = "contacts"        // contact -> contactState
	tableRequests       keystore.Table = "requests"        // digest of a friend request's ciphertext -> nothing
	tableBoxes          keystore.Table = "boxes"           // digest of a sealed box -> nothing
	tableSessions       keystore.Table = "sessions"        // contact -> ratchet record
	tableInbox          keystore.Table = "inbox"           // sequence -> Event
	tableUndelivered    keystore.Table = "undelivered"     // sequence of an Event -> process that prints it
	tableOutbox         keystore.Table = "outbox"          // sequence -> Outgoing
	tableListeners      keystore.Table = "listeners"       // process -> listening
	tableOutboxDigests  keystore.Table = "outbox_digests"  // digest of a draft -> its sequences in the outbox
	tableSeen           keystore.Table = "seen"            // digest of store data -> seenEntry
	tableChains         keystore.Table = "chains"          // digest of sender and ratchet key -> chainEntry
	tableCursors        keystore.Table = "cursors"         // reader version and node -> last hash
	tableUnsends        keystore.Table = "unsends"         // author and timestamp -> time of expiry
)

const (
	identityKey      = "self"
	signedPrekeysKey = "all"

	timeSeenForgotten = "seen_forgotten"

	counterSignedPrekeys  = "signed_prekey"
	counterOneTimePrekeys = "onetime_prekey"
	counterChains         = "chain"
)

// get decodes the record called name into v and reports whether there is one.
func get(tx *keystore.Tx, table keystore.Table, name string, v any) (bool, error) {
	data, ok, err := tx.Get(table, name)
	if err != nil || !ok {
		return false, err
	}
	return true, decode(table, data, v)
}

func decode(table keystore.Table, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: table %s: %w", keystore.ErrCorrupt, table, err)
	}
	return nil
}

// put stores v as the record called name.
func put(tx *keystore.Tx, table keystore.Table, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return tx.Put(table, name, data)
}

// nextNumber increments a named counter, from 1, and returns it.
func nextNumber(tx *keystore.Tx, name string) (uint32, error) {
	var last uint32
	if _, err := get(tx, tableCounters, name, &last); err != nil {
		return 0, err
	}
	last++
	return last, put(tx, tableCounters, name, last)
}
