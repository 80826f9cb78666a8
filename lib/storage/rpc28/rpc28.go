// Package rpc28 has the requests and answers of storage RPC 2.8, that of storage server 2.8.0, in their wire form
// (storage-2.8.md), and the namespaces of messages ([Namespace]). Package storage has what both storage RPCs share,
// package signtext the texts that clients and members sign.
//
// All times are milliseconds since 1970. Times to live are milliseconds.
package rpc28

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/blake2b"

	"sessiontool/lib/storage"
)

// Methods of 2.8 alone (storage-2.8.md section 1.3). [storage.MethodSwarm] is another name of MethodGetSwarm.
const (
	MethodInfo         = "info"
	MethodGetSwarm     = "get_swarm"
	MethodDelete       = "delete"
	MethodDeleteAll    = "delete_all"
	MethodDeleteBefore = "delete_before"
	MethodExpire       = "expire"
	MethodExpireAll    = "expire_all"
	MethodGetExpiries  = "get_expiries"
	MethodRevoke       = "revoke_subaccount"
	MethodUnrevoke     = "unrevoke_subaccount"
	MethodOxend        = "oxend_request"
	MethodBatch        = "batch"
	MethodSequence     = "sequence"
	MethodIfElse       = "ifelse"
	// MethodActiveNodes exists in servers after 2.8.0.
	MethodActiveNodes = "active_nodes_bin"
)

// Limits of nodes (storage-2.8.md sections 4.1, 5 and 6.1).
const (
	MaxMessageBytes = 76800     // of data, decoded
	MaxBatch        = 20        // requests in a batch or sequence
	MaxPageBytes    = 7_800_000 // of a retrieve answer, as PageCost counts
	// HashTextLength is the length of a hash: 32 bytes in base64 without padding.
	HashTextLength = 43
)

// PageCost returns the bytes that a message with data of size bytes counts against max_size (storage-2.8.md section 5).
func PageCost(size int) int { return size*4/3 + HashTextLength + 100 }

// MessageHash returns the hash that names a message: BLAKE2b-256 of the owner's 33 bytes, the namespace and the data,
// in base64 without padding (storage-2.8.md section 4.2). It does not cover timestamp and time to live.
func MessageHash(owner [33]byte, namespace Namespace, data []byte) string {
	sum := MessageSum(owner, namespace, data)
	return base64.RawStdEncoding.EncodeToString(sum[:])
}

// MessageSum returns the bytes of [MessageHash].
func MessageSum(owner [33]byte, namespace Namespace, data []byte) [blake2b.Size256]byte {
	text := make([]byte, 0, len(owner)+maxNamespaceText+len(data))
	return blake2b.Sum256(append(append(append(text, owner[:]...), namespace.SignedText()...), data...))
}

// maxNamespaceText is the length of the longest SignedText of a namespace.
const maxNamespaceText = len("-32768")

// Auth proves that a request comes from the owner of the account (storage-2.8.md section 3.1). Signature is the base64
// of an Ed25519 signature over the text that the method's function in package signtext makes. PubkeyEd25519 (hex) is
// required for a Session ID (05) and refused otherwise. Requests of subaccounts, which groups have, are not supported.
type Auth struct {
	PubkeyEd25519 string `json:"pubkey_ed25519,omitempty"`
	Signature     string `json:"signature,omitempty"`
}

// StoreParams stores one message. Data is base64 of at most [MaxMessageBytes]. Auth and SigTimestamp are required in
// namespaces without [Namespace.StoreIsPublic].
type StoreParams struct {
	Pubkey       string    `json:"pubkey"`
	Namespace    Namespace `json:"namespace"`
	Timestamp    int64     `json:"timestamp"`
	TTL          int64     `json:"ttl"`
	Data         string    `json:"data"`
	SigTimestamp int64     `json:"sig_timestamp,omitempty"`
	Auth
}

// RetrieveParams requests the messages stored after LastHash. A negative MaxSize -k means [MaxPageBytes]/k; without
// MaxCount and MaxSize it is -5.
type RetrieveParams struct {
	Pubkey    string    `json:"pubkey"`
	Namespace Namespace `json:"namespace"`
	LastHash  string    `json:"last_hash,omitempty"`
	MaxCount  int       `json:"max_count,omitempty"`
	MaxSize   int       `json:"max_size,omitempty"`
	Timestamp int64     `json:"timestamp,omitempty"`
	Auth
}

