package replication

import (
	"context"
	"encoding/json"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// PushPath is where nodes push messages to each other: a signed POST of encoded records one after the other. The
// answer is a pushAnswer in JSON.
const PushPath = "/swarms/push/v2"

// maxPushAnswer bounds the answer of a peer.
const maxPushAnswer = 4 << 10

// pushAnswer counts what the receiver did with the records. Those that it had already count as stored.
type pushAnswer struct {
	Stored  int `json:"stored"`
	Refused int `json:"refused"`
}

func parsePushAnswer(text []byte) (counts pushAnswer, err error) {
	err = json.Unmarshal(text, &counts)
	return counts, err
}

// servePush stores the pushed records that this node would have accepted from a client.
func (rep *Replication) servePush(
	ctx context.Context, view *ring.View, from *ring.Peer, body []byte,
) ([]byte, error) {
	records, err := store.DecodeRecords(body)
	if err != nil {
		return nil, refuseRequest(storage.StatusBadRequest, "%v\n", err)
	}
	if rep.arrived != nil {
		rep.arrived(ctx, records)
	}
	stored, err := rep.keep(records, view, from)
	if err != nil {
		return nil, err
	}
	refused := len(records) - stored
	rep.log.Debug("took pushed messages", "from", from.Name(), "stored", stored, "refused", refused)
	return json.Marshal(pushAnswer{Stored: stored, Refused: refused})
}

// keep stores those records of another node that this node accepts, and returns their number.
func (rep *Replication) keep(records []store.Record, view *ring.View, from *ring.Peer) (stored int, err error) {
	now, sameSwarm := rep.now(), view.SharesSwarm(from)
	var accepted []store.Entry
	var messages []store.Message
	for _, r := range records {
		if !rep.accepts(r, view, sameSwarm, now) {
			continue
		}
		accepted = append(accepted, store.NewReplicaUpdate(r, sameSwarm))
		if !r.Version.Deleted {
			messages = append(messages, r.Message)
		}
	}
	if len(accepted) == 0 {
		return 0, nil
	}
	if err := rep.store.Write(accepted...); err != nil {
		return 0, err
	}
	rep.HandOverIfMoved(view, messages...)
	return len(accepted), nil
}

// accepts makes the checks of a client's store that a record of another node allows. A client's signature of storage
// RPC 2.8 holds for a minute and is not passed on. The other node's clock may differ by peerhttp.Window. The
// difficulty is that of the message's time. Tombstones are accepted from members of the same swarm only.
func (rep *Replication) accepts(r store.Record, view *ring.View, sameSwarm bool, now time.Time) bool {
	latest := now.Add(rpc28.MaxPrivateTTL + peerhttp.Window).UnixMilli()
	if !view.Owns(r.Name.Owner()) || r.Version.Expiration <= now.UnixMilli() || r.Version.Expiration > latest {
		return false
	}
	if r.Version.Deleted {
		return sameSwarm
	}
	m := r.Message
	timestamp, ok := m.TimestampMillis()
	newest := now.UnixMilli() + storage.MaxFutureMillis + peerhttp.Window.Milliseconds()
	if _, alive := m.TTLMillis(); !ok || !alive || timestamp > newest {
		return false
	}
	if m.Hash.Is28() {
		return m.Canonical()
	}
	return m.Namespace == rpc28.NamespaceMessages && m.Hash == store.NewMessage20(m.Params20()).Hash &&
		m.Meets(rep.difficulty(timestamp))
}
