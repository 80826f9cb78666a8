package account

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/addressbook"
	"sessiontool/lib/account/prekeystore"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x3dh"
)

// State is the friend state of a contact. StateExpired is a request of ours without an answer after [RequestPatience].
type State = friendrequest.State

// The friend states.
const (
	StateNone     = friendrequest.StateNone
	StateSent     = friendrequest.StateSent
	StateReceived = friendrequest.StateReceived
	StateFriends  = friendrequest.StateFriends
	StateExpired  = friendrequest.StateExpired
)

// RequestPatience is how long a friend request of ours waits before it counts as expired (signal-2020.md section 5.2).
const RequestPatience = 72 * time.Hour

// request is a stored friend request. Bundle is the other side's prekey bundle as package message encodes it, kept
// until the request is accepted.
type request struct {
	ID          string    `json:"id"`
	Text        string    `json:"text"`
	DisplayName string    `json:"display_name"`
	TimestampMS int64     `json:"timestamp_ms"`
	At          time.Time `json:"at"`
	Bundle      []byte    `json:"bundle,omitempty"`
}

// contactState is the stored form of a contact. The friend state follows from it.
type contactState struct {
	ID           sessionid.ID
	DisplayName  string
	Since        time.Time
	FriendsSince time.Time
	Verified     bool     // the user compared the safety number
	Incoming     *request // the last request from the contact; it waits while we are not friends
	Outgoing     *request // our last request to the contact
	// LastRequestMS is the timestamp of the newest request handled: late older requests must not undo it. A future
	// timestamp counts as now, so that it does not block later requests.
	LastRequestMS int64
	// UsedBundles names the contact's bundles from which sessions were started, newest last.
	UsedBundles []string
	// Status is the last status that the contact sent, nil if it sent none.
	Status *Status
	// RemindedAt is when this account last reminded the contact that it listens.
	RemindedAt time.Time
	// MovedAt is when this account last answered that the contact listens at another node, and RenewedAt when it last
	// answered a bundle of the contact by itself. RenewedUntil is the time that such answers would fill, one every
	// renewEvery.
	MovedAt, RenewedAt, RenewedUntil time.Time
	// ResetAt is when this account last reset the session by itself; see resetFor.
	ResetAt time.Time
	// Protocol is the protocol of the contact's last message, or of our last one if the contact sent none. Empty
	// before.
	Protocol Protocol
	// Stale reports that the last message was older than a request that came before it. The message has made its
	// session current, and the contact may have lost that session since.
	Stale bool
}

// maxUsedBundles bounds UsedBundles by the number of sessions with one contact.
const maxUsedBundles = 1 + ratchet.MaxArchived

// bundleName returns the bundle's one-time prekey or, without one, its signed prekey.
func bundleName(bundle x3dh.Bundle) string {
	if bundle.OneTimePrekey != nil {
		return bundle.OneTimePrekey.String()
	}
	return bundle.SignedPrekey.String()
}

// use records that a session was started from a bundle.
func (c *contactState) use(bundle x3dh.Bundle) {
	c.UsedBundles = append(c.UsedBundles, bundleName(bundle))
	c.UsedBundles = c.UsedBundles[max(0, len(c.UsedBundles)-maxUsedBundles):]
	c.Stale = false
}

// used reports whether a session was started from a bundle before.
func (c *contactState) used(bundle x3dh.Bundle) bool {
	return slices.Contains(c.UsedBundles, bundleName(bundle))
}

