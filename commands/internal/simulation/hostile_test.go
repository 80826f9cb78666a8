//go:build unix

package simulation

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"sessiontool/lib/node/peerhttp"
	"sessiontool/lib/node/replication"
	"sessiontool/lib/node/store"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// mood is how a hostile node lies for a while.
type mood string

const (
	moodHonest     mood = "honest"
	moodWrongSwarm mood = "wrong swarm" // it answers 421 and names its accomplices
	moodPretends   mood = "pretends"    // it takes messages and stores none, and has none for their owners
	moodWithholds  mood = "withholds"   // it has no messages for their owners
	moodRepeats    mood = "repeats"     // it gives its whole list each time
	moodForges     mood = "forges"      // it changes messages, and adds some
	moodClock      mood = "clock"       // it refuses every time as wrong
	moodProof      mood = "proof"       // it wants an endless proof of work
	moodDrops      mood = "drops"       // it relays no requests
	moodSlow       mood = "slow"        // it answers after many seconds
)

var moods = []mood{
	moodHonest, moodWrongSwarm, moodPretends, moodWithholds, moodRepeats, moodForges, moodClock, moodProof, moodDrops,
	moodSlow,
}

// moodLasts is how long a mood lasts.
const moodLasts = 40 * time.Second

// hostility is how a member of the network lies. A nil one is honest.
type hostility struct {
	world *world

	mu   sync.Mutex
	seen []store.Message // that it was asked to store
}

func newHostility(w *world) *hostility { return &hostility{world: w} }

// mood returns the present mood of the node. It follows from the seed and the time alone. Until the friends of the
// schedule are made, all nodes are honest.
func (m *machine) mood() mood {
	if m.hostile == nil || !m.world.befriended.Load() {
		return moodHonest
	}
	period := int(m.world.elapsed() / moodLasts)
	return moods[m.world.source(fmt.Sprint("mood ", m.index, " ", period)).IntN(len(moods))]
}

// meets returns the answer of a hostile node to a client's request, and whether it forges one without its node.
func (m *machine) meets(body []byte) (changed []byte, forged *answered) {
	if m.hostile == nil {
		return body, nil
	}
	method, now := gjson.GetBytes(body, "method").Str, m.mood()
	if seen, ok := m.world.messageIn(body); ok {
		m.hostile.mu.Lock()
		m.hostile.seen = append(m.hostile.seen, seen)
		m.hostile.mu.Unlock()
	}
	m.world.count("lies: "+string(now), 1)
	retrieves := method == storage.MethodRetrieve
	swarm := method == storage.MethodSwarm || method == rpc28.MethodGetSwarm
	switch {
	case now == moodWrongSwarm && swarm:
		return body, &answered{storage.StatusOK, m.world.accomplices()}
	case now == moodWrongSwarm:
		return body, &answered{storage.StatusWrongSwarm, m.world.accomplices()}
	case method == storage.MethodStore && (now == moodPretends || !m.world.owns(m, ownerOf(body))):
		return body, &answered{storage.StatusOK, m.pretended(body)}
	case retrieves && (now == moodPretends || now == moodWithholds):
		return body, &answered{storage.StatusOK, []byte(`{"messages":[],"more":false,"hf":[19,1]}`)}
	case now == moodClock:
		return body, &answered{storage.StatusBadTimestamp, []byte("Timestamp error: check your clock\n")}
	case now == moodProof && method == storage.MethodStore:
		return body, &answered{storage.StatusBadProofOfWork, []byte(`{"difficulty":1000000}`)}
	case now == moodRepeats && retrieves:
		return fromTheBeginning(body), nil
	}
	return body, nil
}

// is28 reports whether people and nodes speak storage RPC 2.8.
func (w *world) is28() bool { return w.schedule.Storage == storage.Generation28 }

// ownerOf returns the recipient or owner that a request names.
func ownerOf(body []byte) string {
	params := gjson.GetBytes(body, "params")
	return cmp.Or(params.Get("pubKey").Str, params.Get("pubkey").Str)
}

// messageIn returns the message that a client asks a node to store.
func (w *world) messageIn(body []byte) (message store.Message, ok bool) {
	if gjson.GetBytes(body, "method").Str != storage.MethodStore {
		return message, false
	}
	if !w.is28() {
		var request struct{ Params rpc20.StoreParams }
		err := json.Unmarshal(body, &request)
		return store.NewMessage20(request.Params), err == nil
	}
	var request struct{ Params rpc28.StoreParams }
	if json.Unmarshal(body, &request) != nil {
		return message, false
	}
	params := request.Params
	data, err := base64.StdEncoding.DecodeString(params.Data)
	return store.NewMessage28(params.Pubkey, params.Namespace, params.Timestamp, params.TTL, data), err == nil
}

