package onion

import (
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"

	"sessiontool/lib/internal/aescbc"
	"sessiontool/lib/x25519"
)

var (
	// ErrOuter reports an HTTP body that is malformed in its version. The response cannot be encrypted: it is a 400
	// with TextOuter and the cause.
	ErrOuter = errors.New("onion request is malformed")
	// ErrCiphertext reports a layer that does not decrypt with the node's key. The response is an unencrypted 400 with
	// TextCiphertext.
	ErrCiphertext = errors.New("onion layer does not open")
)

// Step is the action that an opened layer asks of a node.
type Step int

const (
	// Malformed: the plaintext has no valid instruction. The node responds encrypted, with 400 and TextJSON.
	Malformed Step = iota
	// Relay: the node posts Body to the node with the Ed25519 key Destination and returns the response unchanged.
	Relay
	// Final: Payload is a storage RPC request for this node. The node encrypts its response.
	Final
	// Server: the layer asks for a request to a web server. A node that makes no such requests responds encrypted, with
	// 400 and TextURL.
	Server
)

// String returns the step's name.
func (s Step) String() string {
	switch s {
	case Malformed:
		return "malformed"
	case Relay:
		return "relay"
	case Final:
		return "final"
	case Server:
		return "server"
	}
	return fmt.Sprintf("step %d", int(s))
}

// Layer is an opened layer. It holds the layer's key for the response.
type Layer struct {
	Step Step
	// Destination is set for Relay: the next node's Ed25519 key in lower-case hex, as the sender wrote it. The caller
	// compares it as text with the keys of known nodes.
	Destination string
	// Body is set for Relay: the HTTP body to post to the next node, at the Path of the same version.
	Body []byte
	// Payload is set for Final: the JSON text of a storage RPC request.
	Payload []byte
	// Hops is the number of earlier hops that the request claims, at most MaxRelays+1.
	Hops int

	next     Cipher // of the layer in Body
	response cipher.AEAD
	embed    bool // the response embeds a body that is JSON, unquoted
	raw      bool // the response is the encrypted bytes, not their base64
	pad      bool // the response is filled up to one of a few sizes
}

// Open decrypts node's layer of the body of an HTTP request. It returns ErrVersion, or ErrOuter or ErrCiphertext
// wrapped with the cause. An ephemeral key that is malformed or of low order is ErrCiphertext, as at the 2020 server. A
// layer that decrypts is never an error: its Step is Malformed if its plaintext is. With [AESCBC], which does not
// authenticate, a malformed plaintext is ErrCiphertext, too.
func Open(version Version, node x25519.KeyPair, body []byte) (*Layer, error) {
	return openLayer(version, node, body, func(Cipher) error { return nil })
}

// OpenAuthenticated is [Open] at a node without [AESCBC], like storage servers after 2.8.0. A body with that cipher is
// ErrOuter with ErrCipher. A layer whose next layer has that cipher is Malformed.
func OpenAuthenticated(version Version, node x25519.KeyPair, body []byte) (*Layer, error) {
	return openLayer(version, node, body, func(kind Cipher) error {
		if kind == AESCBC {
			return ErrCipher
		}
		return nil
	})
}

// openLayer is Open with the ciphers for which supported returns nil.
func openLayer(version Version, node x25519.KeyPair, body []byte, supported func(Cipher) error) (*Layer, error) {
	format, err := version.format()
	if err != nil {
		return nil, err
	}
	outer, err := format.parseBody(body)
	if err != nil {
		return nil, err
	}
	if err := supported(outer.cipher); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	public, err := parseKey(outer.ephemeral)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	aead, err := layerCipher(outer.cipher, node, public, node.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	plaintext, err := open(aead, outer.sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	layer, err := format.parseLayer(plaintext)
	if err != nil && outer.cipher == AESCBC {
		// One answer to bad padding and to bad plaintext: two would make the node a padding oracle.
		return nil, fmt.Errorf("%w: %w", ErrCiphertext, aescbc.ErrPadding)
	}
	if err != nil || supported(layer.next) != nil {
		layer = Layer{Step: Malformed}
	}
	layer.response, layer.Hops = aead, outer.hops
	return &layer, nil
}

// parseKey decodes an ephemeral key: 64 hex digits.
func parseKey(text string) (x25519.PublicKey, error) {
	var key x25519.PublicKey
	if len(text) != hex.EncodedLen(len(key)) {
		return key, fmt.Errorf("ephemeral key has %d characters, not %d", len(text), hex.EncodedLen(len(key)))
	}
	if _, err := hex.Decode(key[:], []byte(text)); err != nil {
		return key, errors.New("ephemeral key is not hex")
	}
	return key, nil
}
