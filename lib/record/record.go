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
	TypeFault         = "fault"
	TypeSwarmCheck    = "swarm_check"
	TypeSwarmMap      = "swarm_map"
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

// Draft is the input of send and friend-request send: a text for a Session ID. Protocol is signal, session-v1,
// session-v2, or auto, which is the default. NoPFS, of session-v2 alone, encrypts for the Session ID instead of a
// published key.
type Draft struct {
	To          Recipients `json:"to"`
	Text        string     `json:"text"`
	TTLMillis   int64      `json:"ttl_ms,omitempty"`
	TimestampMS int64      `json:"timestamp_ms,omitempty"`
	ID          Word       `json:"id,omitempty"`
	Ref         Word       `json:"ref,omitempty"`
	Protocol    string     `json:"protocol,omitempty"`
	NoPFS       bool       `json:"no_pfs,omitempty"`
}

// Identity is an account's public half. Only identity export fills in Mnemonic.
type Identity struct {
	Type          string `json:"type"`
	Account       string `json:"account"`
	SessionID     string `json:"session_id"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	DisplayName   string `json:"display_name"`
	Mnemonic      string `json:"mnemonic,omitempty"`
}

// FriendRequest is a friend request. State is none, sent, received, friends or expired. Direction is in or out.
type FriendRequest struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Account     string `json:"account"`
	From        string `json:"from"`
	To          string `json:"to"`
	Direction   string `json:"direction"`
	DisplayName string `json:"display_name"`
	Text        string `json:"text"`
	State       string `json:"state"`
	TimestampMS int64  `json:"timestamp_ms"`
	ReceivedAt  string `json:"received_at,omitempty"`
	Duplicate   bool   `json:"duplicate,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`
}

// Contact is a Session ID that this account has exchanged messages or friend requests with. Protocol is that of the
// contact's latest message: signal, session-v1, session-v2, or empty if it is not known. Verified means that the user
// has compared the safety number. Only contact verify fills in SafetyNumber. Online means that the contact was last known
// to listen at ListeningNode; StatusAt is the time of the contact's latest online status.
type Contact struct {
	Type          string `json:"type"`
	Account       string `json:"account"`
	SessionID     string `json:"session_id"`
	DisplayName   string `json:"display_name"`
	State         string `json:"state"`
	HasSession    bool   `json:"has_session"`
	Protocol      string `json:"protocol"`
	Since         string `json:"since"`
	Verified      bool   `json:"verified"`
	SafetyNumber  string `json:"safety_number,omitempty"`
	Online        bool   `json:"online"`
	ListeningNode string `json:"listening_node,omitempty"` // Ed25519 key in hex
	StatusAt      string `json:"status_at,omitempty"`
}

// NodeResult is one node's answer to a store. With storage RPC 2.8 another member may have reported it, and OK means
// that the node signed the message's hash. Already means that the node had the message before. Pending means that the
// sender stopped waiting for the node's answer: it may have the message.
type NodeResult struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	OK            bool   `json:"ok"`
	Already       bool   `json:"already,omitempty"`
	Pending       bool   `json:"pending,omitempty"`
	Status        int    `json:"status"`
	Error         string `json:"error"`
	Millis        int64  `json:"ms"`
}

