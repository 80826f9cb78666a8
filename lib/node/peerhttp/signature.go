package peerhttp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/xeddsa"
)

// Headers of a signed request between nodes.
const (
	SenderHeader    = "X-Node-Pubkey"    // Ed25519 key of the sender, lower-case hex
	TimestampHeader = "X-Node-Timestamp" // the sender's clock, milliseconds since 1970
	DigestHeader    = "X-Node-Digest"    // SHA-256 of the body, lower-case hex
	SignatureHeader = "X-Node-Signature" // base64, over signedText
)

// Window is how far the clocks of two nodes may differ.
const Window = 60 * time.Second

var ErrSignature = errors.New("request is not signed by its sender for this node")

// signedText is what the sender signs: a label for this use of its key, the receiver's name, the path, its own clock
// and the body's digest. The digest stands in a header, so that a stranger is refused before the body is read. A
// captured request can be replayed within Window, which has no effect: all requests between nodes may arrive twice,
// and the answer goes to the TLS client that was verified.
func signedText(receiver, path, timestamp, digest string) []byte {
	return fmt.Appendf(nil, "sessiontool node v1|%s|%s|%s|%s", receiver, path, timestamp, digest)
}

func bodyDigest(body []byte) string {
	digest := sha256.Sum256(body)
	return hex.EncodeToString(digest[:])
}

// Sign sets the headers of a request with this body to a path of receiver. now is the sender's clock.
func Sign(header http.Header, keys ring.Keys, receiver, path string, now time.Time, body []byte) {
	timestamp, digest := strconv.FormatInt(now.UnixMilli(), 10), bodyDigest(body)
	signature := keys.Ed25519.Sign(signedText(receiver, path, timestamp, digest))
	header.Set(SenderHeader, keys.Name())
	header.Set(TimestampHeader, timestamp)
	header.Set(DigestHeader, digest)
	header.Set(SignatureHeader, base64.StdEncoding.EncodeToString(signature[:]))
}

// Errors of Verify and VerifyBody.
var (
	ErrUnknownNode = errors.New("request is not from a listed node")
	ErrClock       = errors.New("request is from another time")
)

// Verify returns the listed node that signed the headers of a request to receiver, a node's name. It does not read the
// body: see VerifyBody. The error is ErrUnknownNode, ErrClock or ErrSignature.
func Verify(r *http.Request, receiver string, view *ring.View, now time.Time) (*ring.Peer, error) {
	from := view.Peers[r.Header.Get(SenderHeader)]
	if from == nil {
		return nil, ErrUnknownNode
	}
	text := r.Header.Get(TimestampHeader)
	timestamp, err := strconv.ParseInt(text, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(timestamp)).Abs() > Window {
		return nil, ErrClock
	}
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(SignatureHeader))
	signed := signedText(receiver, r.URL.Path, text, r.Header.Get(DigestHeader))
	if err != nil || len(signature) != xeddsa.SignatureSize ||
		!xeddsa.VerifyStrict(from.Ed25519, signed, [xeddsa.SignatureSize]byte(signature)) {
		return nil, ErrSignature
	}
	return from, nil
}

// VerifyBody returns ErrSignature unless the body has the digest that its sender signed.
func VerifyBody(header http.Header, body []byte) error {
	if bodyDigest(body) != header.Get(DigestHeader) {
		return ErrSignature
	}
	return nil
}
