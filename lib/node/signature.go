package node

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/rpc"
)

// Headers of a signed request between nodes.
const (
	senderHeader    = "X-Node-Pubkey"    // Ed25519 key of the sender, lower-case hex
	timestampHeader = "X-Node-Timestamp" // the sender's clock, milliseconds since 1970
	digestHeader    = "X-Node-Digest"    // SHA-256 of the body, lower-case hex
	signatureHeader = "X-Node-Signature" // base64, over signedText
)

// peerWindow is how far the clocks of two nodes may differ.
const peerWindow = 60 * time.Second

var errPeerSignature = refusal{rpc.StatusUnauthorized, "Could not verify batch signature\n"}

// signedText is what the sender signs: a name for this use of its key, the receiver's name, the path, its own clock and
// the body's digest. The digest stands in a header, so that a stranger is turned away before the body is read. Who gets
// hold of a request can repeat it within peerWindow, which does nothing: all requests between nodes may arrive twice, and
// their answers go to whoever holds the connection, which takes the receiver's key to open.
func signedText(receiver, path, timestamp, digest string) []byte {
	return fmt.Appendf(nil, "sessiontool node v1|%s|%s|%s|%s", receiver, path, timestamp, digest)
}

func bodyDigest(body []byte) string {
	digest := sha256.Sum256(body)
	return hex.EncodeToString(digest[:])
}

// sign sets the headers of a request with this body to a path of receiver.
func sign(header http.Header, keys ring.Keys, receiver, path string, now time.Time, body []byte) {
	timestamp, digest := strconv.FormatInt(now.UnixMilli(), 10), bodyDigest(body)
	signature := keys.Ed25519.Sign(signedText(receiver, path, timestamp, digest))
	header.Set(senderHeader, keys.Name())
	header.Set(timestampHeader, timestamp)
	header.Set(digestHeader, digest)
	header.Set(signatureHeader, base64.StdEncoding.EncodeToString(signature[:]))
}

// peerService answers a request of another node that is known to be from it. view is the list that it was checked
// against.
type peerService func(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error)

// fromPeer serves a request of another node, if it is from a node of the current list and signed by it for this node,
// path, body and time.
func (n *Node) fromPeer(w http.ResponseWriter, r *http.Request, serve peerService) {
	result, err := n.checkPeer(w, r, serve)
	if err != nil {
		result = n.failure(r.Context(), "serving another node", err)
	}
	n.counters.pushes.Add(r.URL.Path, result.status)
	n.write(w, result)
}

func (n *Node) checkPeer(w http.ResponseWriter, r *http.Request, serve peerService) (answer, error) {
	n.storing.Add(1)
	defer n.storing.Add(-1)
	view := n.members.View()
	from, err := n.signer(r, view)
	if err != nil {
		return answer{}, err
	}
	body, done, err := n.largeBodies.readBody(w, r)
	defer done()
	if errors.Is(err, errBodyTooLarge) {
		return answer{}, refuse(http.StatusRequestEntityTooLarge, "%v\n", err)
	}
	if err != nil {
		return answer{}, err
	}
	if bodyDigest(body) != r.Header.Get(digestHeader) {
		return answer{}, errPeerSignature
	}
	return serve(r, view, from, body)
}

// signer returns the node that signed the headers of a request.
func (n *Node) signer(r *http.Request, view *ring.View) (*ring.Peer, error) {
	from := view.Peers[r.Header.Get(senderHeader)]
	if from == nil {
		return nil, refuse(rpc.StatusUnauthorized, "Unknown service node\n")
	}
	text := r.Header.Get(timestampHeader)
	timestamp, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n.now().Sub(time.UnixMilli(timestamp)).Abs() > peerWindow {
		return nil, errTimestamp
	}
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(signatureHeader))
	signed := signedText(n.keys.Name(), r.URL.Path, text, r.Header.Get(digestHeader))
	if err != nil || !ed25519.Verify(from.Ed25519[:], signed, signature) {
		return nil, errPeerSignature
	}
	return from, nil
}
