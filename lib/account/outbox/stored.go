package outbox

import (
	"encoding/json"
	"fmt"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/sessionid"
)

// This file is the on-disk format of entries and receipts. The fields of those types may change freely; the stored
// forms may not. All values are JSON.

// storedVersion counts the forms of an entry. Each has its number; one of a later form is [keystore.ErrVersion].
//
//	0: no number. A receipt has a type.
//	1: the number and no type. All else is as before.
const storedVersion = 1

// storedEntry is an [Entry] in the outbox. Kind is the word of the constant.
type storedEntry struct {
	tables.Form
	Kind        string         `json:"kind"`
	To          sessionid.ID   `json:"to"`
	Ref         string         `json:"ref,omitempty"`
	Digest      string         `json:"digest"`
	DraftID     string         `json:"draft_id,omitempty"`
	Content     string         `json:"content,omitempty"`
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
	Warnings    []Warning      `json:"warnings,omitempty"`
	AckKey      []byte         `json:"ack_key,omitempty"`
	Undated     bool           `json:"undated,omitempty"`
	Again       bool           `json:"again,omitempty"`

	Protocol       string `json:"protocol,omitempty"`
	ForwardSecrecy bool   `json:"forward_secrecy,omitempty"`
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
	Warnings      []Warning          `json:"warnings,omitempty"`

	Protocol       string `json:"protocol,omitempty"`
	ForwardSecrecy bool   `json:"forward_secrecy,omitempty"`
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

// Encode returns the stored form of an entry, without its sequence number, which is the key.
func Encode(o Entry) ([]byte, error) {
	out := storedEntry{
		Form: tables.Form{Version: storedVersion},
		Kind: string(o.Kind), To: o.To, Ref: o.Ref, Digest: o.Digest, DraftID: o.DraftID,
		Content: o.Content, TimestampMS: o.TimestampMS,
		TTLMillis: o.TTLMillis, Data: o.Data, Ack: o.Ack, OnlySync: o.OnlySync, StampMS: o.StampMS, Nonce: o.Nonce,
		Difficulty: o.Difficulty, QueuedAt: o.QueuedAt, Owner: o.Owner, Claimed: o.Claimed, StoredAt: o.StoredAt,
		Reported: o.Reported, Warnings: o.Warnings, AckKey: o.AckKey, Undated: o.Undated, Again: o.Again,
		Protocol: o.Protocol, ForwardSecrecy: o.ForwardSecrecy,
	}
	if o.Receipt != nil {
		out.Receipt = storeReceipt(*o.Receipt)
	}
	return json.Marshal(out)
}

// Decode returns the entry with an outbox sequence number.
func Decode(seq uint64, value []byte) (Entry, error) {
	var s storedEntry
	if err := tables.ReadForm(Table, value, storedVersion, &s); err != nil {
		return Entry{Seq: seq}, err
	}
	out := Entry{
		Seq: seq, Kind: Kind(s.Kind), To: s.To, Ref: s.Ref, Digest: s.Digest, DraftID: s.DraftID,
		Content: s.Content, TimestampMS: s.TimestampMS,
		TTLMillis: s.TTLMillis, Data: s.Data, Ack: s.Ack, OnlySync: s.OnlySync, StampMS: s.StampMS, Nonce: s.Nonce,
		Difficulty: s.Difficulty, QueuedAt: s.QueuedAt, Owner: s.Owner, Claimed: s.Claimed, StoredAt: s.StoredAt,
		Reported: s.Reported, Warnings: s.Warnings, AckKey: s.AckKey, Undated: s.Undated, Again: s.Again,
		Protocol: s.Protocol, ForwardSecrecy: s.ForwardSecrecy,
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
		ClockOffsetMS: r.ClockOffsetMS, Warnings: r.Warnings,
		Protocol: r.Protocol, ForwardSecrecy: r.ForwardSecrecy,
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
		ClockOffsetMS: s.ClockOffsetMS, Warnings: s.Warnings,
		Protocol: s.Protocol, ForwardSecrecy: s.ForwardSecrecy,
	}
	for _, node := range s.Nodes {
		out.Nodes = append(out.Nodes, NodeResult(node))
	}
	if s.To == "" {
		return out, nil
	}
	var err error
	if out.To, err = sessionid.Parse(s.To); err != nil {
		err = fmt.Errorf("%w: table %s: receipt: %w", keystore.ErrCorrupt, Table, err)
	}
	return out, err
}
