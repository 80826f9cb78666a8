package onion

import (
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"

	"sessiontool/lib/x25519"
)

var (
	// ErrOuter reports a posted body that does not have the shape of its version. Nobody can be answered under
	// encryption: the answer is a bare 400, TextOuter and the cause.
	ErrOuter = errors.New("onion request is malformed")
	// ErrCiphertext reports a layer that does not open with the node's key. The answer is a bare 400, TextCiphertext.
	ErrCiphertext = errors.New("onion layer does not open")
)

// Step is what a node has to do with the layer it opened.
type Step int

const (
	// Malformed: the layer opened but its JSON says nothing usable. Answer sealed, 400, TextJSON.
	Malformed Step = iota
	// Relay: post Body to the node whose Ed25519 key is Destination, and pass its answer on unchanged.
	Relay
	// Final: Payload is a storage RPC request for this node. Answer it sealed.
	Final
	// Server: the layer asks for a request to a web server. Nodes that do not serve as a way out answer sealed,
	// 400, TextURL.
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

// Layer is an opened layer. It holds the layer's key, for the sealed answer.
type Layer struct {
	Step Step
	// Destination is set for Relay: lower-case hex of the next node's Ed25519 key, to be compared as text with the
	// keys of the nodes that are known. It stands here as the sender wrote it.
	Destination string
	// Body is set for Relay: what to post to the next node, at the same version's Path.
	Body []byte
	// Payload is set for Final: the JSON text of a storage RPC request.
	Payload []byte
	// Hops is how many nodes the request says to have passed before it came to this one, at most one more than MaxRelays.
	Hops int

	next     Cipher // of the layer in Body
	response cipher.AEAD
	embed    bool // the answer's body shall be JSON within JSON, not its text
	raw      bool // the answer shall be the sealed bytes, not their base64
}

// Open takes the layer that is sealed for node off a posted body. It returns ErrOuter or ErrCiphertext, each with its
// cause, or ErrVersion. A low-order or undecodable ephemeral key is ErrCiphertext, as at the 2020 server. A layer
// that opens is never an error: what it asks for, if anything, is its Step.
func Open(version Version, node x25519.KeyPair, body []byte) (*Layer, error) {
	return openLayer(version, node, body, func(Cipher) error { return nil })
}

// OpenAuthenticated is Open at a node that knows no [AESCBC], as storage servers after 2.8.0: a body that is sealed in it
// is ErrOuter with ErrCipher, a layer whose next one is sealed in it is Malformed.
func OpenAuthenticated(version Version, node x25519.KeyPair, body []byte) (*Layer, error) {
	return openLayer(version, node, body, func(kind Cipher) error {
		if kind == AESCBC {
			return ErrCipher
		}
		return nil
	})
}

// openLayer is Open with the ciphers that knows returns no error for.
func openLayer(version Version, node x25519.KeyPair, body []byte, knows func(Cipher) error) (*Layer, error) {
	format, err := version.format()
	if err != nil {
		return nil, err
	}
	outer, err := format.parseBody(body)
	if err != nil {
		return nil, err
	}
	if err := knows(outer.cipher); err != nil {
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
	if err != nil || knows(layer.next) != nil {
		layer = Layer{Step: Malformed}
	}
	layer.response, layer.Hops = aead, outer.hops
	return &layer, nil
}

// parseKey reads an ephemeral key: 64 hex digits.
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
