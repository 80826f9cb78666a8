// Package onion encrypts a storage RPC request in layers, one for each hop of a path, and opens one layer as a hop
// does. It has both formats of the service nodes of 2020 (signal-2020.md section 13; storage-2.0.md section 7).
//
// It promises the bytes of Session Desktop for given keys and nonces, that no input makes it panic or allocate more
// than a small multiple of its size, and that a hop learns the next hop's key and nothing about later hops. It is pure:
// randomness is passed in.
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
	// MaxRelays bounds the relays before the target. Clients use 3 (signal-2020.md section 13).
	MaxRelays = 15
	// MaxBody is the largest HTTP body in bytes that a node accepts (storage-2.0.md section 1.1).
	MaxBody = 10 << 20
)

var (
	// ErrTooManyRelays reports a path of more than MaxRelays relays.
	ErrTooManyRelays = errors.New("onion path is too long")
	// ErrTooLarge reports a wrapped request longer than MaxBody.
	ErrTooLarge = errors.New("onion request is larger than nodes accept")
	// ErrNotText reports a payload or a response body that the format carries as a JSON string and that is not UTF-8.
	ErrNotText = errors.New("text is not valid UTF-8")
	// ErrVersion reports a Version other than V1 and V2.
	ErrVersion = errors.New("unknown onion version")
)

// Version is one of the two formats.
type Version int

const (
	// V1 has JSON with base64 in every layer (Session Desktop 1.0.7 to 1.4.1).
	V1 Version = 1
	// V2 has bytes with a JSON object behind them in every layer (from Session Desktop 1.4.2).
	V2 Version = 2
)

// Path returns the URL path at which a node serves requests of this version, or "" for an unknown version.
func (v Version) Path() string {
	switch v {
	case V1:
		return "/onion_req"
	case V2:
		return "/onion_req/v2"
	}
	return ""
}

// format has the encoding of one version.
type format interface {
	// final returns the plaintext of the target's layer, with room for so many layers.
	final(payload []byte, layers int) (*layerText, error)
	// layer encodes a sealed layer in place. With a destination the result is the plaintext of the layer of the hop
	// before. With an empty destination it is the body of the HTTP request to the guard.
	layer(destination string, kind Cipher, ephemeral x25519.PublicKey, sealed *layerText)
	// parseBody decodes the body of an HTTP request.
	parseBody(body []byte) (outer, error)
	// parseLayer decodes the plaintext of a layer. It returns an error if the plaintext has no instruction for the hop.
	parseLayer(plaintext []byte) (Layer, error)
}

// outer is the decoded body of an HTTP request: a sealed layer with what opens it.
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

// Hop is a service node of a path. Ed25519 identifies it, and X25519 and Cipher encrypt its layer. Version 1 has only
// AESGCM.
type Hop struct {
	Ed25519 [32]byte
	X25519  x25519.PublicKey
	Cipher  Cipher
}

// Request is a wrapped request. Body is the HTTP body to post to the first hop at the version's Path. The Request also
// holds the key of the target's layer, which encrypts the response. Only the target and the sender have this key.
type Request struct {
	Body     []byte
	response cipher.AEAD
}

// Wrap encrypts payload, the JSON text of a storage RPC request, for target and then for each relay from the last to
// the first, which is the guard. Without relays the request has one layer and goes to the target directly. A payload
// that [Pad] filled up asks for a response that is padded, too.
//
// For each layer, innermost first, Wrap reads from random an ephemeral private key (32 bytes, which it clamps) and a
// nonce (12 bytes; 24 with XChaCha20, 16 with AESCBC). It returns ErrVersion, ErrCipher, ErrTooManyRelays, ErrTooLarge,
// ErrNotText (version 1), x25519.ErrLowOrder for a hop with a key of low order, or random's error.
func Wrap(random io.Reader, version Version, relays []Hop, target Hop, payload []byte) (*Request, error) {
	format, err := version.format()
	if err != nil {
		return nil, err
	}
	if len(relays) > MaxRelays {
		return nil, fmt.Errorf("%w: %d relays, at most %d", ErrTooManyRelays, len(relays), MaxRelays)
	}
	next, err := format.final(payload, len(relays)+1)
	if err != nil {
		return nil, err
	}
	if isPadded(payload) {
		next.buffer = askForPadding(next.buffer)
	}
	request := &Request{}
	for i, hop := range slices.Backward(append(slices.Clone(relays), target)) {
		if len(next.content()) > MaxBody {
			return nil, ErrTooLarge
		}
		if version == V1 && hop.Cipher != AESGCM {
			return nil, ErrCipher
		}
		ephemeral, aead, err := sealFor(random, hop.Cipher, hop.X25519, next)
		if err != nil {
			return nil, err
		}
		if request.response == nil {
			request.response = aead // the target's layer comes first
		}
		var destination string // empty for the guard, which receives the body
		if i > 0 {
			destination = hex.EncodeToString(hop.Ed25519[:])
		}
		format.layer(destination, hop.Cipher, ephemeral, next)
	}
	if len(next.content()) > MaxBody {
		return nil, ErrTooLarge
	}
	request.Body = next.content()
	return request, nil
}
