//go:build unix

package simulation

import (
	"context"
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
	seen []rpc20.StoreParams // that it was asked to store
}

func newHostility(w *world) *hostility { return &hostility{world: w} }

// mood returns the present mood of the node. It follows from the seed and the time alone.
func (m *machine) mood() mood {
	if m.hostile == nil {
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
	if method == storage.MethodStore {
		var request struct{ Params rpc20.StoreParams }
		if json.Unmarshal(body, &request) == nil {
			m.hostile.mu.Lock()
			m.hostile.seen = append(m.hostile.seen, request.Params)
			m.hostile.mu.Unlock()
		}
	}
	m.world.count("lies: "+string(now), 1)
	retrieves := method == storage.MethodRetrieve
	switch {
	case now == moodWrongSwarm && method == storage.MethodSwarm:
		return body, &answered{storage.StatusOK, m.world.accomplices()}
	case now == moodWrongSwarm:
		return body, &answered{storage.StatusWrongSwarm, m.world.accomplices()}
	case method == storage.MethodStore && (now == moodPretends || !m.world.owns(m, gjson.GetBytes(body, "params.pubKey").Str)):
		return body, &answered{storage.StatusOK, []byte(`{"difficulty":1}`)}
	case retrieves && (now == moodPretends || now == moodWithholds):
		return body, &answered{storage.StatusOK, []byte(`{"messages":[]}`)}
	case now == moodClock:
		return body, &answered{storage.StatusBadTimestamp, []byte("Timestamp error: check your clock\n")}
	case now == moodProof && method == storage.MethodStore:
		return body, &answered{storage.StatusBadProofOfWork, []byte(`{"difficulty":1000000}`)}
	case now == moodRepeats && retrieves:
		var request struct{ Params rpc20.RetrieveParams }
		if json.Unmarshal(body, &request) == nil {
			request.Params.LastHash = ""
			if again, err := storage.NewRequest(method, request.Params); err == nil {
				return again, nil
			}
		}
	}
	return body, nil
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
	text, err := json.Marshal(rpc20.RetrieveAnswer{Messages: page})
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
	text, err := json.Marshal(rpc20.SwarmAnswer{Snodes: list})
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
	for _, params := range seen {
		message := store.NewMessage20(params)
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
