package keystore

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"sessiontool/keystore/internal/tree"
)

const (
	nonceSize    = chacha20poly1305.NonceSizeX
	sealOverhead = nonceSize + chacha20poly1305.Overhead
)

// secret is a 32-byte key. Printing it shows a placeholder.
type secret [chacha20poly1305.KeySize]byte

// Format prints a placeholder whatever the verb is.
func (s secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns a placeholder.
func (s secret) String() string { return "keystore.secret(redacted)" }

func newSecret() secret {
	var s secret
	rand.Read(s[:])
	return s
}

// derive returns HMAC-SHA256(s, purpose).
func (s secret) derive(purpose string) secret {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(purpose))
	return secret(mac.Sum(nil))
}

// aead returns the cipher of the key. It cannot fail, because the key has the right size.
func (s secret) aead() cipher.AEAD {
	aead, err := chacha20poly1305.NewX(s[:])
	if err != nil {
		panic("keystore: " + err.Error())
	}
	return aead
}

// keys are the data key and the keys derived from it.
type keys struct {
	data   secret
	index  secret
	tree   tree.Key
	backup secret
}

func newKeys(data secret) *keys {
	return &keys{
		data:   data,
		index:  data.derive("sessiontool keystore index"),
		tree:   tree.Key(data.derive("sessiontool keystore tree")),
		backup: data.derive("sessiontool keystore backup"),
	}
}

// Format prints a placeholder whatever the verb is.
func (k *keys) Format(f fmt.State, _ rune) { io.WriteString(f, "keystore.keys(redacted)") }

// label is the part of a tree key that hides a name: a keyed hash, truncated.
type label [16]byte

// label hashes the parts, each with its length in front. The first part says what kind of name it is.
func (k *keys) label(parts ...string) label {
	mac := hmac.New(sha256.New, k.index[:])
	var length [4]byte
	for _, part := range parts {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return label(mac.Sum(nil)[:len(label{})])
}
