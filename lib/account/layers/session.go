package layers

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"sessiontool/lib/account/inbox"
	"sessiontool/lib/accountkeys"
	"sessiontool/lib/envelope"
	"sessiontool/lib/message"
	"sessiontool/lib/sealedbox"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/v2message"
	"sessiontool/lib/x25519"
)

// PackBox makes the store data of a session-v1 message from an encoded Content. It draws from random the box's
// ephemeral key, then the key of the outer signature. Libsession intends to refuse messages without that signature, and
// signs with a throwaway key for an account without Session Pro.
func PackBox(random io.Reader, sender sessionid.Keys, to x25519.PublicKey, timestampMS uint64,
	content []byte) (string, error) {
	box, err := sealedbox.Seal(random, sender, to, message.PadV1(content))
	if err != nil {
		return "", err
	}
	throwaway := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, throwaway); err != nil {
		return "", err
	}
	signature := ed25519.Sign(ed25519.NewKeyFromSeed(throwaway), box)
	return envelope.PackBox(timestampMS, box, envelope.ProSignature(signature))
}

// BoxName names a sealed box: the first 32 hex digits of its SHA-256.
func BoxName(box []byte) string {
	sum := sha256.Sum256(box)
	return hex.EncodeToString(sum[:16])
}

// SealV2 makes the store data of a message of session-v2, for a published key or, if key is zero, for the Session ID.
func SealV2(random io.Reader, from sessionid.Keys, draft v2message.Draft, key accountkeys.Public) (string, error) {
	if key.IsZero() {
		sealed, err := v2message.SealWithoutPFS(random, from, draft)
		return base64.StdEncoding.EncodeToString(sealed), err
	}
	sealed, err := v2message.Seal(random, from, draft, key)
	return base64.StdEncoding.EncodeToString(sealed), err
}

// OpenV2 opens store data of a message of session-v2 with the keys that the account holds. Without a key for it the
// error is [v2message.ErrNoKey].
func OpenV2(own sessionid.Keys, held []*accountkeys.Held, data string) (v2message.Message, message.Content, error) {
	sealed, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return v2message.Message{}, message.Content{}, inbox.Fail(inbox.CodeBadEnvelope, err)
	}
	opened, err := v2message.Open(own, held, sealed)
	switch {
	case errors.Is(err, v2message.ErrNoKey):
		return opened, message.Content{}, err
	case errors.Is(err, v2message.ErrVersion):
		return opened, message.Content{}, inbox.Fail(inbox.CodeNewerProtocol, err)
	case err != nil:
		return opened, message.Content{}, inbox.Fail(inbox.CodeBadEnvelope, err)
	}
	content, err := message.Parse(opened.Content)
	if err == nil && content.SigTimestampMS == 0 {
		err = errors.New("the message has no time of its sender")
	}
	if err != nil {
		return opened, content, inbox.Fail(inbox.CodeBadEnvelope, err)
	}
	return opened, content, nil
}

// MessageName names a message of session-v2 for the recognition of copies. Neither the key indicator nor, without
// forward secrecy, the ML-KEM ciphertext is authenticated, and whoever has the recipient's keys can encrypt the signed
// part anew. So the name is made of what the sender signed.
func MessageName(m v2message.Message) string {
	sum := sha256.New()
	sum.Write(m.Sender[:])
	sum.Write(m.Content)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