// GetSwarmParams requests the swarm of a key (66 hex digits).
type GetSwarmParams struct {
	Pubkey string `json:"pubkey"`
}

// DeleteParams deletes messages by hash. With Required the answer is [storage.StatusNotFound] if no message was found.
type DeleteParams struct {
	Pubkey   string   `json:"pubkey"`
	Messages []string `json:"messages"`
	Required bool     `json:"required,omitempty"`
	Auth
}

// DeleteAllParams deletes all messages of a scope.
type DeleteAllParams struct {
	Pubkey    string `json:"pubkey"`
	Namespace Scope  `json:"namespace"`
	Timestamp int64  `json:"timestamp"`
	Auth
}

// DeleteBeforeParams deletes the messages of a scope with a timestamp of Before or earlier.
type DeleteBeforeParams struct {
	Pubkey    string `json:"pubkey"`
	Namespace Scope  `json:"namespace"`
	Before    int64  `json:"before"`
	Auth
}

// ExpireParams changes when messages expire: Expiry has one time for all, or one for each of Messages. Shorten and
// Extend allow changes in that direction only.
type ExpireParams struct {
	Pubkey   string   `json:"pubkey"`
	Messages []string `json:"messages"`
	Expiry   []int64  `json:"expiry"`
	Shorten  bool     `json:"shorten,omitempty"`
	Extend   bool     `json:"extend,omitempty"`
	Auth
}

// ExpireAllParams makes the messages of a scope expire at Expiry, except those that expire earlier.
type ExpireAllParams struct {
	Pubkey    string `json:"pubkey"`
	Namespace Scope  `json:"namespace"`
	Expiry    int64  `json:"expiry"`
	Auth
}

// GetExpiriesParams requests the expirations of messages.
type GetExpiriesParams struct {
	Pubkey    string   `json:"pubkey"`
	Messages  []string `json:"messages"`
	Timestamp int64    `json:"timestamp"`
	Auth
}

// Call is one request within a batch or sequence.
type Call struct {
	Method string `json:"method"`
	Params any    `json:"params"`
}

// BatchParams are at most [MaxBatch] requests. A batch executes all of them; a sequence ends after the first failure.
type BatchParams struct {
	Requests []Call `json:"requests"`
}

// OxendParams makes a node forward a request to its blockchain node. Endpoint is "get_service_nodes".
type OxendParams struct {
	Endpoint string `json:"endpoint"`
	Params   any    `json:"params,omitempty"`
}

// Endpoint is the Endpoint of [OxendParams] that requests the node list.
const Endpoint = "get_service_nodes"

// Clock is in nearly every answer: the node's time, from which clients compute the offset of their own clock, and the
// network's hard fork and revision.
type Clock struct {
	T        int64  `json:"t,omitempty"`
	HardFork [2]int `json:"hf"`
}

// InfoAnswer is the 200 of info.
type InfoAnswer struct {
	Version   [3]int `json:"version"`
	Timestamp int64  `json:"timestamp"`
	Clock
}

// Member is one node of a swarm: a [storage.Snode] with more ports.
type Member struct {
	storage.Snode
	PortHTTPS    uint16 `json:"port_https"`
	PortOMQ      uint16 `json:"port_omq"`
	PortQUIC     uint16 `json:"port_quic"`
	PubkeyLegacy string `json:"pubkey_legacy"`
}

// GetSwarmAnswer is the 200 of get_swarm and the body of a 421. Swarm is the id in lower-case hex. Clients read it with
// [storage.ParseSwarm].
type GetSwarmAnswer struct {
	Snodes []Member `json:"snodes"`
	Swarm  string   `json:"swarm"`
	Clock
}

// PageAnswer is the 200 of retrieve: messages in order of arrival at that node, and whether there are more.
type PageAnswer struct {
	Messages []storage.Stored `json:"messages"`
	More     bool             `json:"more"`
	Clock
}

