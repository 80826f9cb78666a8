package message

// Route is the way of a message to its recipient.
type Route string

// The routes of messages.
const (
	RouteAsync Route = "async" // stored by the recipient's swarm until the recipient polls
	RouteSync  Route = "sync"  // delivered directly while the recipient listens, and acknowledged
)
