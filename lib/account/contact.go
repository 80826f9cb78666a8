package account

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x3dh"
)

// State is how far two people have come with each other (signal-2020.md section 5.2).
type State int

// The friend states. Expired is a request of ours that went unanswered for RequestPatience.
const (
	StateNone State = iota
	StateSent
	StateReceived
	StateFriends
	StateExpired
)

// String returns the state's name as records carry it.
func (s State) String() string {
	return [...]string{"none", "sent", "received", "friends", "expired"}[s]
}

// RequestPatience is how long a friend request of ours waits before it counts as expired (signal-2020.md section 5.2).
const RequestPatience = 72 * time.Hour

// request is a friend request as it is remembered. Bundle is the other side's prekey bundle as message encodes it,
// kept until the request is accepted.
type request struct {
	ID          string    `json:"id"`
	Text        string    `json:"text"`
	DisplayName string    `json:"display_name"`
	TimestampMS int64     `json:"timestamp_ms"`
	At          time.Time `json:"at"`
	Bundle      []byte    `json:"bundle,omitempty"`
}

// contactState is what is stored of a contact. The friend state follows from it.
type contactState struct {
	ID           sessionid.ID
	DisplayName  string
	Since        time.Time
	FriendsSince time.Time
	Verified     bool     // the safety number was compared
	Incoming     *request // the last one we got; it waits while we are not friends
	Outgoing     *request // the last one we sent
	// LastRequestMS is the timestamp of the newest request handled, which older ones that come late must not undo. One
	// that lies in the future counts as now: it must not shut out the requests to come.
	LastRequestMS int64
	// UsedBundles are the bundles of the contact that sessions were started from, by name, newest last.
	UsedBundles []string
	// Status is what the contact told last of being online, nil if it never did.
	Status *Status
	// RemindedAt is when the contact was told last that this account listens, because it seemed not to know.
	RemindedAt time.Time
	// ResetAt is when this account reset the session last of its own: see resetFor.
	ResetAt time.Time
	// Protocol is how the contact's last message was encrypted or, before there was one, ours; empty before that.
	Protocol Protocol
	// Stale says that the last message came after a request that is younger than it. It has made its session current,
	// which the contact may have lost since.
	Stale bool
}

// maxUsedBundles is how many of them are remembered: as many as there are sessions with one contact.
const maxUsedBundles = 1 + ratchet.MaxArchived

// bundleName is the prekey that a bundle brings for one use, or the signed prekey of a bundle without one.
func bundleName(bundle x3dh.Bundle) string {
	if bundle.OneTimePrekey != nil {
		return bundle.OneTimePrekey.String()
	}
	return bundle.SignedPrekey.String()
}

// use remembers that a session was started from a bundle.
func (c *contactState) use(bundle x3dh.Bundle) {
	c.UsedBundles = append(c.UsedBundles, bundleName(bundle))
	c.UsedBundles = c.UsedBundles[max(0, len(c.UsedBundles)-maxUsedBundles):]
	c.Stale = false
}

// used reports whether a session was started from a bundle before.
func (c *contactState) used(bundle x3dh.Bundle) bool {
	return slices.Contains(c.UsedBundles, bundleName(bundle))
}

// state derives the friend state at a moment.
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

// Contact is somebody the account has dealt with. Protocol is empty where nothing is known yet. Status is nil for a contact that never told its status.
type Contact struct {
	ID          sessionid.ID
	DisplayName string
	State       State
	HasSession  bool
	Protocol    Protocol
	Since       time.Time
	Verified    bool // the safety number was compared, see Verify
	Status      *Status
}

// FriendRequest is a request from or to a contact. Incoming tells which.
type FriendRequest struct {
	ID          string
	Peer        sessionid.ID
	Incoming    bool
	DisplayName string
	Text        string
	State       State
	TimestampMS int64
	At          time.Time
}

// Contacts lists everybody the account has dealt with, oldest first.
func (a *Account) Contacts(ctx context.Context) (contacts []Contact, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		contacts = nil
		return a.eachContact(tx, func(c contactState) error {
			contact, err := a.describe(tx, c)
			contacts = append(contacts, contact)
			return err
		})
	})
	slices.SortFunc(contacts, func(x, y Contact) int {
		return cmp.Or(x.Since.Compare(y.Since), strings.Compare(x.ID.String(), y.ID.String()))
	})
	return contacts, err
}

// Contact returns one contact, or ErrUnknownContact.
func (a *Account) Contact(ctx context.Context, id sessionid.ID) (contact Contact, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		c, found, err := loadContact(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ErrUnknownContact
		}
		contact, err = a.describe(tx, c)
		return err
	})
	return contact, err
}

func (a *Account) describe(tx *keystore.Tx, c contactState) (Contact, error) {
	record, err := loadSessions(tx, c.ID)
	if err != nil {
		return Contact{}, err
	}
	return Contact{
		ID: c.ID, DisplayName: c.DisplayName, State: c.state(a.env.Now()), HasSession: record.Current() != nil, Since: c.Since,
		Verified: c.Verified,
		Status:   c.Status,
		Protocol: c.knownProtocol(),
	}, nil
}

// RemoveContact forgets a contact with its sessions and the prekey made for it. Messages already received stay.
// It returns ErrUnknownContact if there is nothing to forget.
func (a *Account) RemoveContact(ctx context.Context, id sessionid.ID) error {
	return a.update(ctx, func(tx *keystore.Tx) error {
		_, found, err := loadContact(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ErrUnknownContact
		}
		var prekey uint32
		if found, err = get(tx, tablePrekeyOf, id.String(), &prekey); err != nil {
			return err
		}
		if found {
			if err := deleteOneTimePrekey(tx, prekey, id); err != nil {
				return err
			}
		}
		if err := tx.Delete(tableSessions, id.String()); err != nil {
			return err
		}
		return tx.Delete(tableContacts, id.String())
	})
}

// FriendRequests lists the requests that are remembered, oldest first.
func (a *Account) FriendRequests(ctx context.Context) (requests []FriendRequest, err error) {
	err = a.view(ctx, func(tx *keystore.Tx) error {
		requests = nil
		return a.eachContact(tx, func(c contactState) error {
			if c.Incoming != nil {
				requests = append(requests, a.describeRequest(c, c.Incoming, true))
			}
			if c.Outgoing != nil {
				requests = append(requests, a.describeRequest(c, c.Outgoing, false))
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