// Receipt is the result of one draft or envelope. On the synchronous route nothing is stored: MessageHash is empty,
// Nodes has only the listening node, and RoundTripMS is the time from sending to the recipient's acknowledgement. On
// the asynchronous route Reason says why the message did not take the synchronous one; it is empty if that was not
// requested. ClockOffsetMS is how far the network's clock is ahead of this machine's. TimestampMS, which the recipient
// sees, includes that offset if it was known before the message was sent. Protocol and ForwardSecrecy say how the
// message was encrypted; envelopes that swarm store stores have neither.
type Receipt struct {
	Type        string       `json:"type"`
	OK          bool         `json:"ok"`
	To          string       `json:"to"`
	Route       string       `json:"route"`
	Reason      Reason       `json:"reason,omitempty"`
	RoundTripMS float64      `json:"round_trip_ms,omitempty"`
	MessageHash string       `json:"message_hash"`
	TimestampMS int64        `json:"timestamp_ms"`
	TTLMillis   int64        `json:"ttl_ms"`
	Difficulty  int64        `json:"difficulty"`
	Stored      int          `json:"stored"`
	Nodes       []NodeResult `json:"nodes"`
	Resumed     bool         `json:"resumed,omitempty"`
	Repeated    bool         `json:"repeated,omitempty"`
	Ref         string       `json:"ref,omitempty"`

	Protocol       string    `json:"protocol,omitempty"`
	ForwardSecrecy *bool     `json:"forward_secrecy,omitempty"`
	ClockOffsetMS  int64     `json:"clock_offset_ms,omitempty"`
	Warnings       []Warning `json:"warnings"`
}

// Message is a received text. ID is stable: the same message always has the same ID. Attempt is 2 or more if the record
// may have been printed before, as after a kill; all received records have it. Attachments counts the attached
// files, which are not fetched; Notice says so. DisappearAfterMS and DisappearFrom ([FromRead] or [FromSent]) are the
// sender's request to delete it, which this program does not follow. Unsent means that the sender has deleted the
// message; Text is empty then. Direction is in, or out for a copy of a text that another device of the account sent to
// To. Protocol and ForwardSecrecy say how the message was encrypted; messages that earlier versions received have
// neither.
type Message struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Account     string `json:"account"`
	From        string `json:"from"`
	DisplayName string `json:"display_name"`
	Text        string `json:"text"`
	TimestampMS int64  `json:"timestamp_ms"`
	ReceivedAt  string `json:"received_at"`
	Route       string `json:"route"`
	MessageHash string `json:"message_hash"`
	To          string `json:"to"`
	Direction   string `json:"direction"`
	Attachments int    `json:"attachments,omitempty"`
	Notice      string `json:"notice,omitempty"`

	Quote    *Quote    `json:"quote,omitempty"`
	Previews []Preview `json:"previews"`

	DisappearAfterMS int64  `json:"disappear_after_ms,omitempty"`
	DisappearFrom    string `json:"disappear_from,omitempty"`
	Unsent           bool   `json:"unsent,omitempty"`
	Duplicate        bool   `json:"duplicate,omitempty"`

	Protocol       string `json:"protocol,omitempty"`
	ForwardSecrecy *bool  `json:"forward_secrecy,omitempty"`
	Attempt        int    `json:"attempt,omitempty"`
}

// Delivery is a receipt from the other side. Kind is delivery or read.
type Delivery struct {
	Type         string   `json:"type"`
	ID           string   `json:"id"`
	Account      string   `json:"account"`
	From         string   `json:"from"`
	Kind         string   `json:"kind"`
	TimestampsMS []uint64 `json:"timestamps_ms"`
	ReceivedAt   string   `json:"received_at"`
	Duplicate    bool     `json:"duplicate,omitempty"`
	Attempt      int      `json:"attempt,omitempty"`
}

// Quote is the earlier message that a text answers, as the sender of the text quotes it.
type Quote struct {
	TimestampMS uint64 `json:"timestamp_ms"`
	Author      string `json:"author"`
	Text        string `json:"text"`
}

// Preview is a preview of a link in a text, made by the sender.
type Preview struct {
	URL   string `json:"url"`
	Title string `json:"title"`
}

// Notice has the common fields of received records that are no texts. Direction is in, or out for a copy of what
// another device of the account sent.
type Notice struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Account     string `json:"account"`
	From        string `json:"from"`
	To          string `json:"to"`
	Direction   string `json:"direction"`
	DisplayName string `json:"display_name"`
	TimestampMS int64  `json:"timestamp_ms"`
	ReceivedAt  string `json:"received_at"`
	Route       string `json:"route"`
	MessageHash string `json:"message_hash"`
	Duplicate   bool   `json:"duplicate,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`
}

