// Package draft is a text that is to be sent: what it may be, how long it may live, and which protocol encrypts it.
package draft

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"

	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/outbox"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
)

// Errors of [Draft.Complete].
var (
	ErrNoText = errors.New("there is no text")
	ErrTTL    = errors.New("time to live is out of range")
	ErrID     = errors.New("the id of the draft cannot be used")
)

// MinTTL is the shortest time to live in milliseconds. The longest is the network's maximum. It is also the default,
// for recipients that poll from cron.
const MinTTL = storage.MinTTLMillis

// Draft is a text to be sent. Zero TTLMillis and TimestampMS mean the default and now. Network is the storage RPC of
// the network, empty for 2.0. It bounds the time to live, and selects the protocol for an unknown recipient. A protocol
// in Protocol takes precedence. OnlySync excludes the asynchronous route: either the recipient acknowledges the text or
// it is not sent. WithoutPFS needs the protocol session-v2. ID is an idempotency key: a draft with the ID and the
// recipient of an earlier one is that draft again, for [outbox.RememberedFor] after it was sent.
type Draft struct {
	To          sessionid.ID
	Text        string
	TTLMillis   int64
	TimestampMS int64
	Ref         string
	Network     storage.Generation
	Protocol    contacts.Protocol
	WithoutPFS  bool // of session-v2: encrypt for the recipient's Session ID alone
	OnlySync    bool
	ID          string
	Copy        CopyFor
}

// CopyFor says for which texts an account leaves a copy in its own swarm, for its other devices (session-v1.md section
// 7). Texts of protocol signal have none: they are for the two ends of a session.
type CopyFor int

const (
	// CopyUsual is for texts of session-v1 and session-v2 of an account that may be on other devices. A text with forward
	// secrecy is left out if the copy cannot have it.
	CopyUsual CopyFor = iota
	CopyAlways
	CopyNever
)

// MaxIDBytes is the size of the longest ID of a draft.
const MaxIDBytes = 256

// Key names a draft with an ID, for the same purpose as Digest, and content is what the ID stands for: what the
// recipient reads.
func (d Draft) Key() (key, content string) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", d.To, d.ID))
	read := sha256.Sum256(fmt.Appendf(nil, "%d %s", d.TimestampMS, d.Text))
	return "id " + hex.EncodeToString(sum[:16]), hex.EncodeToString(read[:16])
}

// Digest names a draft, so that a rerun of a command finds the outbox entry of a killed run.
func (d Draft) Digest(kind outbox.Kind) string {
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

// Complete refuses a draft that no receiver could read, and sets the default time to live.
func (d *Draft) Complete() error {
	if d.Text == "" {
		return ErrNoText
	}
	if err := message.CheckText(d.Text); err != nil {
		return err
	}
	if len(d.ID) > MaxIDBytes || !utf8.ValidString(d.ID) {
		return fmt.Errorf("%w: it is not text of at most %d bytes", ErrID, MaxIDBytes)
	}
	return d.CompleteTTL()
}

// CompleteTTL sets the default time to live, and refuses one that the network does not allow.
func (d *Draft) CompleteTTL() error {
	longest := d.Network.MaxTTLMillis()
	if d.TTLMillis == 0 {
		d.TTLMillis = longest
	}
	if d.TTLMillis < MinTTL || d.TTLMillis > longest {
		return fmt.Errorf("%w: %d ms is not within %d and %d", ErrTTL, d.TTLMillis, MinTTL, longest)
	}
	return nil
}

// ProtocolFor returns the protocol for a draft: the draft's own, else the contact's last, else the default of the network.
// Session-v1 stands for both protocols of today's Session IDs: a draft without a protocol of its own takes session-v2
// if the recipient publishes a key.
func (d Draft) ProtocolFor(contact contacts.Contact) contacts.Protocol {
	switch known := contact.KnownProtocol(); {
	case d.Protocol != "":
		return d.Protocol
	case known == contacts.ProtocolSessionV2:
		return contacts.ProtocolSessionV1
	case known != "":
		return known
	case d.Network == storage.Generation28:
		return contacts.ProtocolSessionV1
	default:
		return contacts.ProtocolSignal
	}
}
