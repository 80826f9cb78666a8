package accountkeys

import (
	"errors"
	"fmt"
	"io"
	"time"

	"sessiontool/lib/internal/bencode"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/xeddsa"
)

// The published form of account keys (session-v2.md section 5).
const (
	// Namespace is where an account publishes its key: an outbox that anyone reads, and the owner writes.
	Namespace = -21
	// PublishedLifetime is the time for which the swarm stores the message.
	PublishedLifetime = 30 * 24 * time.Hour

	// CacheFresh is the age up to which a sender uses a key that it fetched without asking again, CacheUsable the age
	// up to which it uses the key at all, and CacheMiss the time for which it does not ask again after it found none
	// (session-v2.md section 6.3).
	CacheFresh  = 24 * time.Hour
	CacheUsable = 48 * time.Hour
	CacheMiss   = time.Hour

	kemKey       = "M"
	x25519Key    = "X"
	signatureKey = "~"
)

// ErrPublished reports a message that publishes no key: malformed, or not signed by the owner of the Session ID.
var ErrPublished = errors.New("malformed or unsigned account key message")

// Publish returns the message that publishes key as owner's account key. It reads 64 bytes from random; the error is
// random's.
func Publish(random io.Reader, owner sessionid.Keys, key Public) ([]byte, error) {
	message := bencode.AppendPair([]byte("d"), kemKey, key.m[:])
	message = bencode.AppendPair(message, x25519Key, key.x[:])
	signature, err := xeddsa.SignPositive(random, owner.X25519.Private, message)
	if err != nil {
		return nil, err
	}
	return append(bencode.AppendPair(message, signatureKey, signature[:]), 'e'), nil
}

// ParsePublished returns the key that message publishes for owner. It returns ErrPublished if message is malformed or
// its signature is not owner's, and ErrPublicKey if the owner signed a key that cannot be used. What follows the
// signature is ignored.
func ParsePublished(owner sessionid.ID, message []byte) (Public, error) {
	dict := bencode.Open(message)
	m := dict.Sized(kemKey, KEMPublicSize)
	x := [32]byte(dict.Sized(x25519Key, 32))
	signed := dict.Before(signatureKey)
	signature := [xeddsa.SignatureSize]byte(dict.Sized(signatureKey, xeddsa.SignatureSize))
	if err := dict.Err(); err != nil {
		return Public{}, fmt.Errorf("%w: %w", ErrPublished, err)
	}
	if !xeddsa.VerifyPositive(owner.PublicKey(), signed, signature) {
		return Public{}, fmt.Errorf("%w: the signature is not by %s", ErrPublished, owner)
	}
	return NewPublic(x, m)
}

// LatestPublished returns the key of the last message that publishes a usable one, and whether there is one. The
// messages are in the order in which the swarm returns them.
func LatestPublished(owner sessionid.ID, messages [][]byte) (Public, bool) {
	for i := len(messages) - 1; i >= 0; i-- {
		if key, err := ParsePublished(owner, messages[i]); err == nil {
			return key, true
		}
	}
	return Public{}, false
}
