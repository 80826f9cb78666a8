package node

import (
	"encoding/json"
	"net/http"
	"time"

	"sessiontool/lib/rpc"
)

// PushPath is where nodes give each other messages. The exchange is our own: a signed POST of encoded messages one
// after the other; the answer is a pushAnswer.
const PushPath = "/swarms/push/v1"

// maxPushAnswer bounds what is read of a peer's answer.
const maxPushAnswer = 4 << 10

// pushAnswer counts what became of the pushed messages. Those that were there already count as stored.
type pushAnswer struct {
	Stored  int `json:"stored"`
	Refused int `json:"refused"`
}

func parsePushAnswer(text []byte) (counts pushAnswer, err error) {
	err = json.Unmarshal(text, &counts)
	return counts, err
}

// servePush takes messages from another node and keeps those that this node would have taken from a client.
func (n *Node) servePush(r *http.Request, view *view, from *peer, body []byte) (answer, error) {
	messages, err := decodeMessages(body)
	if err != nil {
		return answer{}, refuse(rpc.StatusBadRequest, "%v\n", err)
	}
	stored, err := n.keep(messages, view)
	if err != nil {
		return answer{}, err
	}
	refused := len(messages) - stored
	n.log.Debug("took pushed messages", "from", from.name(), "stored", stored, "refused", refused)
	return jsonAnswer(rpc.StatusOK, pushAnswer{Stored: stored, Refused: refused})
}

// keep stores those of messages, which another node has, that this node accepts, and returns their number.
func (n *Node) keep(messages []message, view *view) (stored int, err error) {
	now, accepted := n.now(), make([]message, 0, len(messages))
	for _, m := range messages {
		if n.acceptsPushed(m, view, now) {
			accepted = append(accepted, m)
		}
	}
	if len(accepted) == 0 {
		return 0, nil
	}
	if err := n.store.insert(false, accepted...); err != nil {
		return 0, err
	}
	n.handOverIfMoved(view, accepted...)
	return len(accepted), nil
}

// acceptsPushed does the checks of a client's store. The other node's clock may differ, so a timestamp may lie further
// ahead, and the difficulty is that of the message's time.
func (n *Node) acceptsPushed(m message, view *view, now time.Time) bool {
	if !view.owns(m.PubKey) || m.checkTimes(now.UnixMilli(), rpc.MaxFutureMillis+peerWindow.Milliseconds()) != nil {
		return false
	}
	timestamp, _ := m.timestamp() // checked just now
	return m.hash == newMessage(m.params()).hash && m.meets(n.difficulty.at(timestamp))
}
