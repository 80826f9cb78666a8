package node

import (
	"encoding/json"
	"net/http"
	"time"

	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/rpc"
)

// PushPath is where nodes give each other messages. The exchange is our own: a signed POST of encoded records one after the
// other; the answer is a pushAnswer.
const PushPath = "/swarms/push/v2"

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
func (n *Node) servePush(r *http.Request, view *ring.View, from *ring.Peer, body []byte) (answer, error) {
	records, err := store.DecodeRecords(body)
	if err != nil {
		return answer{}, refuse(rpc.StatusBadRequest, "%v\n", err)
	}
	n.pause(r, n.behaviour.arrivalDelay())
	n.behaviour.shuffle(records)
	stored, err := n.keep(records, view, from)
	if err != nil {
		return answer{}, err
	}
	refused := len(records) - stored
	n.log.Debug("took pushed messages", "from", from.Name(), "stored", stored, "refused", refused)
	return jsonAnswer(rpc.StatusOK, pushAnswer{Stored: stored, Refused: refused})
}

// keep stores those of records, which another node has, that this node accepts, and returns their number.
func (n *Node) keep(records []store.Record, view *ring.View, from *ring.Peer) (stored int, err error) {
	now, fellow := n.now(), fellowMember(view, from) == nil
	var accepted []store.Entry
	var messages []store.Message
	for _, r := range records {
		if !n.accepts(r, view, fellow, now) {
			continue
		}
		accepted = append(accepted, store.NewReplicaUpdate(r, fellow))
		if !r.Version.Deleted {
			messages = append(messages, r.Message)
		}
	}
	if len(accepted) == 0 {
		return 0, nil
	}
	if err := n.store.Write(accepted...); err != nil {
		return 0, err
	}
	n.handOverIfMoved(view, messages...)
	return len(accepted), nil
}

// accepts does the checks of a client's store, as far as the record of another node allows: today's clients sign for a
// minute, and nobody else sees that. The other node's clock may differ, so times may lie further ahead, and the difficulty
// is that of the message's time. That something was deleted is believed of fellow members only.
func (n *Node) accepts(r store.Record, view *ring.View, fellow bool, now time.Time) bool {
	latest := now.Add(rpc.MaxPrivateTTL + peerWindow).UnixMilli()
	if !view.Owns(r.Name.Owner()) || r.Version.Expiration <= now.UnixMilli() || r.Version.Expiration > latest {
		return false
	}
	if r.Version.Deleted {
		return fellow
	}
	m := r.Message
	timestamp, ok := m.TimestampMillis()
	if _, alive := m.TTLMillis(); !ok || !alive || timestamp > now.UnixMilli()+rpc.MaxFutureMillis+peerWindow.Milliseconds() {
		return false
	}
	if m.Hash.Is28() {
		return m.Canonical()
	}
	return m.Namespace == rpc.NamespaceMessages && m.Hash == store.NewMessage20(m.Params20()).Hash && m.Meets(n.difficulty.at(timestamp))
}
