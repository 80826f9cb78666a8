// Package rpc speaks the storage RPC of service nodes: the requests and answers of POST /storage_rpc/v1 and of a
// seed's POST /json_rpc as they stand on the wire, and the HTTP client that carries them.
//
// There are two generations of it. In types.go is that of storage server 2.0.7 (storage-2.0.md sections 1, 2 and 10).
// Servers of that time take every parameter as a string and look at nothing else, so the fields that later servers added
// do no harm there. In today.go, namespace.go and signed.go is that of storage server 2.8.0 (storage-2.8.md).
package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sessiontool/lib/envelope"
	"sessiontool/lib/onion"
	"sessiontool/lib/sessionid"
)

// Paths of a service node and of a seed.
const (
	StoragePath = "/storage_rpc/v1"
	StatsPath   = "/get_stats/v1"
	SeedPath    = "/json_rpc"
)

// Methods of the storage RPC and of a seed. MethodListen and MethodDeliver are ours: see listen.go.
const (
	MethodStore        = "store"
	MethodRetrieve     = "retrieve"
	MethodSwarm        = "get_snodes_for_pubkey"
	MethodListen       = "listen"
	MethodDeliver      = "deliver"
	MethodServiceNodes = "get_n_service_nodes"
	MethodRegisterNode = "register_service_node"
)

// TextNoMethod begins the body of the StatusBadRequest of a node that lacks a method; the method's name follows.
const TextNoMethod = "no method "

// HTTP statuses with a meaning of their own (storage-2.0.md section 2.2; for StatusNobodyListens see DeliverParams).
const (
	StatusOK              = 200
	StatusBadRequest      = 400
	StatusUnauthorized    = 401
	StatusBadTTL          = 403
	StatusNobodyListens   = 404
	StatusBadTimestamp    = 406
	StatusWrongSwarm      = 421
	StatusTooManyRequests = 429
	StatusBadProofOfWork  = 432
	StatusFailed          = 500 // see HasResults
	StatusBadGateway      = 502
	StatusNotReady        = 503
	StatusTimeout         = 504
)

// Limits of a 2020 storage server (storage-2.0.md section 2.3).
const (
	MaxBodyBytes     = onion.MaxBody        // of an HTTP request
	MaxDataBytes     = envelope.MaxDataText // of a store request's data text
	MinTTLMillis     = 10_000               // 10 s
	MaxTTLMillis     = 345600000            // 4 days
	MaxFutureMillis  = 10_000               // how far a timestamp may lie ahead
	MaxRetrieved     = 10                   // messages in one answer
	PubKeyTextLength = sessionid.TextSize
)

// Request is the envelope of every call. Session clients fill in JSONRPC and ID; servers ignore them.
type Request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      string `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// NewRequest marshals a call the way the 2020 client writes it: compact, without HTML escapes.
func NewRequest(method string, params any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(Request{JSONRPC: "2.0", ID: "0", Method: method, Params: params}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// SwarmParams asks for the swarm of a Session ID (66 hex digits).
type SwarmParams struct {
	PubKey string `json:"pubKey"`
}

// StoreParams stores one message. TTL and Timestamp are canonical decimals in milliseconds, Nonce is the base64 of
// 8 bytes, Data the base64 text of the envelope. The message hash covers these texts as sent.
type StoreParams struct {
	PubKey    string `json:"pubKey"`
	TTL       string `json:"ttl"`
	Nonce     string `json:"nonce"`
	Timestamp string `json:"timestamp"`
	Data      string `json:"data"`
}

// RetrieveParams asks for the messages stored after LastHash. The last three fields prove that the asker owns
// PubKey: Ed25519 over RetrieveSignatureText of NamespaceMessages and Timestamp (milliseconds). A 2020 server does not
// read them.
type RetrieveParams struct {
	PubKey        string `json:"pubKey"`
	LastHash      string `json:"lastHash"`
	PubkeyEd25519 string `json:"pubkey_ed25519,omitempty"`
	Timestamp     string `json:"timestamp,omitempty"`
	Signature     string `json:"signature,omitempty"`
}

// Snode is one member of a swarm as get_snodes_for_pubkey and a 421 list it. Port is a string on the wire; keys are
// lower-case hex; Address is the z-base-32 of the node's legacy key with ".snode" behind it.
type Snode struct {
	Address       string `json:"address"`
	IP            string `json:"ip"`
	Port          string `json:"port"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
}