// state derives the friend state at a time.
func (c contactState) state(now time.Time) State {
	switch {
	case !c.FriendsSince.IsZero():
		return StateFriends
	case c.Incoming != nil:
		return StateReceived
	case c.Outgoing == nil:
		return StateNone
	case now.Sub(c.Outgoing.At) < RequestPatience:
		return StateSent
	default:
		return StateExpired
	}
}

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
func (a *Account) Contacts(ctx context.Context) (contacts []Contact, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		contacts = nil
		known, err := names(tx)
		if err != nil {
			return err
		}
		return a.eachContact(tx, func(c contactState) error {
			contact, err := a.describe(tx, c, known[c.ID])
			contacts = append(contacts, contact)
			return err
		})
	})
	slices.SortFunc(contacts, func(x, y Contact) int {
		return cmp.Or(x.Since.Compare(y.Since), strings.Compare(x.ID.String(), y.ID.String()))
	})
	return contacts, err
}

// Contact returns one contact, or [ErrUnknownContact].
func (a *Account) Contact(ctx context.Context, id sessionid.ID) (contact Contact, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		c, found, err := loadContact(tx, id)
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

func (a *Account) describe(tx *keystore.Tx, c contactState, entry addressbook.Entry) (Contact, error) {
	record, err := loadSessions(tx, c.ID)
	if err != nil {
		return Contact{}, err
	}
	return Contact{
		ID: c.ID, DisplayName: c.DisplayName, State: c.state(a.env.Now()), HasSession: record.Current() != nil,
		Since:    c.Since,
		Verified: c.Verified,
		Status:   c.Status,
		Protocol: c.knownProtocol(),
		Name:     entry.Name, Blocked: entry.IsBlocked(), Declined: entry.IsDeclined() && !c.known(),
	}, nil
}

// RemoveContact deletes a contact with its name, its sessions and its one-time prekey. Received messages stay in the
// inbox. A blocked contact stays on the list as one that is blocked. RemoveContact returns [ErrUnknownContact] if there
// is nothing to delete.
func (a *Account) RemoveContact(ctx context.Context, id sessionid.ID) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		_, found, err := loadContact(tx, id)
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
		return saveContact(tx, contactState{ID: id, Since: a.env.Now().UTC()})
	})
}

// deleteContact deletes a contact with its sessions and its one-time prekey.
func deleteContact(tx *keystore.Tx, id sessionid.ID) error {
	if err := prekeystore.DropOneTime(tx, id); err != nil {
		return err
	}
	if err := tx.Delete(tableSessions, id.String()); err != nil {
		return err
	}
	return tx.Delete(tableContacts, id.String())
}

// FriendRequests lists the stored requests, oldest first.
func (a *Account) FriendRequests(ctx context.Context) (requests []FriendRequest, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		requests = nil
		known, err := names(tx)
		if err != nil {
			return err
		}
		return a.eachContact(tx, func(c contactState) error {
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

func (a *Account) describeRequest(c contactState, r *request, incoming bool) FriendRequest {
	return FriendRequest{
		ID: r.ID, Peer: c.ID, Incoming: incoming, DisplayName: r.DisplayName, Text: r.Text,
		State: c.state(a.env.Now()), TimestampMS: r.TimestampMS, At: r.At,
	}
}

func (a *Account) eachContact(tx *keystore.Tx, visit func(contactState) error) error {
	return tx.ForEach(tableContacts, func(_ string, value []byte) error {
		c, err := decodeContact(value)
		if err != nil {
			return err
		}
		return visit(c)
	})
}

func loadContact(tx *keystore.Tx, id sessionid.ID) (c contactState, found bool, err error) {
	value, found, err := tx.Get(tableContacts, id.String())
	if err != nil || !found {
		return contactState{}, false, err
	}
	c, err = decodeContact(value)
	return c, true, err
}

// contactFor returns the stored contact, or a new one that is not stored yet.
func (a *Account) contactFor(tx *keystore.Tx, id sessionid.ID) (contactState, error) {
	c, found, err := loadContact(tx, id)
	if err == nil && !found {
		c = contactState{ID: id, Since: a.env.Now().UTC()}
	}
	return c, err
}

func saveContact(tx *keystore.Tx, c contactState) error {
	value, err := encodeContact(c)
	if err != nil {
		return err
	}
	return tx.Put(tableContacts, c.ID.String(), value)
}
