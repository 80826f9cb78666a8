// Package contacts keeps an account's contacts, within transactions of the keystore: friend states, requests, online
// statuses and protocols, and what the account owes to a contact. Their rules need nothing but the contact and the time.
package contacts

import (
	"slices"
	"time"

	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
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

// Request is a stored friend request. Bundle is the other side's prekey bundle as package message encodes it, kept
// until the request is accepted.
type Request struct {
	ID          string    `json:"id"`
	Text        string    `json:"text"`
	DisplayName string    `json:"display_name"`
	TimestampMS int64     `json:"timestamp_ms"`
	At          time.Time `json:"at"`
	Bundle      []byte    `json:"bundle,omitempty"`
}

// Contact is the stored form of a contact. The friend state follows from it.
type Contact struct {
	ID           sessionid.ID
	DisplayName  string
	Since        time.Time
	FriendsSince time.Time
	Verified     bool     // the user compared the safety number
	Incoming     *Request // the last request from the contact; it waits while we are not friends
	Outgoing     *Request // our last request to the contact
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
	// RenewEvery.
	MovedAt, RenewedAt, RenewedUntil time.Time
	// ResetAt is when this account last reset the session by itself; see resetEvery of package account.
	ResetAt time.Time
	// Protocol is the protocol of the contact's last message, or of our last one if the contact sent none. Empty
	// before.
	Protocol Protocol
	// Stale reports that the last message was older than a request that came before it. The message has made its
	// session current, and the contact may have lost that session since.
	Stale bool
	// StampedMS is the timestamp of our last text in session-v1 or session-v2; see Stamp.
	StampedMS int64
}

// stampAhead is how far the timestamps of texts may run ahead of the clock, in milliseconds, which the network allows. A
// clock that was set back by more counts.
const stampAhead = 2_000

// Stamp returns the timestamp in milliseconds of a text in session-v1 or session-v2 that is sealed now: later than that
// of the text before, since recipients sort texts by it, and phones take a second one with the same timestamp for a copy.
func (c *Contact) Stamp(now int64) int64 {
	if c.StampedMS >= now && c.StampedMS-now < stampAhead {
		now = c.StampedMS + 1
	}
	c.StampedMS = now
	return now
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

// Use records that a session was started from a bundle.
func (c *Contact) Use(bundle x3dh.Bundle) {
	c.UsedBundles = append(c.UsedBundles, bundleName(bundle))
	c.UsedBundles = c.UsedBundles[max(0, len(c.UsedBundles)-maxUsedBundles):]
	c.Stale = false
}

// Used reports whether a session was started from a bundle before.
func (c *Contact) Used(bundle x3dh.Bundle) bool {
	return slices.Contains(c.UsedBundles, bundleName(bundle))
}

// State derives the friend state at a time.
func (c Contact) State(now time.Time) State {
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

// Known reports whether the user has dealt with the contact: the two are friends, or the account has written to it.
func (c Contact) Known() bool { return !c.FriendsSince.IsZero() || c.Outgoing != nil }

// Befriended makes a contact a friend. It drops the bundle of the request, which is not needed any more.
func (c *Contact) Befriended(now time.Time) {
	if c.FriendsSince.IsZero() {
		c.FriendsSince = now
	}
	if c.Incoming != nil {
		c.Incoming.Bundle = nil
	}
}

// Wrote updates a contact for a text to it in session-v1 or session-v2: the text accepts the contact's request or is a
// request of ours.
func (c *Contact) Wrote(protocol Protocol, text Request) {
	switch c.State(text.At) {
	case StateReceived:
		c.Befriended(text.At)
		c.Protocol = ProtocolSessionV1 // also if the request was one of signal: there is no session with it
	case StateNone, StateSent, StateExpired:
		if c.Outgoing == nil {
			c.Outgoing = &text
		}
	}
	if c.Protocol == "" {
		c.Protocol = protocol
	}
}

// TakeDisplayName stores the display name in a content, if it has one, and returns the contact's.
func (c *Contact) TakeDisplayName(content message.Content) string {
	var shown string
	switch body := content.Body.(type) {
	case message.Data:
		shown = body.DisplayName
	case message.Response:
		shown = body.DisplayName
	}
	if shown != "" {
		c.DisplayName = shown
	}
	return c.DisplayName
}
