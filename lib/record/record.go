// Package record defines every JSON record that commands read or write. [Kinds] lists them, [Glossary] describes their
// fields, and [Codes] the error codes.
//
// The promise to scripts: each written record has a type; names are snake_case with units in them (ttl_ms,
// data_base64); hex is lower case; times are RFC 3339 in UTC except signed protocol timestamps (timestamp_ms, an
// integer of milliseconds since 1970); lists are always present. Within a major version fields are only added.
package record

import "time"

// Types of the records that are written.
const (
	TypeIdentity      = "identity"
	TypeFriendRequest = "friend_request"
	TypeContact       = "contact"
	TypeReceipt       = "receipt"
	TypeDryRun        = "dry_run"
	TypeQueued        = "queued"
	TypeMessage       = "message"
	TypeDelivery      = "delivery"
	TypeSessionReset  = "session_reset"
	TypeReaction      = "reaction"
	TypeTyping        = "typing"
	TypeExtraction    = "extraction"
	TypePhoneCall     = "phone_call"
	TypeTimerChange   = "timer_change"
	TypeUnsend        = "unsend"
	TypeUnknown       = "unknown"
	TypeUnopenable    = "unopenable"
	TypeDropped       = "requests_dropped"
	TypeHeartbeat     = "heartbeat"
	TypeHook          = "hook"
	TypeAcked         = "acked"
	TypeSetAside      = "set_aside"
	TypeGap           = "gap"
	TypeTruncated     = "truncated"
	TypeOutage        = "outage"
	TypeControl       = "control"
	TypeChange        = "change"
	TypeSwarm         = "swarm"
	TypeNode          = "node"
	TypeRepair        = "repair"
	TypeEnvelope      = "envelope"
	TypeEnvelopeInfo  = "envelope_info"
	TypeTranscript    = "transcript"
	TypePow           = "pow"
	TypePowBench      = "pow_bench"
	TypePrekeyBundle  = "prekey_bundle"
	TypePrekey        = "prekey"
	TypeAccountKey    = "account_key"
	TypeDevice        = "device"
	TypeDeviceLink    = "device_link"
	TypePath          = "path"
	TypeResponse      = "rpc_response"
	TypeNetwork       = "network"
	TypeNodeStatus    = "node_status"
	TypeNodeList      = "node_list"
	TypeFault         = "fault"
	TypeSwarmCheck    = "swarm_check"
	TypeSwarmMap      = "swarm_map"
	TypeTrace         = "trace"
	TypeSwarmWatch    = "swarm_watch"
	TypeSetting       = "setting"
	TypeConfig        = "config"
	TypeCheck         = "check"
	TypeClock         = "clock"
	TypeErrorCode     = "error_code"
	TypeSchema        = "schema"
	TypeVersion       = "version"
	TypeStep          = "step"
	TypeRemoved       = "removed"
	TypeBackup        = "backup"
	TypeKeystore      = "keystore"
	TypeCompacted     = "compacted"
	TypePruned        = "pruned"
	TypeError         = "error"
)

// The routes of messages.
const (
	RouteAsync = "async" // stored by a swarm until the recipient polls
	RouteSync  = "sync"  // delivered directly to the recipient's listening node, and acknowledged
)

// The events that start the time after which a message is to disappear.
const (
	FromRead = "read"
	FromSent = "sent"
)

// Problem is a record that reports a loss: a command that prints one ends as with an [Error] record.
type Problem interface{ problem() }

func (Error) problem()           {}
func (Unopenable) problem()      {}
func (RequestsDropped) problem() {}

// Version describes the running program.
type Version struct {
	Type     string `json:"type"`
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Step is one step of the demo.
type Step struct {
	Type    string `json:"type"`
	Step    string `json:"step"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail"`
	Elapsed int64  `json:"elapsed_ms"`
}

// Error replaces a record that could not be made, and is the last line on stderr when a command fails.
type Error struct {
	Type        string `json:"type"`
	Code        string `json:"code"`
	Message     string `json:"message"`
	Hint        string `json:"hint"`
	Retryable   bool   `json:"retryable"`
	ExitCode    int    `json:"exit_code"`
	Line        int    `json:"line,omitempty"`
	MessageHash string `json:"message_hash,omitempty"`
	From        string `json:"from,omitempty"`         // authenticated
	ClaimedFrom string `json:"claimed_from,omitempty"` // anybody could have written that
	To          string `json:"to,omitempty"`
	Ref         string `json:"ref,omitempty"`
	Queued      bool   `json:"queued,omitempty"`
	OffsetMS    int64  `json:"offset_ms,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`

	Candidates []string `json:"candidates,omitempty"` // Session IDs
}

// Time formats t as records do: RFC 3339 in UTC with milliseconds.
func Time(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
