package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
)

// An idempotency key names what a caller wants to send. The receipt of a message with a key is remembered after its
// entry is gone, so that the same key sends nothing again. This file bounds that memory in time and in number.

// The tables of idempotency keys.
const (
	TableKeys     keystore.Table = "outbox_keys"      // digest of a key and its recipient -> storedMemory
	TableKeyQueue keystore.Table = "outbox_key_queue" // sequence -> storedQueued, oldest first
)

// RememberedFor is how long a key is remembered after its message was sent: longer than any network keeps a message.
// MaxRemembered is how many keys of an account are remembered; the oldest are forgotten first.
const (
	RememberedFor = 15 * 24 * time.Hour
	MaxRemembered = 100_000
)

// ErrKeyReused reports an idempotency key that was used for the same recipient with another content.
var ErrKeyReused = errors.New("the id was used for another content")

// storedMemory is what is remembered of a sent message with a key. Of its receipt the list of nodes is left out.
type storedMemory struct {
	tables.Form
	Content string         `json:"content"`
	Receipt *storedReceipt `json:"receipt"`
}

// storedQueued is a remembered key with the time from which it is remembered.
type storedQueued struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
}

// ResumeKey returns what is known of a message with a key: its entry, which this process takes over, or an entry
// without a sequence number that has the receipt. The digest is that of the key and the recipient. The error is
// [ErrKeyReused] if content is not that of the message.
func (b *Box) ResumeKey(tx *keystore.Tx, digest, content string) (left Entry, found bool, err error) {
	var memory storedMemory
	value, found, err := tx.Get(TableKeys, digest)
	if err == nil && found {
		err = tables.ReadForm(TableKeys, value, storedVersion, &memory)
	}
	switch {
	case err != nil:
		return Entry{}, false, err
	case found:
		return memory.entry(content)
	}
	seqs, err := WithDigest(tx, digest)
	if err != nil {
		return Entry{}, false, err
	}
	for _, seq := range seqs {
		entry, found, err := Load(tx, seq)
		switch {
		case err != nil:
			return Entry{}, false, err
		case found && entry.Content != content:
			return Entry{}, false, ErrKeyReused
		case found && !b.over(entry):
			return b.take(tx, entry)
		}
	}
	return Entry{}, false, nil
}

// entry returns an entry with the receipt that is remembered.
func (m storedMemory) entry(content string) (Entry, bool, error) {
	if m.Content != content {
		return Entry{}, false, ErrKeyReused
	}
	if m.Receipt == nil {
		return Entry{}, false, fmt.Errorf("%w: table %s: no receipt", keystore.ErrCorrupt, TableKeys)
	}
	receipt, err := m.Receipt.receipt()
	receipt.Repeated = true
	return Entry{To: receipt.To, Kind: KindText, Receipt: &receipt, Resumed: true}, true, err
}

// remember keeps the receipt of an entry with a key.
func remember(tx *keystore.Tx, entry Entry, now time.Time) error {
	stored := storeReceipt(*entry.Receipt)
	stored.Nodes = nil
	value, err := json.Marshal(storedMemory{
		Form: tables.Form{Version: storedVersion}, Content: entry.Content, Receipt: stored,
	})
	if err != nil {
		return err
	}
	_, known, err := tx.Get(TableKeys, entry.Digest)
	if err == nil {
		err = tx.Put(TableKeys, entry.Digest, value)
	}
	if err != nil || known {
		return err
	}
	queued, err := json.Marshal(storedQueued{entry.Digest, now})
	if err != nil {
		return err
	}
	newest, err := tx.Append(TableKeyQueue, queued)
	if err != nil {
		return err
	}
	return forget(tx, newest, now)
}

// forget deletes the keys whose time is over, and the oldest of too many. Newest is the last number of the queue.
func forget(tx *keystore.Tx, newest uint64, now time.Time) error {
	return tx.Range(TableKeyQueue, 0, func(seq uint64, value []byte) error {
		var queued storedQueued
		if err := tables.Decode(TableKeyQueue, value, &queued); err != nil {
			return err
		}
		if newest-seq < MaxRemembered && now.Sub(queued.At) <= RememberedFor {
			return fs.SkipAll
		}
		if err := tx.Delete(TableKeys, queued.Digest); err != nil {
			return err
		}
		return tx.DeleteSeq(TableKeyQueue, seq)
	})
}