// pretended is the answer to a store as if the node had stored the message. With storage RPC 2.8 it signs that it has
// it, which no client can disprove, and answers for the other members with signatures that are none.
func (m *machine) pretended(body []byte) []byte {
	message, ok := m.world.messageIn(body)
	if !m.world.is28() || !ok {
		return []byte(`{"difficulty":1}`)
	}
	hash := message.HashText()
	answer := rpc28.ChangeAnswer{Hash: hash, Swarm: make(map[string]rpc28.MemberResult)}
	signature := m.keys.Ed25519.Sign(signtext.Stored(hash))
	for _, member := range m.world.swarmOf(ownerOf(body)) {
		answer.Swarm[member.name] = rpc28.MemberResult{
			Hash: hash, Signature: base64.StdEncoding.EncodeToString(signature[:]),
		}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		m.world.model.fail("harness", "%v", err)
	}
	return text
}

// fromTheBeginning is a request to retrieve without the hash of the message read last. The signature does not cover it.
func fromTheBeginning(body []byte) []byte {
	var request struct {
		Method string         `json:"method"`
		Params map[string]any `json:"params"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&request) != nil {
		return body
	}
	delete(request.Params, "last_hash")
	if _, old := request.Params["lastHash"]; old {
		request.Params["lastHash"] = ""
	}
	again, err := json.Marshal(request)
	if err != nil {
		return body
	}
	return again
}

// answers returns what a hostile node makes of the answer of its node.
func (m *machine) answers(body []byte, a answered) answered {
	if m.hostile == nil || a.status != storage.StatusOK || m.mood() != moodForges ||
		gjson.GetBytes(body, "method").Str != storage.MethodRetrieve {
		return a
	}
	page, err := storage.ParseMessages(string(a.text))
	if err != nil {
		return a
	}
	random := m.world.source(fmt.Sprint("forged ", m.world.elapsed()))
	for i := range page {
		if data := []byte(page[i].Data); random.IntN(2) == 0 && len(data) > 40 {
			data[20+random.IntN(len(data)-40)] = 'A'
			page[i].Data = string(data)
		}
	}
	page = append(page, storage.Stored{
		Data: "CAESBGZha2U=", Hash: strconv.FormatUint(random.Uint64(), 16), Expiration: m.now().Add(time.Hour).UnixMilli(),
	})
	text, err := json.Marshal(rpc28.PageAnswer{Messages: page, Clock: rpc28.Clock{T: m.now().UnixMilli()}})
	if err != nil {
		return a
	}
	return answered{a.status, text}
}

// owns reports whether a node is a member of the swarm of a Session ID, by the registry.
func (w *world) owns(m *machine, pubKey string) bool {
	return slices.Contains(w.swarmOf(pubKey), m)
}

// accomplices is the list of hostile nodes as the answer to a question for a swarm.
func (w *world) accomplices() []byte {
	var list []storage.Snode
	for _, m := range w.nodes {
		if m.hostile != nil {
			list = append(list, storage.Snode{
				Address: m.address, IP: m.ip, Port: "22021", PubkeyEd25519: m.name,
				PubkeyX25519: m.keys.X25519.Public.String(),
			})
		}
	}
	members := make([]rpc28.Member, len(list))
	for i, node := range list {
		members[i] = rpc28.Member{Snode: node, PortHTTPS: 22021}
	}
	text, err := json.Marshal(rpc28.GetSwarmAnswer{Snodes: members, Swarm: "1"})
	if err != nil {
		w.model.fail("harness", "%v", err)
	}
	return text
}

// erase lets a hostile node push tombstones of all messages that it has seen to the other members of its swarm. No owner
// has signed them.
func (m *machine) erase(ctx context.Context) {
	if m.hostile == nil {
		return
	}
	m.hostile.mu.Lock()
	seen := slices.Clone(m.hostile.seen)
	m.hostile.mu.Unlock()
	var body []byte
	for _, message := range seen {
		body = store.AppendRecords(body, store.Record{
			Name: store.NameOf(message),
			Version: store.Version{
				Number: uint64(m.now().UnixMilli()), Expiration: message.ExpirationMillis(), Deleted: true,
			},
		})
	}
	if len(body) == 0 {
		return
	}
	m.world.count("forged tombstones", len(seen))
	for _, other := range m.world.nodes {
		if other == m || other.swarm != m.swarm {
			continue
		}
		header := make(http.Header)
		peerhttp.Sign(header, m.keys, other.name, replication.PushPath, m.now(), body)
		select {
		case <-other.handle(replication.PushPath, header, body):
		case <-ctx.Done():
		}
	}
}