// SessionReset reports that the other side has begun a new session. Texts go on in both directions.
type SessionReset struct{ Notice }

// Reaction adds Emoji to the message that AboutAuthor sent at AboutTimestampMS, or removes it: Action is react or
// remove.
type Reaction struct {
	Notice
	Emoji            string `json:"emoji"`
	Action           string `json:"action"`
	AboutTimestampMS uint64 `json:"about_timestamp_ms"`
	AboutAuthor      string `json:"about_author"`
}

// Typing reports that the other side has started or stopped typing. Action is started or stopped.
type Typing struct {
	Notice
	Action string `json:"action"`
}

// Extraction reports that the other side took a screenshot or saved a file: Kind is screenshot or media_saved.
// AboutTimestampMS is the time of the file's message, 0 if that is not known.
type Extraction struct {
	Notice
	Kind             string `json:"kind"`
	AboutTimestampMS uint64 `json:"about_timestamp_ms"`
}

// PhoneCall is one step of a telephone call, which this program does not answer. All steps of a call have the same
// CallID.
type PhoneCall struct {
	Notice
	Kind   string `json:"kind"`
	CallID string `json:"call_id"`
}

// TimerChange reports a new disappearing-message timer from the other side, in milliseconds; 0 means never.
type TimerChange struct {
	Notice
	DisappearAfterMS int64  `json:"disappear_after_ms"`
	DisappearFrom    string `json:"disappear_from"`
}

// Unsend reports that the other side has deleted the message that it sent at AboutTimestampMS.
type Unsend struct {
	Notice
	AboutTimestampMS uint64 `json:"about_timestamp_ms"`
	AboutAuthor      string `json:"about_author"`
}

// Unknown is a message with content that this version cannot read. A newer version reads it when it polls.
type Unknown struct{ Notice }

// Unopenable counts the messages since the last such record that could not be opened and are not of an authenticated
// sender that the user has dealt with. Such a sender's message is an [Error] record of its own. Examples has the first
// few. Since and At are the times of the first message and of the record.
type Unopenable struct {
	Type     string              `json:"type"`
	Account  string              `json:"account"`
	Count    int                 `json:"count"`
	Codes    []UnopenableCode    `json:"codes"`
	Examples []UnopenableExample `json:"examples"`
	Since    string              `json:"since"`
	At       string              `json:"at"`
}

// UnopenableCode counts the messages with one error code.
type UnopenableCode struct {
	Code  string `json:"code"`
	Count int    `json:"count"`
}

// UnopenableExample is one message that could not be opened. From is its sender, and ClaimedFrom a sender that anybody
// may have written there; both are left out if nothing names one.
type UnopenableExample struct {
	Code        string `json:"code"`
	MessageHash string `json:"message_hash"`
	From        string `json:"from,omitempty"`
	ClaimedFrom string `json:"claimed_from,omitempty"`
}

// RequestsDropped counts what strangers sent and the account did not keep: unanswered friend requests that made room
// for newer ones, and messages of strangers whose request waits. Limit is the number of requests that are kept.
type RequestsDropped struct {
	Type     string `json:"type"`
	Account  string `json:"account"`
	Requests int    `json:"requests"`
	Messages int    `json:"messages"`
	Limit    int    `json:"limit"`
	Since    string `json:"since"`
	At       string `json:"at"`
}

// Problem is a record that reports a loss: a command that prints one ends as with an [Error] record.
type Problem interface{ problem() }

func (Error) problem()           {}
func (Unopenable) problem()      {}
func (RequestsDropped) problem() {}

// Control is a message without content for a user, such as an online status. Only envelope open prints it.
type Control struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	From        string `json:"from"`
	Kind        string `json:"kind"`
	TimestampMS int64  `json:"timestamp_ms"`
	MessageHash string `json:"message_hash"`
	Duplicate   bool   `json:"duplicate,omitempty"`
}

