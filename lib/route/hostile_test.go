package route

import (
	"encoding/base64"
	"testing"

	"sessiontool/lib/internal/fakenet"
	"sessiontool/lib/sessionid"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// A member cannot raise a receipt with the signatures of registered nodes that are no members: its accomplices.
func TestHostileReceipt(t *testing.T) {
	net := startFakenet(t, 8)
	members, outsiders := net.Nodes[:3], net.Nodes[5:]
	net.OneSwarm(members...)
	s := newSwarm28(members...)
	for _, hostile := range members {
		hostile.Answer(func(call fakenet.Call) (int, string) {
			if call.Method != storage.MethodStore {
				return s.answer(call)
			}
			bob := mustParse(t, call.Params["pubkey"])
			hash := rpc28.MessageHash(bob, 0, decoded(t, call.Params["data"]))
			answer := rpc28.ChangeAnswer{Hash: hash, Swarm: make(map[string]rpc28.MemberResult)}
			for _, node := range append(outsiders[:len(outsiders):len(outsiders)], hostile) {
				answer.Swarm[node.Name()] = rpc28.MemberResult{Hash: hash, Signature: node.Sign([]byte(hash))}
			}
			return storage.StatusOK, textOf(answer)
		})
	}
	router, _ := storer28(t, net.SeedURL(), Options{})
	receipt, err := router.Store(t.Context(), requestFor(someone(t), "hello"))
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Stored != len(receipt.Nodes)-len(outsiders) || receipt.Stored < 2 {
		t.Errorf("stored %d: %+v", receipt.Stored, receipt.Nodes)
	}
	for _, result := range receipt.Nodes {
		for _, outsider := range outsiders {
			if result.PubkeyEd25519 == outsider.Name() && result.OK {
				t.Errorf("outsider %s counts", outsider.Name())
			}
		}
	}
}

func mustParse(t *testing.T, text string) sessionid.ID {
	t.Helper()
	id, err := sessionid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
