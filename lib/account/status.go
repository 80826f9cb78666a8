package account

import (
	"context"
	"encoding/hex"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// StatusFreshFor is how long an online status is believed, and how long the network keeps a message that tells it
// (sync-route.md section 7).
const StatusFreshFor = 24 * time.Hour

// Status is what a contact said last about being online. Node is the Ed25519 key, in lower-case hex, of the service
// node at which the contact listens; it is empty for one who cannot be reached, or who was found not to be there.
// ToldMS is when that was so, in milliseconds by the contact's clock, but never ahead of ours.
type Status struct {
	Node   string
	ToldMS int64
}

// Fresh reports whether the status can be believed at a moment.
func (s Status) Fresh(now time.Time) bool {
	return now.Sub(time.UnixMilli(s.ToldMS)) < StatusFreshFor
}

// StatusOf returns what is known of a contact, and whether it ever told its status. Clients of others never do.
func (a *Account) StatusOf(ctx context.Context, id sessionid.ID) (status Status, told bool, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		contact, _, err := loadContact(tx, id)
		if err == nil && contact.Status != nil {
			status, told = *contact.Status, true
		}
		return err
	})
	return status, told, err
}

// Unreachable records that a contact was not where tried says. What the contact has told since then stands.
func (a *Account) Unreachable(ctx context.Context, id sessionid.ID, tried Status) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		contact, found, err := loadContact(tx, id)
		if err != nil || !found || contact.Status == nil || *contact.Status != tried {
			return err
		}
		contact.Status.Node = ""
		return saveContact(tx, contact)
	})
}

// takeStatus learns the status that a message carries, and reports whether the contact listens at a node that was not
// known. Messages may overtake each other: a status from before the last one is old news.
func (c *contactState) takeStatus(extension *message.Extension, now time.Time) (moved bool) {
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
