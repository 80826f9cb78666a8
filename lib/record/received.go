package record

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
	ContactName string `json:"contact_name,omitempty"`
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
	ContactName  string   `json:"contact_name,omitempty"`
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
	ContactName string `json:"contact_name,omitempty"`
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
