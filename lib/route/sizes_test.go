package route

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"sessiontool/lib/account"
	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
)

// meter notes the sizes of requests and of their answers at all nodes, in bytes.
type meter struct {
	mu   sync.Mutex
	seen map[[2]int]int
}

// watch makes nodes note sizes.
func (m *meter) watch(nodes ...*fakenet.Node) {
	for _, node := range nodes {
		node.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			const passed = "X-Measured"
			if r.Header.Get(passed) != "" {
				return false
			}
			r.Header.Set(passed, "1")
			recorder := httptest.NewRecorder()
			node.ServeHTTP(recorder, r)
			m.mu.Lock()
			m.seen[[2]int{int(r.ContentLength), recorder.Body.Len()}]++
			m.mu.Unlock()
			w.WriteHeader(recorder.Code)
			w.Write(recorder.Body.Bytes())
			return true
		})
	}
}

// classes returns how many classes of requests, and of requests with their answers, a node can tell apart at its place
// on a path. A request has another size at each place, because each hop takes a layer off, so that the classes are
// counted by place.
func (m *meter) classes() (requests, both int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sizes := make(map[int]int) // answers by the size of the request
	for pair := range m.seen {
		sizes[pair[0]]++
		both = max(both, sizes[pair[0]])
	}
	const places = network.Hops + 1
	return (len(sizes) + places - 1) / places, both
}

// kept20 makes nodes answer as members of one swarm of storage RPC 2.0: what is stored at one of them all have.
func kept20(nodes ...*fakenet.Node) {
	var mu sync.Mutex
	var messages []storage.Stored
	for _, node := range nodes {
		node.Answer(func(call fakenet.Call) (int, string) {
			mu.Lock()
			defer mu.Unlock()
			data := call.Params["data"]
			switch call.Method {
			case storage.MethodStore:
				if !slices.ContainsFunc(messages, func(m storage.Stored) bool { return m.Data == data }) {
					messages = append(messages, storage.Stored{Data: data, Hash: hashOf(data), Expiration: 1 << 50})
				}
			case storage.MethodRetrieve:
				after := slices.IndexFunc(messages, func(m storage.Stored) bool {
					return m.Hash == call.Params["lastHash"]
				})
				return storage.StatusOK, pageOf(messages[after+1:]...)
			}
			return 0, ""
		})
	}
}

// Everyday use has at most two classes of sizes in either protocol over either storage RPC: one for texts of up to
// 2 000 characters and for polls that find nothing or one text, and one for polls that find several long texts, as the
// first poll of another member does. All requests have one size.
func TestSizeClasses(t *testing.T) {
	for _, protocol := range []account.Protocol{account.ProtocolSignal, account.ProtocolSessionV1} {
		for _, generation := range []storage.Generation{storage.Generation20, storage.Generation28} {
			t.Run(fmt.Sprintf("%s over %s", protocol, generation), func(t *testing.T) {
				net := startFakenet(t, 8)
				config := configOf(t, net.SeedURL())
				config.Generation = generation
				if generation == storage.Generation28 {
					newSwarm28(net.Nodes...)
				} else {
					kept20(net.Nodes...)
				}
				alice := newPersonWith(t, "alice", config, Options{})
				config.StateFile = ""
				bob := newPersonWith(t, "bob", config, Options{})
				if protocol == account.ProtocolSignal {
					alice.befriends(bob)
				}
				m := &meter{seen: make(map[[2]int]int)}
				m.watch(net.Nodes...)
				bob.polls()
				for i, text := range []string{"x", strings.Repeat("x", 2000), strings.Repeat("\u6c34", 2000),
					strings.Repeat("\U0001f600", 2000)} {
					alice.sent(alice.Account.Send(t.Context(), account.Draft{To: bob.ID(), Text: text,
						Protocol: protocol, Network: generation}))
					if got := bob.polls(); !slices.Contains(got, text) {
						t.Fatalf("%d texts arrived, and not that of %d bytes", len(got), len(text))
					}
					bob.polls()
					if _, both := m.classes(); i == 0 && both != 1 {
						t.Errorf("a text, its poll and an empty poll have %d classes: %v", both, m.seen)
					}
				}
				requests, both := m.classes()
				t.Logf("%d class of requests, %d of requests with answers", requests, both)
				if requests != 1 || both > 2 {
					t.Errorf("a guard tells apart %d classes of requests, and %d with their answers: %v", requests, both,
						m.seen)
				}
			})
		}
	}
}
