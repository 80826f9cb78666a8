package record

// PrekeyBundle has the keys that a friend request carries of its sender. Keys are hex without the 05 prefix.
type PrekeyBundle struct {
	Type            string `json:"type"`
	Account         string `json:"account"`
	SessionID       string `json:"session_id"`
	For             string `json:"for"`
	IdentityKey     string `json:"identity_key"`
	SignedPrekeyID  uint32 `json:"signed_prekey_id"`
	SignedPrekey    string `json:"signed_prekey"`
	Signature       string `json:"signature"`
	OneTimePrekeyID uint32 `json:"one_time_prekey_id"`
	OneTimePrekey   string `json:"one_time_prekey"`
	DataBase64      string `json:"data_base64"`
}

// AccountKey is one key of session-v2 of the account. Current is the key that senders should use; it rotates at
// RotatesAt. The others are kept until ExpiresAt for messages on their way. Published means that the swarm gives the key
// to senders, as far as this device knows.
type AccountKey struct {
	Type      string `json:"type"`
	Account   string `json:"account"`
	PublicKey string `json:"public_key"`
	Current   bool   `json:"current"`
	Published bool   `json:"published"`
	CreatedAt string `json:"created_at"`
	RotatesAt string `json:"rotates_at,omitempty"`
	RotatedAt string `json:"rotated_at,omitempty"`
	ExpiresAt string `json:"expires_at,omitempty"`
}

// Device is one device of the account. State is registered, pending for one that asks to join, left or kicked. This
// marks the device that prints the record. DeviceType is i, a, d, or c for a command line.
type Device struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	DeviceID    string `json:"device_id"`
	State       string `json:"state"`
	This        bool   `json:"this"`
	Description string `json:"description"`
	DeviceType  string `json:"device_type"`
	Version     string `json:"version,omitempty"`
	ChangedAt   string `json:"changed_at"`
}

// DeviceLink is a step of adding a device to an account. State is requested for the request of this device, pending for
// that of another one, admitted once this device has taken another one in, and joined once this device is a member.
// Emoji are for the user to compare with those that the other device shows; EmojiNames are the same in words.
type DeviceLink struct {
	Type       string `json:"type"`
	Account    string `json:"account"`
	DeviceID   string `json:"device_id"`
	State      string `json:"state"`
	Emoji      string `json:"emoji"`
	EmojiNames string `json:"emoji_names"`
}

// Prekey is one key of prekey list. Kind is signed or one_time. For is the contact that received a one-time prekey.
type Prekey struct {
	Type      string `json:"type"`
	Account   string `json:"account"`
	Kind      string `json:"kind"`
	ID        uint32 `json:"id"`
	PublicKey string `json:"public_key"`
	CreatedAt string `json:"created_at"`
	Current   bool   `json:"current"`
	For       string `json:"for,omitempty"`
}
