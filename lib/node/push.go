package node

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"sessiontool/lib/rpc"
)

// PushPath is where nodes give each other messages. The exchange is our own: POST of encoded messages one after the
// other, with the headers below; the answer is a pushAnswer.
const PushPath = "/swarms/push/v1"

// Headers of a push.
const (
	senderHeader    = "X-Node-Pubkey"    // Ed25519 key of the sender, lower-case hex
	timestampHeader = "X-Node-Timestamp" // the sender's clock, milliseconds since 1970
	signatureHeader = "X-Node-Signature" // base64, over pushText
)

// pushWindow is how far the clocks of two nodes may differ.
const pushWindow = 60 * time.Second

// pushAnswer counts what became of the pushed messages. Those that were there already count as stored.
type pushAnswer struct {
	Stored  int `json:"stored"`
	Refused int `json:"refused"`
}

// pushText is what the sender signs: a name for this use of its key, the receiver's name, its own clock and the
// body. An eavesdropper can repeat a push within pushWindow, which does nothing: the messages are there already.
func pushText(receiver, timestamp string, body []byte) []byte {
	return fmt.Appendf(nil, "sessiontool push v1|%s|%s|%x", receiver, timestamp, sha256.Sum256(body))
}

// signPush sets the headers of a push of body to receiver.
func signPush(header http.Header, keys Keys, receiver string, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	signature := keys.Ed25519.Sign(pushText(receiver, timestamp, body))
	header.Set(senderHeader, keys.Name())
	header.Set(timestampHeader, timestamp)
	header.Set(signatureHeader, base64.StdEncoding.EncodeToString(signature[:]))
}

// servePush takes messages from another node and keeps those that this node would have taken from a client.
func (n *Node) servePush(w http.ResponseWriter, r *http.Request) answer {
	result, err := n.push(w, r)
	if err != nil {
		return n.failure(r.Context(), "taking pushed messages", err)
	}
	return result
}

func (n *Node) push(w http.ResponseWriter, r *http.Request) (answer, error) {
	now, view := n.now(), n.members.view()
	sender, err := knownSender(r.Header, view, now)
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
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(signatureHeader))
	if err != nil || !ed25519.Verify(sender.ed25519[:], pushText(n.keys.Name(), r.Header.Get(timestampHeader), body), signature) {
		return answer{}, refuse(rpc.StatusUnauthorized, "Could not verify batch signature\n")
	}
	messages, err := decodeMessages(body)
	if err != nil {
		return answer{}, refuse(rpc.StatusBadRequest, "%v\n", err)
	}
	accepted := make([]message, 0, len(messages))
	for _, m := range messages {
		if n.acceptsPushed(m, view, now) {
			accepted = append(accepted, m)
		}
	}
	if len(accepted) > 0 {
		if err := n.store.insert(r.Context(), accepted...); err != nil {
			return answer{}, err
		}
	}
	refused := len(messages) - len(accepted)
	n.log.Debug("took pushed messages", "from", sender.name(), "stored", len(accepted), "refused", refused)
	return jsonAnswer(rpc.StatusOK, pushAnswer{Stored: len(accepted), Refused: refused})
}

// knownSender looks at everything that can be checked before the body is read.
func knownSender(header http.Header, view *view, now time.Time) (*peer, error) {
	sender := view.peers[header.Get(senderHeader)]
	if sender == nil {
		return nil, refuse(rpc.StatusUnauthorized, "Unknown service node\n")
	}
	timestamp, err := strconv.ParseInt(header.Get(timestampHeader), 10, 64)
	if err != nil || now.Sub(time.UnixMilli(timestamp)).Abs() > pushWindow {
		return nil, errTimestamp
	}
	return sender, nil
}

// acceptsPushed does the checks of a client's store. The other node's clock may differ, so a timestamp may lie further
// ahead, and the difficulty is that of the message's time.
func (n *Node) acceptsPushed(m message, view *view, now time.Time) bool {
	if !view.owns(m.PubKey) || m.checkTimes(now.UnixMilli(), rpc.MaxFutureMillis+pushWindow.Milliseconds()) != nil {
		return false
	}
	timestamp, _ := m.timestamp() // checked just now
	return m.hash == newMessage(m.params()).hash && m.meets(n.difficulty.at(timestamp))
}
