package account

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sessiontool/lib/account/contacts"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// MinTTL is the shortest time to live in milliseconds. The longest is the network's maximum. It is also the default,
// for recipients that poll from cron.
const MinTTL = storage.MinTTLMillis

// controlTTL is the time to live in milliseconds of messages without a text: the maximum of every network. The
// acceptance of the 2020 client expires after a minute.
const controlTTL = storage.MaxTTLMillis20

// Draft is a text to be sent. Zero TTLMillis and TimestampMS mean the default and now. Network is the storage RPC of
// the network, empty for 2.0. It bounds the time to live, and selects the protocol for an unknown recipient. A protocol
// in Protocol takes precedence. OnlySync excludes the asynchronous route: either the recipient acknowledges the text or
// it is not sent. WithoutPFS needs the protocol session-v2. ID is an idempotency key: a draft
// with the ID and the recipient of an earlier one is that draft again, for [outbox.RememberedFor] after it was sent.
type Draft struct {
	To          sessionid.ID
	Text        string
	TTLMillis   int64
	TimestampMS int64
	Ref         string
	Network     storage.Generation
	Protocol    Protocol
	WithoutPFS  bool // of session-v2: encrypt for the recipient's Session ID alone
	OnlySync    bool
	ID          string
}

// MaxIDBytes is the size of the longest ID of a draft.
const MaxIDBytes = 256

// key names a draft with an ID, for the same purpose as digest, and content is what the ID stands for: what the
// recipient reads.
func (d Draft) key() (key, content string) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", d.To, d.ID))
	read := sha256.Sum256(fmt.Appendf(nil, "%d %s", d.TimestampMS, d.Text))
	return "id " + hex.EncodeToString(sum[:16]), hex.EncodeToString(read[:16])
}

// digest names a draft, so that a rerun of a command finds the outbox entry of a killed run.
func (d Draft) digest(kind Kind) string {
	sum := sha256.New()
	if d.Protocol != "" {
		fmt.Fprintf(sum, "%s ", contacts.OldProtocols[d.Protocol])
	}
	if d.WithoutPFS {
		fmt.Fprint(sum, "without pfs ")
	}
	fmt.Fprintf(sum, "%s %s %d %d %d %s %d ", kind, d.To, d.TTLMillis, d.TimestampMS, len(d.Ref), d.Ref, len(d.Text))
	sum.Write([]byte(d.Text))
	return hex.EncodeToString(sum.Sum(nil))
}
