// Package storage has what the two storage RPCs of service nodes share: paths, statuses, limits, the envelope of every
// call ([Request]), and the common answers ([ParseSwarm], [ParseMessages]). Package rpc20 has the rest of storage RPC
// 2.0 (storage-2.0.md), package rpc28 that of 2.8 (storage-2.8.md), and package syncroute this project's extension for
// the synchronous route (sync-route.md). Package nodelist has the requests to seeds. Package storagehttp is the HTTP
// client for all of them.
package storage

import (
	"bytes"
	"encoding/json"

	"sessiontool/lib/envelope"
	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
)

// Paths of a service node.
const (
	RPCPath   = "/storage_rpc/v1"
	StatsPath = "/get_stats/v1"
	PingPath  = "/ping_test/v1" // the reachability test of nodes of 2.8 (storage-2.8.md section 1.2)
)

// Methods of both storage RPCs.
const (
	MethodStore    = "store"
	MethodRetrieve = "retrieve"
	MethodSwarm    = "get_snodes_for_pubkey"
)

// TextNoMethod begins the body of the [StatusBadRequest] of a node that lacks a method; the method's name follows.
const TextNoMethod = "no method "

// HTTP statuses with a meaning in the storage RPCs (storage-2.0.md section 2.2, storage-2.8.md section 6.3).
const (
	StatusOK              = 200
	StatusBadRequest      = 400
	StatusUnauthorized    = 401
	StatusBadTTL          = 403
	StatusNotFound        = 404 // a delete of 2.8 with Required found no message
	StatusNoListener      = 404 // a deliver found no listener; see package syncroute
	StatusBadTimestamp    = 406
	StatusWrongSwarm      = 421
	StatusTooEarly        = 425 // another status for a bad timestamp, which clients of 2.8 expect
	StatusTooManyRequests = 429
	StatusBadProofOfWork  = 432
	StatusFailed          = 500
	StatusBadGateway      = 502
	StatusNotReady        = 503
	StatusTimeout         = 504
)

// Limits of both storage RPCs (storage-2.0.md section 2.3).
const (
	MaxBodyBytes     = onion.MaxBody        // of an HTTP request
	MaxDataBytes     = envelope.MaxDataText // of a store request's data text
	MaxFutureMillis  = 10_000               // by which a timestamp may be ahead of the node's clock
	PubkeyTextLength = sessionid.TextSize
)

// Request is the envelope of every call. Session clients fill in JSONRPC and ID; servers ignore them.
type Request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      string `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// NewRequest marshals a call as Session Desktop 1.0.9 writes it: compact, without HTML escapes.
func NewRequest(method string, params any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(Request{JSONRPC: "2.0", ID: "0", Method: method, Params: params}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// Snode is one member of a swarm as get_snodes_for_pubkey and a 421 list it. Port is a string on the wire. Keys are
// lower-case hex. Address is that of [SnodeAddress].
type Snode struct {
	Address       string `json:"address"`
	IP            string `json:"ip"`
	Port          string `json:"port"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
}

// Stored is one retrieved message. Times are in milliseconds since 1970. Only nodes of 2.8 send Timestamp.
type Stored struct {
	Data       string `json:"data"`
	Expiration int64  `json:"expiration"`
	Hash       string `json:"hash"`
	Timestamp  int64  `json:"timestamp,omitempty"`
}
