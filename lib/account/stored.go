package account

import (
	"encoding/json"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/sessionid"
)

// This file is the on-disk format of the exported types: events, outbox entries with their receipts, and contacts. The
// fields of those types may change freely; the stored forms may not. All values are JSON. The other tables store
// unexported types directly: see tables.go.

// storedVersion counts the forms of these values. Each value has its number; one of a later form is
// [keystore.ErrVersion].
//
//	0: no number. A receipt has a type. Protocols are those of oldProtocols, or the words of form 1.
//	1: the number, no type, and the words of the constants for protocols. All else is as before.
const storedVersion = 1

// contactVersion is the form of a contact whose protocol is session-v2. Others have storedVersion.
const contactVersion = 2

// storedEvent is an [Event] in the inbox or in the table of seen messages. State is 0 none, 1 sent, 2 received, 3
// friends, 4 expired. Kind, Route and Code are the words of the constants.
type storedEvent struct {
	tables.Form
	ID          string       `json:"id"`
	Kind        string       `json:"kind"`
	From        sessionid.ID `json:"from,omitzero"`
	Claimed     bool         `json:"claimed,omitempty"`
	To          sessionid.ID `json:"to,omitzero"`
	DisplayName string       `json:"display_name,omitempty"`
	Text        string       `json:"text,omitempty"`
	TimestampMS int64        `json:"timestamp_ms,omitempty"`
	ReceivedAt  time.Time    `json:"received_at"`
	Route       string       `json:"route,omitempty"`
	Hash        string       `json:"hash,omitempty"`
	Attachments int          `json:"attachments,omitempty"`
	Group       bool         `json:"group,omitempty"`
	Invitation  bool         `json:"invitation,omitempty"`
	Asks        bool         `json:"asks,omitempty"`
	Timestamps  []uint64     `json:"timestamps,omitempty"`
	State       int          `json:"state,omitempty"`
	Outgoing    bool         `json:"outgoing,omitempty"`
	Code        string       `json:"code,omitempty"`
	Chain       uint32       `json:"chain,omitempty"`
	Counter     uint32       `json:"counter,omitempty"`

	TimerSeconds     uint32 `json:"timer_seconds,omitempty"`
	TimerFromSending bool   `json:"timer_from_sending,omitempty"`

	Quote    *storedQuote     `json:"quote,omitempty"`
	Previews []storedPreview  `json:"previews,omitempty"`
	About    *storedReference `json:"about,omitempty"`
	Removed  bool             `json:"removed,omitempty"`
	CallID   string           `json:"call_id,omitempty"`
	Unsent   bool             `json:"unsent,omitempty"`

	Protocol       string `json:"protocol,omitempty"`
	ForwardSecrecy bool   `json:"forward_secrecy,omitempty"`
}

type storedReference struct {
	TimestampMS uint64 `json:"timestamp_ms"`
	Author      string `json:"author,omitempty"`
}

type storedQuote struct {
	storedReference
	Text string `json:"text,omitempty"`
}

type storedPreview struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
}

// storeEvent returns the stored form of an event, without its sequence number, which is the key.
func storeEvent(e Event) storedEvent {
	out := storedEvent{
		Form: tables.Form{Version: storedVersion},
		ID:   e.ID, Kind: string(e.Kind), From: e.From, Claimed: e.Claimed, To: e.To,
		DisplayName: e.DisplayName, Text: e.Text,
		TimestampMS: e.TimestampMS, ReceivedAt: e.ReceivedAt, Route: string(e.Route), Hash: e.Hash,
		Attachments: e.Attachments, Group: e.Group, Invitation: e.Invitation, Asks: e.Asks, Timestamps: e.Timestamps,
		State: int(e.State), Outgoing: e.Outgoing, Code: string(e.Code), Chain: e.Chain, Counter: e.Counter,
		TimerSeconds: e.TimerSeconds, TimerFromSending: e.TimerFromSending,
		Removed: e.Removed, CallID: e.CallID, Unsent: e.Unsent, Protocol: string(e.Protocol),
		ForwardSecrecy: e.ForwardSecrecy,
	}
	if e.Quote != nil {
		out.Quote = &storedQuote{storedReference(e.Quote.Reference), e.Quote.Text}
	}
	for _, preview := range e.Previews {
		out.Previews = append(out.Previews, storedPreview(preview))
	}
	if e.About != nil {
		about := storedReference(*e.About)
		out.About = &about
	}
	return out
}

