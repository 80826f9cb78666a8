package record

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
	ContactName string `json:"contact_name,omitempty"`
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
// to listen at ListeningNode; StatusAt is the time of the contact's latest online status. Name is the user's own name for
// the contact, and DisplayName what the contact calls itself. Nothing that a contact sends is kept while it is Blocked,
// or Declined.
type Contact struct {
	Type          string `json:"type"`
	Account       string `json:"account"`
	SessionID     string `json:"session_id"`
	DisplayName   string `json:"display_name"`
	Name          string `json:"name,omitempty"`
	State         string `json:"state"`
	HasSession    bool   `json:"has_session"`
	Protocol      string `json:"protocol"`
	Since         string `json:"since"`
	Verified      bool   `json:"verified"`
	SafetyNumber  string `json:"safety_number,omitempty"`
	Online        bool   `json:"online"`
	ListeningNode string `json:"listening_node,omitempty"` // Ed25519 key in hex
	StatusAt      string `json:"status_at,omitempty"`
	Blocked       bool   `json:"blocked,omitempty"`
	Declined      bool   `json:"declined,omitempty"`
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
