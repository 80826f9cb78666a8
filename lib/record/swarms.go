package record

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

// Swarm lists the nodes that keep a Session ID's messages.
//
// NodeList is set if the nodes are not those that the seeds have listed lately: old, or import.
type Swarm struct {
	Type      string `json:"type"`
	SessionID string `json:"session_id"`
	SwarmID   string `json:"swarm_id"`
	Nodes     []Node `json:"nodes"`
	NodeList  string `json:"node_list,omitempty"`
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

// SwarmMap describes a picture of the swarms that was written to a file. SilentNodes has the keys of nodes that did not
// answer; it is empty unless they were asked.
type SwarmMap struct {
	Type       string   `json:"type"`
	File       string   `json:"file"`
	Format     string   `json:"format"`
	Swarms     int      `json:"swarms"`
	Nodes      int      `json:"nodes"`
	SessionIDs []string `json:"session_ids"`

	SilentNodes []string `json:"silent_nodes"`
	Ways        int      `json:"ways"`
}

// SwarmWatch is one look at the members of a swarm, with what was seen since the watch began. Agree is as in
// [SwarmCheck]. LagMS is the longest time that a member has lacked a message which another one held: of the messages
// that some member lacks now and of those that arrived late. Warn says that a lag is longer than --warn-lag.
type SwarmWatch struct {
	Type      string        `json:"type"`
	SessionID string        `json:"session_id"`
	SwarmID   string        `json:"swarm_id"`
	At        string        `json:"at"`
	Round     int           `json:"round"`
	Agree     bool          `json:"agree"`
	Warn      bool          `json:"warn"`
	LagMS     float64       `json:"lag_ms"`
	Members   []MemberWatch `json:"members"`
}

// MemberWatch is one member of a watched swarm. Messages and Lacking count the messages that it holds, and those that
// only others hold. LagMS is the age of the oldest message that it lacks; LagP50MS, LagP95MS and LagMaxMS are about the
// messages that it got after others, for which the interval of the looks is the precision. Answered and Asked count
// looks; the latencies are those of the answers.
type MemberWatch struct {
	PubkeyEd25519 string  `json:"pubkey_ed25519"`
	Address       string  `json:"address"`
	Reachable     bool    `json:"reachable"`
	Version       string  `json:"version"`
	Messages      *int    `json:"messages"`
	Lacking       int     `json:"lacking"`
	LagMS         float64 `json:"lag_ms"`
	LagP50MS      float64 `json:"lag_p50_ms"`
	LagP95MS      float64 `json:"lag_p95_ms"`
	LagMaxMS      float64 `json:"lag_max_ms"`
	LatencyMS     float64 `json:"latency_ms"`
	LatencyP50MS  float64 `json:"latency_p50_ms"`
	LatencyP95MS  float64 `json:"latency_p95_ms"`
	LatencyP99MS  float64 `json:"latency_p99_ms"`
	Asked         int     `json:"asked"`
	Answered      int     `json:"answered"`
	Error         string  `json:"error"`
}
