package inbox

import (
	"encoding/json"
	"time"

	"sessiontool/lib/account/tables"
	"sessiontool/lib/friendrequest"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// This file is the on-disk format of [Event]. The fields of Event may change freely; the stored form may not.

// storedVersion is the newest form of an event: 0 has no number and is the same otherwise.
const storedVersion = 1

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
		Removed: e.Removed, CallID: e.CallID, Unsent: e.Unsent, Protocol: e.Protocol,
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
		TimestampMS: s.TimestampMS, ReceivedAt: s.ReceivedAt, Route: message.Route(s.Route), Hash: s.Hash,
		Attachments: s.Attachments, Group: s.Group, Invitation: s.Invitation, Asks: s.Asks, Timestamps: s.Timestamps,
		State: friendrequest.State(s.State), Outgoing: s.Outgoing, Code: FailureCode(s.Code),
		Chain: s.Chain, Counter: s.Counter,
		TimerSeconds: s.TimerSeconds, TimerFromSending: s.TimerFromSending,
		Removed: s.Removed, CallID: s.CallID, Unsent: s.Unsent, Protocol: s.Protocol,
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
	err := tables.ReadForm(TableEvents, value, storedVersion, &stored)
	return stored.event(seq), err
}