// SwarmAnswer is the 200 of get_snodes_for_pubkey and the body of a 421.
type SwarmAnswer struct {
	Snodes []Snode `json:"snodes"`
}

// DifficultyAnswer is the 200 of store and the body of a 432.
type DifficultyAnswer struct {
	Difficulty int64 `json:"difficulty"`
}

// Stored is one retrieved message. Times are in milliseconds since 1970; Timestamp is told by today's nodes only.
type Stored struct {
	Data       string `json:"data"`
	Expiration int64  `json:"expiration"`
	Hash       string `json:"hash"`
	Timestamp  int64  `json:"timestamp,omitempty"`
}

// RetrieveAnswer is the 200 of retrieve: at most MaxRetrieved messages in the order in which that node got them.
type RetrieveAnswer struct {
	Messages []Stored `json:"messages"`
}

// ServiceNodesParams asks a seed for the registered nodes. Fields names what each entry shall have.
type ServiceNodesParams struct {
	ActiveOnly    bool            `json:"active_only,omitempty"`
	Limit         int             `json:"limit,omitempty"`
	PollBlockHash string          `json:"poll_block_hash,omitempty"`
	Fields        map[string]bool `json:"fields,omitempty"`
}

// NodeState is one entry of a seed's list. SwarmID 2^64-1 means that the node belongs to no swarm.
type NodeState struct {
	PubkeyLegacy  string `json:"service_node_pubkey"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	PublicIP      string `json:"public_ip"`
	StoragePort   uint16 `json:"storage_port"`
	SwarmID       uint64 `json:"swarm_id"`
	Funded        bool   `json:"funded"`
	Active        bool   `json:"active"`
}

// ServiceNodesResult is the result of get_n_service_nodes. If the list is still that of the asked PollBlockHash,
// only Unchanged is set, and Difficulty, the proof of work that the network's nodes ask for: a registry of ours tells it,
// real seeds do not.
type ServiceNodesResult struct {
	States    []NodeState `json:"service_node_states,omitempty"`
	BlockHash string      `json:"block_hash,omitempty"`
	Height    uint64      `json:"height,omitempty"`
	Hardfork  int         `json:"hardfork,omitempty"`
	Status    string      `json:"status,omitempty"`
	Unchanged bool        `json:"unchanged,omitempty"`

	Difficulty uint64     `json:"difficulty,omitempty"`
	Generation Generation `json:"generation,omitempty"`
}

// RegisterParams announces a node to a registry of ours. Signature is Ed25519, in base64, by PubkeyEd25519 over
// the text of RegisterSignatureText.
type RegisterParams struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	PublicIP      string `json:"public_ip"`
	StoragePort   uint16 `json:"storage_port"`
	TimestampMS   int64  `json:"timestamp_ms"`
	Signature     string `json:"signature"`
}

// Codes of the JSON-RPC errors with which a registry of ours answers a RegisterParams that it does not accept.
const (
	CodeRegistrationRefused = -32000
	CodeRegistrationClock   = -32001 // the node's clock is off
)

// RegisterSignatureText returns what RegisterParams.Signature signs: every other field, so that none can be changed.
func RegisterSignatureText(p RegisterParams) []byte {
	return fmt.Appendf(nil, "%s|%s|%s|%s|%d|%d",
		MethodRegisterNode, p.PubkeyEd25519, p.PubkeyX25519, p.PublicIP, p.StoragePort, p.TimestampMS)
}
