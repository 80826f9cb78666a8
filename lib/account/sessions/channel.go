package sessions

import (
	"encoding/hex"
	"slices"
	"time"

	"sessiontool/keystore"
	"sessiontool/lib/account/tables"
	"sessiontool/lib/message"
	"sessiontool/lib/ratchet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// TableChannels has a [Channel] for each contact.
const TableChannels keystore.Table = "channels"

// Channel is what an account remembers of the sessions with a contact beside the ratchet. Chains are named by
// [ChainName].
type Channel struct {
	Reused   string    `json:"reused,omitempty"`   // the contact's chain in which it used a message key twice
	ToldAt   time.Time `json:"told_at,omitzero"`   // when a message last went to the contact because of that
	Reported string    `json:"reported,omitempty"` // our chain for which a copy of this keystore was reported last
	Asked    string    `json:"asked,omitempty"`    // our chain in which an answer was asked for last
	AskedAt  uint32    `json:"asked_at,omitempty"` // the number of unanswered messages at that time
}

// LoadChannel returns the channel of a contact.
func LoadChannel(tx *keystore.Tx, contact sessionid.ID) (known Channel, err error) {
	_, err = tables.Get(tx, TableChannels, contact.String(), &known)
	return known, err
}

// SaveChannel stores the channel of a contact.
func SaveChannel(tx *keystore.Tx, contact sessionid.ID, known Channel) error {
	return tables.Put(tx, TableChannels, contact.String(), known)
}

// ChainName names a chain: the prefix of its ratchet key that a [message.Heard] has, in hex.
func ChainName(ratchetKey x25519.PublicKey) string {
	prefix := chainPrefix(ratchetKey)
	return hex.EncodeToString(prefix[:])
}

func chainPrefix(ratchetKey x25519.PublicKey) [message.HeardChainSize]byte {
	return [message.HeardChainSize]byte(ratchetKey[:])
}

// Heard returns what a message to a contact says of the contact's own messages, nil if the session has none.
func Heard(tx *keystore.Tx, contact sessionid.ID, session *ratchet.Session) (*message.Heard, error) {
	if session == nil {
		return nil, nil
	}
	key, next, found := session.Receiving()
	if !found {
		return nil, nil
	}
	known, err := LoadChannel(tx, contact)
	if err != nil {
		return nil, err
	}
	return &message.Heard{Chain: chainPrefix(key), Next: next, Reused: known.Reused == ChainName(key)}, nil
}

// Copied reports, once for each sending chain, that another program has sent messages with the account's sessions: a
// copy of the keystore, or the original of a restored one. Heard is what a message of the contact says of the account's
// messages, nil if it says nothing. Sending are the sending chains before the message arrived.
func Copied(tx *keystore.Tx, contact sessionid.ID, heard *message.Heard, sending []ratchet.Position) (bool, error) {
	if heard == nil {
		return false, nil
	}
	i := slices.IndexFunc(sending, func(p ratchet.Position) bool { return chainPrefix(p.RatchetKey) == heard.Chain })
	if i < 0 || heard.Next <= sending[i].Next && !heard.Reused {
		return false, nil
	}
	known, err := LoadChannel(tx, contact)
	chain := ChainName(sending[i].RatchetKey)
	if err != nil || known.Reported == chain {
		return false, err
	}
	known.Reported = chain
	return true, SaveChannel(tx, contact, known)
}
