package account

import (
	"encoding/json"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// This file is the on-disk format of the exported types: outbox entries with their receipts, and contacts. The
// fields of those types may change freely; the stored forms may not. All values are JSON. The other tables store
// unexported types directly: see tables.go.

// storedOutgoing is an [Outgoing] in the outbox. Kind is the word of the constant.
type storedOutgoing struct {
	tables.Form
	Kind        string         `json:"kind"`
	To          sessionid.ID   `json:"to"`
	Ref         string         `json:"ref,omitempty"`
	Digest      string         `json:"digest"`
	TimestampMS int64          `json:"timestamp_ms"`
	TTLMillis   int64          `json:"ttl_ms"`
	Data        string         `json:"data"`
	Ack         []byte         `json:"ack,omitempty"`
	OnlySync    bool           `json:"only_sync,omitempty"`
	StampMS     int64          `json:"stamp_ms,omitempty"`
	Nonce       string         `json:"nonce,omitempty"`
	Difficulty  int64          `json:"difficulty,omitempty"`
	QueuedAt    time.Time      `json:"queued_at"`
	Owner       string         `json:"owner,omitempty"`
	Claimed     bool           `json:"claimed,omitempty"`
	Receipt     *storedReceipt `json:"receipt,omitempty"`
	StoredAt    time.Time      `json:"stored_at,omitzero"`
	Reported    bool           `json:"reported,omitempty"`
}

// storedReceipt is a [Receipt] in an outbox entry. Route and Reason are the words of the constants.
type storedReceipt struct {
	OK            bool               `json:"ok"`
	To            string             `json:"to"` // a Session ID, or empty
	Route         string             `json:"route"`
	Reason        string             `json:"reason,omitempty"`
	RoundTripMS   float64            `json:"round_trip_ms,omitempty"`
	MessageHash   string             `json:"message_hash"`
	TimestampMS   int64              `json:"timestamp_ms"`
	TTLMillis     int64              `json:"ttl_ms"`
	Difficulty    int64              `json:"difficulty"`
	Stored        int                `json:"stored"`
	Nodes         []storedNodeResult `json:"nodes"`
	Resumed       bool               `json:"resumed,omitempty"`
	Ref           string             `json:"ref,omitempty"`
	ClockOffsetMS int64              `json:"clock_offset_ms,omitempty"`
}

type storedNodeResult struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	OK            bool   `json:"ok"`
	Already       bool   `json:"already,omitempty"`
	Pending       bool   `json:"pending,omitempty"`
	Status        int    `json:"status"`
	Error         string `json:"error"`
	Millis        int64  `json:"ms"`
}

// encodeOutgoing returns the stored form of an entry, without its sequence number, which is the key.
func encodeOutgoing(o Outgoing) ([]byte, error) {
	out := storedOutgoing{
		Form: tables.CurrentForm,
		Kind: string(o.Kind), To: o.To, Ref: o.Ref, Digest: o.Digest, TimestampMS: o.TimestampMS,
		TTLMillis: o.TTLMillis, Data: o.Data, Ack: o.Ack, OnlySync: o.OnlySync, StampMS: o.StampMS, Nonce: o.Nonce,
		Difficulty: o.Difficulty, QueuedAt: o.QueuedAt, Owner: o.Owner, Claimed: o.Claimed, StoredAt: o.StoredAt,
		Reported: o.Reported,
	}
	if o.Receipt != nil {
		out.Receipt = storeReceipt(*o.Receipt)
	}
	return json.Marshal(out)
}

// decodeOutgoing returns the entry with an outbox sequence number.
func decodeOutgoing(seq uint64, value []byte) (Outgoing, error) {
	var s storedOutgoing
	if err := tables.DecodeForm(tableOutbox, value, &s); err != nil {
		return Outgoing{Seq: seq}, err
	}
	out := Outgoing{
		Seq: seq, Kind: Kind(s.Kind), To: s.To, Ref: s.Ref, Digest: s.Digest, TimestampMS: s.TimestampMS,
		TTLMillis: s.TTLMillis, Data: s.Data, Ack: s.Ack, OnlySync: s.OnlySync, StampMS: s.StampMS, Nonce: s.Nonce,
		Difficulty: s.Difficulty, QueuedAt: s.QueuedAt, Owner: s.Owner, Claimed: s.Claimed, StoredAt: s.StoredAt,
		Reported: s.Reported,
	}
	if s.Receipt == nil {
		return out, nil
	}
	receipt, err := s.Receipt.receipt()
	out.Receipt = &receipt
	return out, err
}

func storeReceipt(r Receipt) *storedReceipt {
	out := &storedReceipt{
		OK: r.OK, Route: string(r.Route), Reason: string(r.Reason), RoundTripMS: r.RoundTripMS,
		MessageHash: r.MessageHash, TimestampMS: r.TimestampMS, TTLMillis: r.TTLMillis, Difficulty: r.Difficulty,
		Stored: r.Stored, Nodes: make([]storedNodeResult, len(r.Nodes)), Resumed: r.Resumed, Ref: r.Ref,
		ClockOffsetMS: r.ClockOffsetMS,
	}
	if !r.To.IsZero() {
		out.To = r.To.String()
	}
	for i, node := range r.Nodes {
		out.Nodes[i] = storedNodeResult(node)
	}
	return out
}

func (s *storedReceipt) receipt() (Receipt, error) {
	out := Receipt{
		OK: s.OK, Route: message.Route(s.Route), Reason: Reason(s.Reason), RoundTripMS: s.RoundTripMS,
		MessageHash: s.MessageHash, TimestampMS: s.TimestampMS, TTLMillis: s.TTLMillis, Difficulty: s.Difficulty,
		Stored: s.Stored, Resumed: s.Resumed, Ref: s.Ref,
		ClockOffsetMS: s.ClockOffsetMS,
	}
	for _, node := range s.Nodes {
		out.Nodes = append(out.Nodes, NodeResult(node))
	}
	if s.To == "" {
		return out, nil
	}
	var err error
	if out.To, err = sessionid.Parse(s.To); err != nil {
		err = fmt.Errorf("%w: table %s: receipt: %w", keystore.ErrCorrupt, tableOutbox, err)
	}
	return out, err
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
var oldProtocols = map[Protocol]string{ProtocolSignal: "2020", ProtocolSessionV1: "today"}

func encodeContact(c contactState) ([]byte, error) {
	return json.Marshal(storedContact{
		Form: tables.CurrentForm,
		ID:   c.ID, DisplayName: c.DisplayName, Since: c.Since, FriendsSince: c.FriendsSince, Verified: c.Verified,
		Incoming: c.Incoming, Outgoing: c.Outgoing, LastRequestMS: c.LastRequestMS, UsedBundles: c.UsedBundles,
		Status: (*storedStatus)(c.Status), RemindedAt: c.RemindedAt, ResetAt: c.ResetAt,
		Protocol: string(c.Protocol), Stale: c.Stale,
	})
}

func decodeContact(value []byte) (contactState, error) {
	var s storedContact
	if err := tables.DecodeForm(tableContacts, value, &s); err != nil {
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
