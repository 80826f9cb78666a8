package account

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/contacts"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/account/sessions"
	"sessiontool/lib/sessionid"
)

// The types of package contacts.
type (
	State    = contacts.State
	Protocol = contacts.Protocol
	Status   = contacts.Status
)

// The friend states.
const (
	StateNone     = contacts.StateNone
	StateSent     = contacts.StateSent
	StateReceived = contacts.StateReceived
	StateFriends  = contacts.StateFriends
	StateExpired  = contacts.StateExpired
)

// RequestPatience is how long a friend request of ours waits before it counts as expired.
const RequestPatience = contacts.RequestPatience

// Contact is a correspondent of the account. Protocol is empty while it is unknown. Status is nil for a contact that
// never sent one.
type Contact struct {
	ID          sessionid.ID
	DisplayName string
	State       State
	HasSession  bool
	Protocol    Protocol
	Since       time.Time
	Verified    bool // the user compared the safety number, see Verify
	Status      *Status

	Name     string // that the user gave it, see Account.NameContact
	Blocked  bool   // see Account.Block
	Declined bool   // the user declined its request, and has not dealt with it since
}

// FriendRequest is a request from a contact (Incoming) or to it.
type FriendRequest struct {
	ID          string
	Peer        sessionid.ID
	Incoming    bool
	DisplayName string
	Name        string // that the user gave the peer; of FriendRequests alone
	Text        string
	State       State
	TimestampMS int64
	At          time.Time
}

// Contacts lists all contacts, oldest first.
func (a *Account) Contacts(ctx context.Context) (all []Contact, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		all = nil
		known, err := addressbook.All(tx)
		if err != nil {
			return err
		}
		return contacts.Each(tx, func(c contacts.Contact) error {
			contact, err := a.describe(tx, c, known[c.ID])
			all = append(all, contact)
			return err
		})
	})
	slices.SortFunc(all, func(x, y Contact) int {
		return cmp.Or(x.Since.Compare(y.Since), strings.Compare(x.ID.String(), y.ID.String()))
	})
	return all, err
}

// Contact returns one contact, or [ErrUnknownContact].
func (a *Account) Contact(ctx context.Context, id sessionid.ID) (contact Contact, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		c, found, err := contacts.Load(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ErrUnknownContact
		}
		entry, err := addressbook.Get(tx, id)
		if err != nil {
			return err
		}
		contact, err = a.describe(tx, c, entry)
		return err
	})
	return contact, err
}

func (a *Account) describe(tx *keystore.Tx, c contacts.Contact, entry addressbook.Entry) (Contact, error) {
	record, err := sessions.Load(tx, c.ID)
	if err != nil {
		return Contact{}, err
	}
	return Contact{
		ID: c.ID, DisplayName: c.DisplayName, State: c.State(a.env.Now()), HasSession: record.Current() != nil,
		Since:    c.Since,
		Verified: c.Verified,
		Status:   c.Status,
		Protocol: c.KnownProtocol(),
		Name:     entry.Name, Blocked: entry.IsBlocked(), Declined: entry.IsDeclined() && !c.Known(),
	}, nil
}

// RemoveContact deletes a contact with its name, its sessions and its one-time prekey. Received messages stay in the
// inbox. A blocked contact stays on the list as one that is blocked. RemoveContact returns [ErrUnknownContact] if there
// is nothing to delete.
func (a *Account) RemoveContact(ctx context.Context, id sessionid.ID) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		_, found, err := contacts.Load(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ErrUnknownContact
		}
		if err := addressbook.Rename(tx, id, ""); err != nil {
			return err
		}
		if err := deleteContact(tx, id); err != nil {
			return err
		}
		entry, err := addressbook.Get(tx, id)
		if err != nil || !entry.IsBlocked() {
			return err
		}
		return contacts.Save(tx, contacts.Contact{ID: id, Since: a.env.Now().UTC()})
	})
}

// deleteContact deletes a contact with its sessions and its one-time prekey.
func deleteContact(tx *keystore.Tx, id sessionid.ID) error {
	if err := prekeystore.DropOneTime(tx, id); err != nil {
		return err
	}
	if err := tx.Delete(sessions.Table, id.String()); err != nil {
		return err
	}
	return tx.Delete(contacts.Table, id.String())
}

// FriendRequests lists the stored requests, oldest first.
func (a *Account) FriendRequests(ctx context.Context) (requests []FriendRequest, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		requests = nil
		known, err := addressbook.All(tx)
		if err != nil {
			return err
		}
		return contacts.Each(tx, func(c contacts.Contact) error {
			if c.Incoming != nil {
				requests = append(requests, a.describeRequest(c, c.Incoming, true))
			}
			if c.Outgoing != nil {
				requests = append(requests, a.describeRequest(c, c.Outgoing, false))
			}
			for i := len(requests) - 1; i >= 0 && requests[i].Peer == c.ID; i-- {
				requests[i].Name = known[c.ID].Name
			}
			return nil
		})
	})
	slices.SortFunc(requests, func(x, y FriendRequest) int {
		return cmp.Or(x.At.Compare(y.At), strings.Compare(x.ID, y.ID))
	})
	return requests, err
}

func (a *Account) describeRequest(c contacts.Contact, r *contacts.Request, incoming bool) FriendRequest {
	return FriendRequest{
		ID: r.ID, Peer: c.ID, Incoming: incoming, DisplayName: r.DisplayName, Text: r.Text,
		State: c.State(a.env.Now()), TimestampMS: r.TimestampMS, At: r.At,
	}
}
