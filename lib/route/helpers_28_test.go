package route

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/network"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// client28 is what a client of a network of 2.8 needs.
func client28(t *testing.T, seed string) network.Config {
	config := configOf(t, seed)
	config.Generation = storage.Generation28
	return config
}

// storer28 is a router of a network of 2.8 without an account.
func storer28(t *testing.T, seed string, options Options) (*Router, *network.Client) {
	t.Helper()
	c := newClient(t, client28(t, seed))
	return New(nil, c, options), c
}

// swarm28 makes fake nodes answer as members of one swarm of a network of 2.8 do: what is stored at one of them all
// have, and each signs for itself.
type swarm28 struct {
	nodes []*fakenet.Node
	seed  string

	mu       sync.Mutex
	messages []storage.Stored
	// tell, if set, changes a member's result before it is returned.
	tell func(node *fakenet.Node, result *rpc28.MemberResult)
	// pageSize is how many messages a page has.
	pageSize int
}

func newSwarm28(nodes ...*fakenet.Node) *swarm28 {
	s := &swarm28{nodes: nodes, tell: func(*fakenet.Node, *rpc28.MemberResult) {}, pageSize: 10}
	for _, node := range nodes {
		node.Answer(s.answer)
	}
	return s
}

// three28 starts a network of which three nodes are the swarm of every Session ID.
func three28(t *testing.T) *swarm28 {
	t.Helper()
	net := startFakenet(t, 6)
	members := net.Nodes[:3]
	net.OneSwarm(members...)
	always(storage.MethodSwarm, storage.StatusOK, fakenet.Swarm(members...), net.Nodes[3:]...)
	s := newSwarm28(members...)
	s.seed = net.SeedURL()
	return s
}

func (s *swarm28) answer(call fakenet.Call) (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch call.Method {
	case storage.MethodStore:
		return s.store(call.Params)
	case storage.MethodRetrieve:
		return s.retrieve(call.Params)
	case storage.MethodSwarm:
		return storage.StatusOK, fakenet.Swarm(s.nodes...)
	}
	return 0, ""
}

func (s *swarm28) store(params fakenet.Params) (int, string) {
	owner, err := sessionid.Parse(params["pubkey"])
	if err != nil || params["namespace"] != "0" {
		return storage.StatusBadRequest, "invalid request"
	}
	data, err := base64.StdEncoding.DecodeString(params["data"])
	if err != nil {
		return storage.StatusBadRequest, "invalid request"
	}
	hash := rpc28.MessageHash(owner, 0, data)
	had := slices.ContainsFunc(s.messages, func(m storage.Stored) bool { return m.Hash == hash })
	if !had {
		s.messages = append(s.messages, storage.Stored{Data: params["data"], Hash: hash, Expiration: 1})
	}
	answer := rpc28.ChangeAnswer{Hash: hash, Swarm: make(map[string]rpc28.MemberResult)}
	status := storage.StatusFailed
	for _, node := range s.nodes {
		result := rpc28.MemberResult{Hash: hash, Signature: node.Sign([]byte(hash)), Already: rpc28.Truth(had)}
		s.tell(node, &result)
		answer.Swarm[node.Name()] = result
		if !bool(result.Failed) {
			status = storage.StatusOK
		}
	}
	return status, textOf(answer)
}

// retrieve answers an owner who proves it, as is specified (storage-2.8.md sections 3 and 5).
func (s *swarm28) retrieve(params fakenet.Params) (int, string) {
	key, keyErr := hex.DecodeString(params["pubkey_ed25519"])
	signature, err := base64.StdEncoding.DecodeString(params["signature"])
	if keyErr != nil || err != nil || !ed25519.Verify(key, []byte("retrieve"+params["timestamp"]), signature) {
		return storage.StatusUnauthorized, "retrieve signature verification failed"
	}
	if last := params["last_hash"]; last != "" && len(last) != rpc28.HashTextLength {
		return storage.StatusBadRequest, "invalid request: last_hash"
	}
	from := slices.IndexFunc(s.messages, func(m storage.Stored) bool { return m.Hash == params["last_hash"] }) + 1
	to := min(from+s.pageSize, len(s.messages))
	return storage.StatusOK, textOf(rpc28.PageAnswer{Messages: append([]storage.Stored{}, s.messages[from:to]...),
		More: to < len(s.messages)})
}

// put adds n messages for an owner.
func (s *swarm28) put(owner sessionid.ID, n int) (data []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		raw := []byte("message " + strconv.Itoa(i))
		text := base64.StdEncoding.EncodeToString(raw)
		s.messages = append(s.messages,
			storage.Stored{Data: text, Hash: rpc28.MessageHash(owner, 0, raw), Expiration: 1})
		data = append(data, text)
	}
	return data
}

func textOf(answer any) string {
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // it consists of texts and numbers
	}
	return string(text)
}

// calls lists the calls of a method that reached any of the nodes.
func calls(method string, nodes ...*fakenet.Node) (all []fakenet.Call) {
	for _, node := range nodes {
		all = append(all, node.Calls(method)...)
	}
	return all
}
