package record

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
	Part        int          `json:"part,omitempty"`
	Parts       int          `json:"parts,omitempty"`

	Protocol       string    `json:"protocol,omitempty"`
	ForwardSecrecy *bool     `json:"forward_secrecy,omitempty"`
	ClockOffsetMS  int64     `json:"clock_offset_ms,omitempty"`
	Warnings       []Warning `json:"warnings"`
}

// DryRun is what sending a draft would do: nothing was sent and nothing written. Route is sync if the recipient is
// online as far as is known; then no proof of work is needed. FetchKey means that the recipient's key would be fetched
// first, with which the message would have protocol session-v2. Network is the storage RPC as far as it is known.
type DryRun struct {
	Type           string `json:"type"`
	Account        string `json:"account"`
	To             string `json:"to"`
	Protocol       string `json:"protocol"`
	ForwardSecrecy *bool  `json:"forward_secrecy,omitempty"`
	FetchKey       bool   `json:"fetch_key"`
	Network        string `json:"network"`
	Route          string `json:"route"`
	TextBytes      int    `json:"text_bytes"`
	DataBytes      int    `json:"data_bytes"`
	TTLMillis      int64  `json:"ttl_ms"`
	Difficulty     int64  `json:"difficulty"`
	ExpectedHashes uint64 `json:"expected_hashes"`
	Repeated       bool   `json:"repeated"`
	Resumed        bool   `json:"resumed"`
	Part           int    `json:"part,omitempty"`
	Parts          int    `json:"parts,omitempty"`

	Warnings []Warning `json:"warnings"`
	ID       string    `json:"id,omitempty"`
	Ref      string    `json:"ref,omitempty"`
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
