// Package onion wraps a storage RPC request in layers of encryption, one per node of a path, and takes one layer off
// as a node does. It knows both formats that service nodes of 2020 serve (signal-2020.md section 13;
// storage-2.0.md section 7).
//
// It promises that a request for given keys and nonces is, byte for byte, the one that Session Desktop makes; that no
// input makes it panic or allocate more than a small multiple of its size; and that a node learns from its layer
// the next node's key and nothing behind it. It is pure: bytes in, bytes out, randomness passed in.
package onion

import (
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"sessiontool/lib/x25519"
)

const (
	// MaxRelays bounds the relays in front of the target. Clients use 3 (signal-2020.md section 13).
	MaxRelays = 15
	// MaxBody is the largest HTTP body in bytes that a node accepts (storage-2.0.md section 1.1).
	MaxBody = 10 << 20
)

var (
	// ErrTooManyRelays reports a path of more than MaxRelays relays.
	ErrTooManyRelays = errors.New("onion path is too long")
	// ErrTooLarge reports a request that has grown beyond MaxBody.
	ErrTooLarge = errors.New("onion request is larger than nodes accept")
	// ErrNotText reports a payload or an answer that has to travel as JSON text and is not UTF-8.
	ErrNotText = errors.New("text is not valid UTF-8")
	// ErrVersion reports a Version other than V1 and V2.
	ErrVersion = errors.New("unknown onion version")
)

// Version names one of the two formats.
type Version int

const (
	// V1 is JSON with base64 at every layer (Session Desktop 1.0.7 to 1.4.1).
	V1 Version = 1
	// V2 is binary with a JSON tail at every layer (from Session Desktop 1.4.2).
	V2 Version = 2
)

// Path returns where a node serves requests of this version, or "" for an unknown one.
func (v Version) Path() string {
	switch v {
	case V1:
		return "/onion_req"
	case V2:
		return "/onion_req/v2"
	}
	return ""
}

// format is what differs between the versions.
type format interface {
	// final makes the plaintext of the target's layer.
	final(payload []byte) ([]byte, error)
	// layer encodes a sealed layer: as the plaintext of the relay before it, which needs to know the destination, or,
	// with an empty destination, as the body to post to the node that can open it.
	layer(destination string, kind Cipher, ephemeral x25519.PublicKey, sealed []byte) []byte
	// parseBody reads a posted body.
	parseBody(body []byte) (outer, error)
	// parseLayer reads an opened layer. It fails if the layer says neither where to go nor what to do.
	parseLayer(plaintext []byte) (Layer, error)
}

// outer is what stands around a sealed layer.
type outer struct {
	ephemeral string // key in hex
	sealed    []byte
	cipher    Cipher
	hops      int
}

func (v Version) format() (format, error) {
	switch v {
	case V1:
		return formatV1{}, nil
	case V2:
		return formatV2{}, nil
	}
	return nil, fmt.Errorf("%w: %d", ErrVersion, int(v))
}

// Hop is a service node on a path: the key that names it, the key that its layer is sealed for, and how. In version 1
// every layer is sealed with AESGCM.
type Hop struct {
	Ed25519 [32]byte
	X25519  x25519.PublicKey
	Cipher  Cipher
}

// Request is a wrapped request. Body is what to post to the first hop, at the version's Path. The Request also
// holds the key of the target's layer, which the answer comes back under; nobody else can open it.
type Request struct {
	Body     []byte
	response cipher.AEAD
}

// Wrap seals payload, the JSON text of a storage RPC request, for target and then for each of relays from the last
// to the first, the guard. No relays at all means that the target is asked directly, in one layer.
//
// For each layer, innermost first, it draws from random an ephemeral private key (32 bytes, which it clamps) and a
// nonce (12 bytes; 24 with XChaCha20, 16 with AESCBC). It returns ErrVersion, ErrCipher, ErrTooManyRelays, ErrTooLarge, ErrNotText (version 1),
// x25519.ErrLowOrder for a hop whose key is no real key, or random's error.
func Wrap(random io.Reader, version Version, relays []Hop, target Hop, payload []byte) (*Request, error) {
	format, err := version.format()
	if err != nil {
		return nil, err
	}
	if len(relays) > MaxRelays {
		return nil, fmt.Errorf("%w: %d relays, at most %d", ErrTooManyRelays, len(relays), MaxRelays)
	}
	next, err := format.final(payload)
	if err != nil {
		return nil, err
	}
	request := &Request{}
	for i, hop := range slices.Backward(append(slices.Clone(relays), target)) {
		if len(next) > MaxBody {
			return nil, ErrTooLarge
		}
		if version == V1 && hop.Cipher != AESGCM {
			return nil, ErrCipher
		}
		ephemeral, sealed, aead, err := sealFor(random, hop.Cipher, hop.X25519, next)
		if err != nil {
			return nil, err
		}
		if request.response == nil {
			request.response = aead // the target's layer comes first
		}
		var destination string // the guard needs none: it gets the body
		if i > 0 {
			destination = hex.EncodeToString(hop.Ed25519[:])
		}
		next = format.layer(destination, hop.Cipher, ephemeral, sealed)
	}
	if len(next) > MaxBody {
		return nil, ErrTooLarge
	}
	request.Body = next
	return request, nil
}
