package record

// Trace is what is known of the way of one message, or of one poll. Stages has the stages of a message in their order;
// it is empty for a poll. StoppedAt is the stage that failed or is missing, and Why says it in words; both are empty if
// the trace is of no message. Members has what the members of the account's swarm have answered when they were asked
// for the message. Detours are the requests that needed more than their first onion path. Dropped counts what was too
// much for the trace.
type Trace struct {
	Type        string        `json:"type"`
	TraceID     string        `json:"trace_id"`
	MessageHash string        `json:"message_hash"`
	At          string        `json:"at"`
	Millis      float64       `json:"ms"`
	Arrived     bool          `json:"arrived"`
	StoppedAt   string        `json:"stopped_at"`
	Why         string        `json:"why"`
	Stages      []TraceStage  `json:"stages"`
	Members     []TraceMember `json:"members"`
	Detours     []TraceDetour `json:"detours"`
	Spans       []TraceSpan   `json:"spans"`
	Dropped     int           `json:"dropped"`
}

// TraceStage is one stage of a message's way. At is empty unless it is done.
type TraceStage struct {
	Stage  string  `json:"stage"`
	State  string  `json:"state"`
	At     string  `json:"at"`
	Millis float64 `json:"ms"`
	Detail string  `json:"detail"`
}

// TraceMember is what a member of the swarm has answered when it was asked for the message.
type TraceMember struct {
	PubkeyEd25519 string `json:"pubkey_ed25519"`
	Address       string `json:"address"`
	Reachable     bool   `json:"reachable"`
	Holds         bool   `json:"holds"`
	At            string `json:"at"`
	Error         string `json:"error"`
}

// TraceDetour is a request that needed more than its first path. Culprit is the node at fault, Place where it stands on
// the path, and Agreed says that its fault shows through two guards. LostMS is the time before the path that answered
// was tried.
type TraceDetour struct {
	Method   string  `json:"method"`
	Target   string  `json:"target"`
	Attempts int     `json:"attempts"`
	Probes   int     `json:"probes"`
	Answered bool    `json:"answered"`
	Culprit  string  `json:"culprit"`
	Place    string  `json:"place"`
	Agreed   bool    `json:"agreed"`
	LostMS   float64 `json:"lost_ms"`
	Detail   string  `json:"detail"`
}

// TraceSpan is a part of the way. OffsetMS is the time since the trace began.
type TraceSpan struct {
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_id"`
	Name       string         `json:"name"`
	OffsetMS   float64        `json:"offset_ms"`
	Millis     float64        `json:"ms"`
	State      string         `json:"state"`
	Error      string         `json:"error"`
	Attributes map[string]any `json:"attributes"`
	Events     []TraceEvent   `json:"events"`
}

// TraceEvent is a moment of a span.
type TraceEvent struct {
	Event      string         `json:"event"`
	OffsetMS   float64        `json:"offset_ms"`
	Attributes map[string]any `json:"attributes"`
}
