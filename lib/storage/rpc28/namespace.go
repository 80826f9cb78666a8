package rpc28

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"sessiontool/lib/storage"
)

// Namespace is one of the boxes of an account (storage-2.8.md section 3.2). Messages of storage RPC 2.0 have none
// and are in NamespaceMessages.
type Namespace int16

// Namespaces in use. Those from 2 to 5 synchronize the devices of one account.
const (
	NamespaceMessages     Namespace = 0 // direct messages
	NamespaceProfile      Namespace = 2
	NamespaceContacts     Namespace = 3
	NamespaceConvoInfo    Namespace = 4
	NamespaceUserGroups   Namespace = 5
	NamespaceLegacyGroups Namespace = -10
	// NamespaceTest is reserved by servers after 2.8.0: stores are refused, reads are empty.
	NamespaceTest Namespace = -3741
)

// Longest times to live of messages (storage-2.8.md section 3.2).
const (
	MaxPublicTTL  = storage.MaxTTLMillis28 * time.Millisecond // in namespaces with StoreIsPublic
	MaxPrivateTTL = 30 * 24 * time.Hour
)

// StoreIsPublic reports whether a store needs no signature: public inboxes and legacy groups. All other namespaces
// require the owner's signature.
func (n Namespace) StoreIsPublic() bool { return n%10 == 0 }

// RetrieveIsPublic reports whether a retrieve needs no signature: public outboxes and legacy groups.
func (n Namespace) RetrieveIsPublic() bool { return n == NamespaceLegacyGroups || n.IsOutbox() }

// IsOutbox reports whether n is a public outbox, which holds one message: the latest that its owner has stored.
func (n Namespace) IsOutbox() bool { return n < 0 && -int(n)%20 == 1 }

// MaxTTL returns the longest time to live of messages in n.
func (n Namespace) MaxTTL() time.Duration {
	if n.StoreIsPublic() {
		return MaxPublicTTL
	}
	return MaxPrivateTTL
}

// SignedText returns the namespace as signed texts write it: empty for 0, else its decimal.
func (n Namespace) SignedText() string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

// Scope is the target of delete_all, delete_before and expire_all: one namespace or, with All, every one. The zero
// Scope is [NamespaceMessages]. In JSON it is a number or the text "all".
type Scope struct {
	All       bool
	Namespace Namespace
}

var allText = []byte(`"all"`)

// Has reports whether a namespace is in the scope.
func (s Scope) Has(n Namespace) bool { return s.All || s.Namespace == n }

// SignedText returns the scope as signed texts write it: "all", or the text of the namespace.
func (s Scope) SignedText() string {
	if s.All {
		return "all"
	}
	return s.Namespace.SignedText()
}

// MarshalJSON implements json.Marshaler.
func (s Scope) MarshalJSON() ([]byte, error) {
	if s.All {
		return allText, nil
	}
	return json.Marshal(s.Namespace)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Scope) UnmarshalJSON(text []byte) error {
	if bytes.Equal(text, allText) {
		*s = Scope{All: true}
		return nil
	}
	*s = Scope{}
	return json.Unmarshal(text, &s.Namespace)
}
