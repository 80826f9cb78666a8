package route

import (
	"strconv"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/rpc"
)

// inbox is where messages between people lie on today's network.
const inbox = rpc.NamespaceMessages

// cursorName is under what an account remembers how far it has read a node's list. The generations name messages
// differently, and on today's network each namespace is a list of its own.
func cursorName(generation rpc.Generation, node network.Node) string {
	if generation == rpc.GenerationToday {
		return node.Ed25519.String() + "/" + strconv.Itoa(int(inbox))
	}
	return node.Ed25519.String()
}

// retrieveToday is the signed request for what came after last (storage-2.8.md section 5).
func retrieveToday(owner *account.Account, last string, now int64) ([]byte, error) {
	if len(last) != rpc.HashTextLength {
		last = "" // a node that once gave a hash of another length would refuse it for ever
	}
	return rpc.NewRequest(rpc.MethodRetrieve, rpc.TodayRetrieveParams{
		Pubkey: owner.ID().String(), Namespace: inbox, LastHash: last, Timestamp: now,
		Auth: authorize(owner, rpc.RetrieveSignatureText(inbox, now)),
	})
}
