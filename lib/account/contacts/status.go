package contacts

import (
	"encoding/hex"
	"time"

	"sessiontool/lib/message"
)

// StatusFreshFor is how long an online status is valid, and the time to live of a message that carries only a status
// (sync-route.md section 7).
const StatusFreshFor = 24 * time.Hour

// Status is the last online status of a contact. Node is the Ed25519 key, in lower-case hex, of the service node at
// which the contact listens. Node is empty if the contact does not listen or was not found there. ToldMS is the time of
// the status in milliseconds by the contact's clock, but never ahead of ours.
type Status struct {
	Node   string
	ToldMS int64
}

// Fresh reports whether the status is still valid at a time.
func (s Status) Fresh(now time.Time) bool {
	return now.Sub(time.UnixMilli(s.ToldMS)) < StatusFreshFor
}

// TakeStatus stores the status in a message, and reports whether the contact listens at a new node. Messages may
// overtake each other, so TakeStatus ignores a status older than the stored one.
func (c *Contact) TakeStatus(extension *message.Extension, now time.Time) (moved bool) {
	if extension == nil || extension.Status == nil {
		return false
	}
	told := Status{ToldMS: min(int64(min(extension.StatusTimestampMS, 1<<62)), now.UnixMilli())}
	if extension.Status.Reachable && validNode(extension.Status.Address) {
		told.Node = extension.Status.Address
	}
	before := Status{}
	if c.Status != nil {
		before = *c.Status
	}
	if told.ToldMS < before.ToldMS {
		return false
	}
	c.Status = &told
	return told.Node != "" && told.Node != before.Node
}

// validNode reports whether an address is the name of a service node: its Ed25519 key in lower-case hex.
func validNode(address string) bool {
	raw, err := hex.DecodeString(address)
	return err == nil && len(raw) == 32 && hex.EncodeToString(raw) == address
}
