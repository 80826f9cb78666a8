package friendrequest

// State is the friend state of a contact (signal-2020.md section 5.2).
type State int

// The friend states. Expired is a request that its recipient has not answered in time.
const (
	StateNone State = iota
	StateSent
	StateReceived
	StateFriends
	StateExpired
)

// String returns the word of the state in records.
func (s State) String() string {
	return [...]string{"none", "sent", "received", "friends", "expired"}[s]
}
