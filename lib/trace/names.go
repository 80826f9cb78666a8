package trace

// The names of spans. A trace begins with SpanMessage, SpanPoll or SpanCall, or with SpanSend if an earlier command has
// sealed the message.
const (
	SpanMessage   = "message"   // a draft becomes a message and is sent
	SpanCall      = "call"      // a request of the user's own
	SpanSend      = "send"      // a sealed message, up to its receipt
	SpanSeal      = "seal"      // the draft is sealed and committed to the outbox
	SpanCommit    = "commit"    // a transaction of the keystore, with its sync
	SpanProve     = "prove"     // proof of work
	SpanDeliver   = "deliver"   // the synchronous route
	SpanStore     = "store"     // the asynchronous route
	SpanPoll      = "poll"      // a poll, from the first request to the last record
	SpanRetrieve  = "retrieve"  // the members' lists are read
	SpanOpen      = "open"      // received messages are opened and committed
	SpanAsk       = "ask"       // a question to members of a swarm
	SpanMember    = "member"    // one member is asked, once
	SpanRequest   = "request"   // a request to a node, over as many paths as it needs
	SpanAttempt   = "attempt"   // the request takes one path
	SpanDiagnosis = "diagnosis" // the hop at fault is looked for
	SpanProbe     = "probe"     // a hop is asked for a sign of life
	SpanGuards    = "guards"    // guards are chosen and tested
	SpanSeed      = "seeds"     // the list of nodes is fetched
	SpanLookup    = "lookup"    // a node is asked for a swarm
	SpanClock     = "clock"     // the network is asked for the time
)

// The names of events.
const (
	EventSolved  = "solved"  // the proof of work was saved
	EventStored  = "stored"  // a member has the message
	EventMessage = "message" // a message was opened, or could not be
	EventGives   = "gives"   // a member has given one message
	EventRetry   = "retry"   // the request takes another path, or another member is asked
	EventWaiting = "late"    // the answer is late
)

// The keys of attributes that more than one package uses.
const (
	KeyHash   = "message_hash"
	KeyNode   = "node"
	KeyReason = "reason"
	KeyStatus = "status"
	KeyMethod = "method"
)
