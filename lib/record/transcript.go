package record

// Transcript is one message of a transcript that one side alone has made. Kind is friend_request, control for a message
// without a text, or message. DataBase64 is what nodes would have stored.
type Transcript struct {
	Type        string `json:"type"`
	From        string `json:"from"`
	To          string `json:"to"`
	Kind        string `json:"kind"`
	Text        string `json:"text"`
	TimestampMS int64  `json:"timestamp_ms"`
	TTLMillis   int64  `json:"ttl_ms"`
	DataBase64  string `json:"data_base64"`
	Ref         string `json:"ref,omitempty"`
}

// Saying is a text for a transcript. Direction is in for a text of the other side, out for one of the account.
type Saying struct {
	Text        string `json:"text"`
	Direction   string `json:"direction,omitempty"`
	TimestampMS int64  `json:"timestamp_ms,omitempty"`
	Ref         string `json:"ref,omitempty"`
}
