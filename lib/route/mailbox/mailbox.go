// Package mailbox is an account's view of the messages that its swarm keeps for it: it reads them, deletes them, changes
// their expiry, and compares what the members hold, by the requests of storage RPC 2.0 and 2.8.
//
// It promises that every request is signed by the account, that what a member claims for itself counts only with its
// signature, and that no member can prolong a read without end.
package mailbox

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/xeddsa"
)

// Errors of requests to a swarm, in addition to those of [sessiontool/lib/network].
var (
	ErrNotStored    = errors.New("too few nodes of the swarm took the message")
	ErrNotRetrieved = errors.New("no node of the swarm answered")
	ErrRefused      = errors.New("the network refuses the message")
	ErrGeneration   = errors.New("storage RPC 2.0 has no such request")
)

// Box is the mailbox of an account. It is safe for concurrent use.
type Box struct {
	account *account.Account
	network *network.Client
	log     *slog.Logger
}

// New returns the mailbox of an account.
func New(a *account.Account, n *network.Client, log *slog.Logger) *Box { return &Box{a, n, log} }

// MaxText bounds in bytes the text of a node in a result.
const MaxText = 200

// BoundedText returns a text of a node as valid UTF-8 of at most MaxText bytes.
func BoundedText(text string) string { return strings.ToValidUTF8(text[:min(len(text), MaxText)], "") }

// SignedBy reports whether a member of owner's swarm, named by its Ed25519 key in hex, has signed text. The signature
// is base64. Signatures of registered nodes that are not members do not count.
func SignedBy(known *network.Client, owner sessionid.ID, name string, text []byte, signature string) bool {
	var key network.Key
	if key.UnmarshalText([]byte(name)) != nil {
		return false
	}
	if _, member := known.Member(owner, key); !member {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	return err == nil && len(raw) == xeddsa.SignatureSize &&
		xeddsa.VerifyStrict(key, text, [xeddsa.SignatureSize]byte(raw))
}

// Failure returns the reason why a member has not carried out a request.
func Failure(member rpc28.MemberResult) string {
	switch {
	case bool(member.Timeout):
		return "it did not answer the member that was asked"
	case member.Reason != "":
		return strings.TrimSpace(BoundedText(member.Reason))
	case bool(member.BadPeerResponse):
		return "it gave the member that was asked an answer without sense"
	case bool(member.QueryFailure):
		return "its database failed"
	}
	return "it failed"
}