// ExpiriesAnswer is the 200 of get_expiries: expirations by hash, without messages that the node lacks.
type ExpiriesAnswer struct {
	Expiries map[string]int64 `json:"expiries"`
}

// BatchAnswer is the 200 of batch and sequence.
type BatchAnswer struct {
	Results []Result `json:"results"`
}

// Result is the answer to one request within a batch. Body is JSON; for an error it is a string.
type Result struct {
	Code int             `json:"code"`
	Body json.RawMessage `json:"body"`
}

// ChangeAnswer is the 200 of store and of every method that deletes or expires: the result of each member, by its
// Ed25519 key in hex. Only store sets Hash.
type ChangeAnswer struct {
	Hash  string                  `json:"hash,omitempty"`
	Swarm map[string]MemberResult `json:"swarm"`
	Clock
}

// MemberResult is the result of one member. Signature is its Ed25519 signature, in base64, over the text that the
// method's function in package signtext makes. If Failed is set, only the fields after it are valid.
type MemberResult struct {
	Signature string `json:"signature,omitempty"`

	Hash    string `json:"hash,omitempty"`    // store
	Already Truth  `json:"already,omitempty"` // store: the member had it
	T       int64  `json:"t,omitempty"`       // store: Clock.T again, from the answering member

	// Expiry is the expiration after store, or those after expire: one for all hashes or one for each.
	Expiry    Times            `json:"expiry,omitzero"`
	Deleted   *Hashes          `json:"deleted,omitempty"`
	Updated   *Hashes          `json:"updated,omitempty"`  // expire, expire_all
	Unchanged map[string]int64 `json:"unchanged,omitzero"` // expire with Shorten or Extend: expiry by hash

	Failed          Truth  `json:"failed,omitempty"`
	Timeout         Truth  `json:"timeout,omitempty"`
	Code            Status `json:"code,omitempty"`
	Reason          string `json:"reason,omitempty"`
	BadPeerResponse Truth  `json:"bad_peer_response,omitempty"`
	QueryFailure    Truth  `json:"query_failure,omitempty"`
}

// Truth is a bool that nodes write as true, or as 1 if it came from another member (storage-2.8.md section 4.3).
type Truth bool

// UnmarshalJSON implements json.Unmarshaler.
func (b *Truth) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true", "1":
		*b = true
	case "false", "0", "null":
		*b = false
	default:
		return fmt.Errorf("%.20q is not true or false", text)
	}
	return nil
}

// Status is the HTTP status of one member's answer to another. Nodes write it as the text that they received; a number
// is accepted, too.
type Status int

// MarshalJSON implements json.Marshaler.
func (s Status) MarshalJSON() ([]byte, error) { return json.Marshal(strconv.Itoa(int(s))) }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Status) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	number, err := strconv.Atoi(strings.Trim(string(text), `"`))
	*s = Status(number)
	return err
}

// Times is one time, which is a number in JSON, or several, which are a list.
type Times []int64

// MarshalJSON implements json.Marshaler.
func (t Times) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]int64(t))
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Times) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]int64)(t))
	}
	*t = make(Times, 1)
	return json.Unmarshal(text, &(*t)[0])
}

// Hashes are hashes in ascending order: List, a list in JSON, or ByNamespace, an object, if the request covered all
// namespaces.
type Hashes struct {
	List        []string
	ByNamespace map[Namespace][]string
}

// MarshalJSON implements json.Marshaler.
func (h Hashes) MarshalJSON() ([]byte, error) {
	if h.ByNamespace != nil {
		return json.Marshal(h.ByNamespace)
	}
	if h.List == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(h.List)
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Hashes) UnmarshalJSON(text []byte) error {
	*h = Hashes{}
	if len(text) > 0 && text[0] == '{' {
		return json.Unmarshal(text, &h.ByNamespace)
	}
	return json.Unmarshal(text, &h.List)
}

// Sorted returns the hashes of all namespaces in ascending order.
func (h Hashes) Sorted() []string {
	all := slices.Clone(h.List)
	for _, hashes := range h.ByNamespace {
		all = append(all, hashes...)
	}
	slices.Sort(all)
	return all
}