// SetAside reports that a received record was printed Attempts times without its reader taking it, and that poll and
// listen print it no more. ID, From and Kind are those of the record, which inbox --undelivered prints.
type SetAside struct {
	Type     string `json:"type"`
	ID       string `json:"id"`
	Account  string `json:"account"`
	From     string `json:"from"`
	Kind     string `json:"kind"`
	Attempts int    `json:"attempts"`
}

// Gap reports that the account was not polled from Since until ReceivedAt, which is longer than the network keeps
// messages: some may have expired unseen.
type Gap struct {
	Type       string `json:"type"`
	ID         string `json:"id"`
	Account    string `json:"account"`
	Since      string `json:"since"`
	ReceivedAt string `json:"received_at"`
	Attempt    int    `json:"attempt,omitempty"`
}

// Outage reports that no node has answered listen since a time, or that one does again: Over. It comes when an outage
// has lasted for half a minute, an hour, and then at doubling times.
type Outage struct {
	Type    string `json:"type"`
	Account string `json:"account"`
	At      string `json:"at"`
	Since   string `json:"since"`
	Over    bool   `json:"over"`
}

// Truncated reports that a node's list has more new messages than it may give at once. Messages counts those that were
// read. The next poll continues there.
type Truncated struct {
	Type          string `json:"type"`
	Account       string `json:"account"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	Messages      int    `json:"messages"`
}

// Heartbeat shows that listen is running. ListeningNode is the Ed25519 key, in hex, of the node at which it listens, or
// empty. PolledAt is the time of the latest successful poll of the account's swarm. Received counts the earlier
// records.
type Heartbeat struct {
	Type          string `json:"type"`
	Account       string `json:"account"`
	At            string `json:"at"`
	ListeningNode string `json:"listening_node"`
	PolledAt      string `json:"polled_at,omitempty"`
	Received      int    `json:"received"`
}

// Change is the result of a request about stored messages of the account. Action is delete or expire. Requested and
// Changed are hashes; Changed has those that at least one member of the swarm has changed. OK means that at least one
// member has executed the request.
type Change struct {
	Type         string         `json:"type"`
	OK           bool           `json:"ok"`
	Account      string         `json:"account"`
	Action       string         `json:"action"`
	Requested    []string       `json:"requested"`
	Changed      []string       `json:"changed"`
	ExpirationMS int64          `json:"expiration_ms,omitempty"`
	Nodes        []ChangeResult `json:"nodes"`
}

// ChangeResult is the signed result of one member.
type ChangeResult struct {
	PubkeyEd25519 string   `json:"pubkey_ed25519"`
	OK            bool     `json:"ok"`
	Error         string   `json:"error"`
	Changed       []string `json:"changed"`
}

// Node is a service node. SwarmID is 16 hex digits, or empty if it is not known.
type Node struct {
	Type          string `json:"type,omitempty"`
	Address       string `json:"address"`
	IP            string `json:"ip"`
	Port          int    `json:"port"`
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	PubkeyX25519  string `json:"pubkey_x25519"`
	SwarmID       string `json:"swarm_id,omitempty"`
	MetricsURL    string `json:"metrics_url,omitempty"`
}

// Repair says what 'node repair' found in a node's folder, and what the node has now. SetAside is the damaged database.
type Repair struct {
	Type       string   `json:"type"`
	Dir        string   `json:"dir"`
	Damaged    bool     `json:"damaged"`
	Damage     []string `json:"damage"`
	SetAside   string   `json:"set_aside,omitempty"`
	Messages   int      `json:"messages"`
	Tombstones int      `json:"tombstones"`
	Lost       int      `json:"lost"`
	FromSwarm  int      `json:"from_swarm"`
}

// Swarm lists the nodes that keep a Session ID's messages.
type Swarm struct {
	Type      string `json:"type"`
	SessionID string `json:"session_id"`
	SwarmID   string `json:"swarm_id"`
	Nodes     []Node `json:"nodes"`
}

// Envelope is a message between sealing and storing, or as a swarm returned it. Nonce is the base64 of 8 bytes.
type Envelope struct {
	Type         string `json:"type"`
	To           string `json:"to"`
	TimestampMS  int64  `json:"timestamp_ms"`
	TTLMillis    int64  `json:"ttl_ms"`
	DataBase64   string `json:"data_base64"`
	Nonce        string `json:"nonce,omitempty"`
	Difficulty   int64  `json:"difficulty,omitempty"`
	MessageHash  string `json:"message_hash,omitempty"`
	ExpirationMS int64  `json:"expiration_ms,omitempty"`
	Ref          string `json:"ref,omitempty"`
}

// EnvelopeInfo is what envelope inspect reads without a key.
type EnvelopeInfo struct {
	Type         string `json:"type"`
	Kind         string `json:"kind"`
	KindNumber   int    `json:"kind_number"`
	From         string `json:"from"`
	TimestampMS  int64  `json:"timestamp_ms"`
	ContentBytes int    `json:"content_bytes"`
	DataBytes    int    `json:"data_bytes"`
	Ref          string `json:"ref,omitempty"`
}

// Pow is the result of pow verify or pow estimate.
type Pow struct {
	Type            string  `json:"type"`
	Valid           *bool   `json:"valid,omitempty"`
	Difficulty      int64   `json:"difficulty"`
	TargetHex       string  `json:"target_hex"`
	MessageHash     string  `json:"message_hash,omitempty"`
	PayloadBytes    int     `json:"payload_bytes"`
	ExpectedHashes  uint64  `json:"expected_hashes"`
	HashesPerSecond float64 `json:"hashes_per_second,omitempty"`
	ExpectedMillis  float64 `json:"expected_ms,omitempty"`
	P50Millis       float64 `json:"p50_ms,omitempty"`
	P90Millis       float64 `json:"p90_ms,omitempty"`
	P99Millis       float64 `json:"p99_ms,omitempty"`
	Workers         int     `json:"workers,omitempty"`
	Ref             string  `json:"ref,omitempty"`
}

// PowBench is the speed of one kernel with Workers goroutines. Ratio compares it with the crypto/sha512 loop on one
// core.
type PowBench struct {
	Type            string  `json:"type"`
	Kernel          string  `json:"kernel"`
	Workers         int     `json:"workers"`
	HashesPerSecond float64 `json:"hashes_per_second"`
	Ratio           float64 `json:"ratio"`
}

// PrekeyBundle has the keys that a friend request carries of its sender. Keys are hex without the 05 prefix.
type PrekeyBundle struct {
	Type            string `json:"type"`
	Account         string `json:"account"`
	SessionID       string `json:"session_id"`
	For             string `json:"for"`
	IdentityKey     string `json:"identity_key"`
	SignedPrekeyID  uint32 `json:"signed_prekey_id"`
	SignedPrekey    string `json:"signed_prekey"`
	Signature       string `json:"signature"`
	OneTimePrekeyID uint32 `json:"one_time_prekey_id"`
	OneTimePrekey   string `json:"one_time_prekey"`
	DataBase64      string `json:"data_base64"`
}

// AccountKey is one key of session-v2 of the account. Current is the key that senders should use; it rotates at
// RotatesAt. The others are kept until ExpiresAt for messages on their way. Published means that the swarm gives the key
// to senders, as far as this device knows.
type AccountKey struct {
	Type      string `json:"type"`
	Account   string `json:"account"`
	PublicKey string `json:"public_key"`
	Current   bool   `json:"current"`
	Published bool   `json:"published"`
	CreatedAt string `json:"created_at"`
	RotatesAt string `json:"rotates_at,omitempty"`
	RotatedAt string `json:"rotated_at,omitempty"`
	ExpiresAt string `json:"expires_at,omitempty"`
}

// Device is one device of the account. State is registered, pending for one that asks to join, left or kicked. This
// marks the device that prints the record. DeviceType is i, a, d, or c for a command line.
type Device struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	DeviceID    string `json:"device_id"`
	State       string `json:"state"`
	This        bool   `json:"this"`
	Description string `json:"description"`
	DeviceType  string `json:"device_type"`
	Version     string `json:"version,omitempty"`
	ChangedAt   string `json:"changed_at"`
}

// DeviceLink is a step of adding a device to an account. State is requested for the request of this device, pending for
// that of another one, admitted once this device has taken another one in, and joined once this device is a member.
// Emoji are for the user to compare with those that the other device shows; EmojiNames are the same in words.
type DeviceLink struct {
	Type       string `json:"type"`
	Account    string `json:"account"`
	DeviceID   string `json:"device_id"`
	State      string `json:"state"`
	Emoji      string `json:"emoji"`
	EmojiNames string `json:"emoji_names"`
}

// Prekey is one key of prekey list. Kind is signed or one_time. For is the contact that received a one-time prekey.
type Prekey struct {
	Type      string `json:"type"`
	Account   string `json:"account"`
	Kind      string `json:"kind"`
	ID        uint32 `json:"id"`
	PublicKey string `json:"public_key"`
	CreatedAt string `json:"created_at"`
	Current   bool   `json:"current"`
	For       string `json:"for,omitempty"`
}

// Path is the hops of an onion request, guard first.
type Path struct {
	Type  string `json:"type"`
	Guard string `json:"guard"`
	Hops  []Node `json:"hops"`
}

// Call is the input of onion send: a storage RPC for one node, or for a member of a Session ID's swarm.
type Call struct {
	Method string         `json:"method"`
	Params map[string]any `json:"params"`
	Node   string         `json:"node,omitempty"`
	Ref    string         `json:"ref,omitempty"`
}

// Response is a storage RPC's answer. Body is the answer as JSON if it is JSON, else a string.
type Response struct {
	Type   string   `json:"type"`
	Node   string   `json:"node"`
	Path   []string `json:"path"`
	Status int      `json:"status"`
	Body   any      `json:"body"`
	Millis int64    `json:"ms"`
	Ref    string   `json:"ref,omitempty"`
}

// Network names a network's seeds. It is also the content of a network file. Generation is the storage RPC of its
// nodes, 2.0 or 2.8; without it clients probe the nodes. Pins are the SHA-256 digests, in hex, of the certificates that
// seeds must present, by URL. OnionCipher is aes-gcm, the default, or xchacha20.
type Network struct {
	Type         string            `json:"type"`
	Name         string            `json:"name"`
	File         string            `json:"file"`
	Seeds        []string          `json:"seeds"`
	Nodes        int               `json:"nodes"`
	Swarms       int               `json:"swarms,omitempty"`
	Difficulty   int64             `json:"difficulty,omitempty"`
	OnionVersion int               `json:"onion_version,omitempty"`
	PID          int               `json:"pid,omitempty"`
	Up           *bool             `json:"up,omitempty"`
	MetricsURL   string            `json:"metrics_url,omitempty"`
	Generation   string            `json:"generation,omitempty"`
	Like         string            `json:"like,omitempty"`
	LatencyMS    float64           `json:"latency_ms,omitempty"` // of a devnet: what all its nodes have in common
	JitterMS     float64           `json:"jitter_ms,omitempty"`
	Loss         float64           `json:"loss,omitempty"`
	Pins         map[string]string `json:"pins,omitempty"`
	OnionCipher  string            `json:"onion_cipher,omitempty"`
	Failed       []Error           `json:"failed,omitempty"` // nodes of a devnet that could not start
}

// Fault is a fault injected into a node of a devnet. Active is false after the fault was cleared, and for a restart,
// which ends at once. 'devnet fault set --help' lists the settings of each kind.
type Fault struct {
	Type          string  `json:"type"`
	Kind          string  `json:"kind"`
	Index         int     `json:"index"`
	PubkeyEd25519 string  `json:"pubkey_ed25519"`
	Active        bool    `json:"active"`
	Requests      string  `json:"requests,omitempty"`
	Share         float64 `json:"share,omitempty"`
	DelayMS       float64 `json:"delay_ms,omitempty"`
	JitterMS      float64 `json:"jitter_ms,omitempty"`
	SkewMS        float64 `json:"skew_ms,omitempty"`
	Group         int     `json:"group,omitempty"`
}

// SwarmCheck is the state of the members of a Session ID's swarm. Agree means that every member answered all requests
// and, for the account's own ID, that none lacks a message that another one has.
type SwarmCheck struct {
	Type      string        `json:"type"`
	SessionID string        `json:"session_id"`
	SwarmID   string        `json:"swarm_id"`
	Agree     bool          `json:"agree"`
	Members   []MemberCheck `json:"members"`
}

// MemberCheck is one member of a swarm. LatencyMS is the time of a whole HTTPS request with a new connection. Messages
// counts the member's messages. Missing has the hashes of messages that only other members have. Both are known only
// for the account's own ID: Messages is null otherwise, and for a member that did not answer.
type MemberCheck struct {
	PubkeyEd25519 string   `json:"pubkey_ed25519"`
	Address       string   `json:"address"`
	Reachable     bool     `json:"reachable"`
	LatencyMS     float64  `json:"latency_ms"`
	Version       string   `json:"version"`
	Messages      *int     `json:"messages"`
	Missing       []string `json:"missing"`
	Error         string   `json:"error"`
}

// SwarmMap describes a picture of the swarms that was written to a file.
type SwarmMap struct {
	Type       string   `json:"type"`
	File       string   `json:"file"`
	Format     string   `json:"format"`
	Swarms     int      `json:"swarms"`
	Nodes      int      `json:"nodes"`
	SessionIDs []string `json:"session_ids"`
}

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

// Queued is a message of the outbox that no node has yet.
type Queued struct {
	Type        string `json:"type"`
	Entry       uint64 `json:"entry"`
	Kind        string `json:"kind"`
	To          string `json:"to"`
	State       string `json:"state"`
	ID          string `json:"id,omitempty"`
	Ref         string `json:"ref,omitempty"`
	TimestampMS int64  `json:"timestamp_ms"`
	TTLMillis   int64  `json:"ttl_ms"`
	QueuedAt    string `json:"queued_at"`
	ExpiresAt   string `json:"expires_at,omitempty"`
}

// Removed confirms that an account or a contact was removed.
type Removed struct {
	Type      string `json:"type"`
	Kind      string `json:"kind"`
	Account   string `json:"account"`
	SessionID string `json:"session_id"`
}

// Backup describes a backup that was written to a file, and lists its accounts.
type Backup struct {
	Type     string   `json:"type"`
	File     string   `json:"file"`
	Bytes    int64    `json:"bytes"`
	Accounts []string `json:"accounts"`
}

// Keystore names what opens a keystore: OpensWith is passphrase or key_file.
type Keystore struct {
	Type      string `json:"type"`
	Dir       string `json:"dir"`
	OpensWith string `json:"opens_with"`
}

// Compacted has the size of a keystore's file before and after compaction.
type Compacted struct {
	Type        string `json:"type"`
	Dir         string `json:"dir"`
	BytesBefore int64  `json:"bytes_before"`
	Bytes       int64  `json:"bytes"`
}

// Pruned counts the received records that inbox prune deleted, and has the size of the keystore's file before and
// after.
type Pruned struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	Pruned      int    `json:"pruned"`
	BytesBefore int64  `json:"bytes_before"`
	Bytes       int64  `json:"bytes"`
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
}

// Time formats t as records do: RFC 3339 in UTC with milliseconds.
func Time(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