// event returns the event with an inbox sequence number.
func (s storedEvent) event(seq uint64) Event {
	out := Event{
		Seq: seq, ID: s.ID, Kind: EventKind(s.Kind), From: s.From, Claimed: s.Claimed, To: s.To,
		DisplayName: s.DisplayName, Text: s.Text,
		TimestampMS: s.TimestampMS, ReceivedAt: s.ReceivedAt, Route: Route(s.Route), Hash: s.Hash,
		Attachments: s.Attachments, Group: s.Group, Invitation: s.Invitation, Asks: s.Asks, Timestamps: s.Timestamps,
		State: State(s.State), Outgoing: s.Outgoing, Code: FailureCode(s.Code), Chain: s.Chain, Counter: s.Counter,
		TimerSeconds: s.TimerSeconds, TimerFromSending: s.TimerFromSending,
		Removed: s.Removed, CallID: s.CallID, Unsent: s.Unsent, Protocol: Protocol(s.Protocol),
		ForwardSecrecy: s.ForwardSecrecy,
	}
	if s.Quote != nil {
		out.Quote = &Quote{Reference(s.Quote.storedReference), s.Quote.Text}
	}
	for _, preview := range s.Previews {
		out.Previews = append(out.Previews, Preview(preview))
	}
	if s.About != nil {
		about := Reference(*s.About)
		out.About = &about
	}
	return out
}

func encodeEvent(e Event) ([]byte, error) { return json.Marshal(storeEvent(e)) }

func decodeEvent(seq uint64, value []byte) (Event, error) {
	var stored storedEvent
	err := tables.ReadForm(tableInbox, value, storedVersion, &stored)
	return stored.event(seq), err
}

// storedContact is a contactState.
type storedContact struct {
	tables.Form
	ID            sessionid.ID  `json:"id"`
	DisplayName   string        `json:"display_name"`
	Since         time.Time     `json:"since"`
	FriendsSince  time.Time     `json:"friends_since,omitzero"`
	Verified      bool          `json:"verified,omitempty"`
	Incoming      *request      `json:"incoming,omitempty"`
	Outgoing      *request      `json:"outgoing,omitempty"`
	LastRequestMS int64         `json:"last_request_ms,omitempty"`
	UsedBundles   []string      `json:"used_bundles,omitempty"`
	Status        *storedStatus `json:"status,omitempty"`
	RemindedAt    time.Time     `json:"reminded_at,omitzero"`
	ResetAt       time.Time     `json:"reset_at,omitzero"`
	Protocol      string        `json:"protocol,omitempty"` // the word of the constant, or empty
	Stale         bool          `json:"stale,omitempty"`
}

type storedStatus struct {
	Node   string `json:"node,omitempty"`
	ToldMS int64  `json:"told_ms"`
}

// oldProtocols are the words of form 0 for protocols. The digests of drafts, which are stored too, still use them.
var oldProtocols = map[Protocol]string{
	ProtocolSignal: "2020", ProtocolSessionV1: "today", ProtocolSessionV2: "session-v2",
}

func encodeContact(c contactState) ([]byte, error) {
	version := storedVersion
	if c.Protocol == ProtocolSessionV2 {
		version = contactVersion
	}
	return json.Marshal(storedContact{
		Form: tables.Form{Version: version},
		ID:   c.ID, DisplayName: c.DisplayName, Since: c.Since, FriendsSince: c.FriendsSince, Verified: c.Verified,
		Incoming: c.Incoming, Outgoing: c.Outgoing, LastRequestMS: c.LastRequestMS, UsedBundles: c.UsedBundles,
		Status: (*storedStatus)(c.Status), RemindedAt: c.RemindedAt, ResetAt: c.ResetAt,
		Protocol: string(c.Protocol), Stale: c.Stale,
	})
}

func decodeContact(value []byte) (contactState, error) {
	var s storedContact
	if err := tables.ReadForm(tableContacts, value, contactVersion, &s); err != nil {
		return contactState{}, err
	}
	out := contactState{
		ID: s.ID, DisplayName: s.DisplayName, Since: s.Since, FriendsSince: s.FriendsSince, Verified: s.Verified,
		Incoming: s.Incoming, Outgoing: s.Outgoing, LastRequestMS: s.LastRequestMS, UsedBundles: s.UsedBundles,
		Status: (*Status)(s.Status), RemindedAt: s.RemindedAt, ResetAt: s.ResetAt, Stale: s.Stale,
	}
	if s.Protocol == "" {
		return out, nil
	}
	for protocol, old := range oldProtocols {
		if s.Protocol == string(protocol) || s.Protocol == old {
			out.Protocol = protocol
			return out, nil
		}
	}
	return out, fmt.Errorf("%w: table %s: protocol %.20q", keystore.ErrCorrupt, tableContacts, s.Protocol)
}
