package replication

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/ring"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// PushPath is the path of a push: a signed POST of encoded records ([store.AppendRecords]). The answer is a pushAnswer
// in JSON.
const PushPath = "/swarms/push/v3"

// maxPushAnswer bounds the answer of a peer.
const maxPushAnswer = 4 << 10

// pushAnswer counts the stored and the refused records. Records that the receiver had already count as stored.
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

// keep stores the records of another node that pass recordCheck, and returns their number.
func (rep *Replication) keep(records []store.Record, view *ring.View, from *ring.Peer) (stored int, err error) {
	now, sameSwarm := rep.now(), view.SharesSwarm(from)
	check := &recordCheck{rep: rep, view: view, now: now}
	var accepted []store.Entry
	var messages []store.Message
	for _, r := range records {
		if !check.accepts(r) {
			continue
		}
		accepted = append(accepted, store.NewReplicaUpdate(r, sameSwarm, rep.readRequest))
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
	if rep.kept != nil {
		rep.kept(from, messages, len(accepted))
	}
	rep.HandOverIfMoved(view, messages...)
	return len(accepted), nil
}

// readRequest is a store.ReadRequest.
func (rep *Replication) readRequest(owner string, request []byte) (store.Request, error) {
	return rep.request(owner, request)
}

// recordCheck checks the records of one exchange with another node. Deleting a message, shortening its time, or storing
// it in a namespace that needs the owner's signature always requires the owner's signed request.
type recordCheck struct {
	rep  *Replication
	view *ring.View
	now  time.Time

	// The last request of an owner, because records of one request follow each other.
	owner   string
	request []byte
	read    Request
	err     error
}

// signed parses a request that came with a record and reports whether the owner signed it.
func (c *recordCheck) signed(owner string, request []byte) (Request, bool) {
	if c.owner != owner || !bytes.Equal(c.request, request) {
		c.read, c.err = c.rep.request(owner, request)
		c.owner, c.request = owner, request
	}
	return c.read, c.err == nil
}

// accepts reports whether a record passes the checks of a client's store, as far as they apply to a replica. The other
// node's clock may differ by [peerhttp.Window]. The proof of work is checked with the difficulty at the message's time.
func (c *recordCheck) accepts(r store.Record) bool {
	now := c.now.UnixMilli()
	owner, v := r.Name.Owner(), r.Version
	latest := now + (rpc28.MaxPrivateTTL + peerhttp.Window).Milliseconds()
	newest := now + storage.MaxFutureMillis + peerhttp.Window.Milliseconds()
	if !c.view.Owns(owner) || v.Expiration <= now || v.Expiration > latest || v.Number > uint64(max(newest, 0)) {
		return false
	}
	if v.Deleted {
		request, ok := c.signed(owner, r.Request)
		return ok && request.MayDelete(r.Name) && len(r.Stored) == 0
	}
	timestamp, ok := r.Message.TimestampMillis()
	if _, alive := r.Message.TTLMillis(); !ok || !alive || timestamp > newest {
		return false
	}
	return c.genuine(r.Message, timestamp) && c.stored(r) && c.expires(r)
}

// genuine reports whether a message's hash follows from its texts and its proof of work suffices. A message of storage
// RPC 2.8 has none.
func (c *recordCheck) genuine(m store.Message, timestamp int64) bool {
	if m.Hash.Is28() {
		return !c.rep.provedOnly && m.Canonical()
	}
	return m.Namespace == rpc28.NamespaceMessages && m.Hash == store.NewMessage20(m.Params20()).Hash &&
		m.Meets(c.rep.difficulty(timestamp))
}

// stored reports whether the owner signed the store of a message, in namespaces that require it.
func (c *recordCheck) stored(r store.Record) bool {
	if r.Message.Namespace.StoreIsPublic() {
		return len(r.Stored) == 0
	}
	request, ok := c.signed(r.Name.Owner(), r.Stored)
	return ok && request.Stores(r.Message)
}

// expires reports whether a message has the expiration that its sender or its owner chose. A message of storage RPC 2.8
// may expire later than its own texts say, because a client can store it again with a longer TTL.
func (c *recordCheck) expires(r store.Record) bool {
	if len(r.Request) == 0 {
		own, expiration := r.Message.ExpirationMillis(), r.Version.Expiration
		latest := c.now.Add(r.Message.Namespace.MaxTTL() + peerhttp.Window).UnixMilli()
		return expiration == own || r.Message.Hash.Is28() && own < expiration && expiration <= latest
	}
	request, ok := c.signed(r.Name.Owner(), r.Request)
	return ok && request.Expires(r.Message, r.Version.Expiration)
}
