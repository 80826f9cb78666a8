package record

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

// Hook is one run of the command of listen --exec for the record called ID of the type Kind. Outcome is accepted, retry,
// dead_letter, set_aside or interrupted. CommandExitCode is 128 and the number of the signal for a command that a signal
// ended. RetryInMS is the pause before the next run.
type Hook struct {
	Type            string `json:"type"`
	Account         string `json:"account"`
	ID              string `json:"id"`
	Kind            string `json:"kind"`
	From            string `json:"from"`
	Attempt         int    `json:"attempt"`
	Outcome         string `json:"outcome"`
	CommandExitCode int    `json:"command_exit_code"`
	Millis          int64  `json:"ms"`
	RetryInMS       int64  `json:"retry_in_ms,omitempty"`
}

// Acked confirms that a received record counts as delivered. Already means that it did before.
type Acked struct {
	Type    string `json:"type"`
	Account string `json:"account"`
	ID      string `json:"id"`
	Already bool   `json:"already,omitempty"`
}
