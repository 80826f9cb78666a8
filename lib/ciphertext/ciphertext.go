// Package ciphertext names the kinds of ciphertext that an envelope carries. The packages that make, hide and carry
// ciphertexts share it: [sessiontool/lib/ratchet], [sessiontool/lib/sealedsender] and [sessiontool/lib/envelope].
// It is pure.
package ciphertext

import (
	"fmt"

	"sessiontool/proto/wirepb"
)

// Kind says how a ciphertext is made, and so how it is opened. Its values are the type numbers of the Envelope message
// (signal-2020.md section 3.1). A received envelope may have a number without a constant here.
type Kind int32

const (
	// Whisper is a WhisperMessage: a Double Ratchet message of a session that its receiver has answered.
	Whisper = Kind(wirepb.Envelope_CIPHERTEXT)
	// PreKeyWhisper is a PreKeyWhisperMessage: a Double Ratchet message with what its receiver needs to start the
	// session.
	PreKeyWhisper = Kind(wirepb.Envelope_PREKEY_BUNDLE)
	// ServerReceipt is a receipt of a Signal server and carries no ciphertext. Session nodes never send it, and it is
	// not authenticated.
	ServerReceipt = Kind(wirepb.Envelope_RECEIPT)
	// Sealed hides its sender. It is a sealed sender message, which has another kind of ciphertext inside, or the
	// sealed box of session-v1. Only decryption shows which of the two.
	Sealed = Kind(wirepb.Envelope_UNIDENTIFIED_SENDER)
	// Group is a message of a group in 2020. Clients of session-v1 read it like Sealed.
	Group = Kind(wirepb.Envelope_MEDIUM_GROUP_CIPHERTEXT)
	// FriendRequest is a first contact. Its key is the shared secret of the two identity keys.
	FriendRequest = Kind(wirepb.Envelope_FRIEND_REQUEST)
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Whisper:
		return "whisper"
	case PreKeyWhisper:
		return "prekey-whisper"
	case ServerReceipt:
		return "server-receipt"
	case Sealed:
		return "sealed"
	case Group:
		return "group"
	case FriendRequest:
		return "friend-request"
	}
	return fmt.Sprintf("type %d", int32(k))
}
