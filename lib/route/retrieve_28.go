package route

import (
	"strconv"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// namespace is that of one-to-one messages in storage RPC 2.8.
const namespace = rpc28.NamespaceMessages

// pageSize asks for pages of a third of [rpc28.MaxPageBytes]: 2.6 MB, which hold a thousand texts, are read by three
// members at a time.
const pageSize = -3

// cursorName is the key of an account's cursor for a node's list. The storage RPCs name messages differently, and with
// storage RPC 2.8 each namespace has its own list.
func cursorName(generation storage.Generation, node network.Node) string {
	if generation == storage.Generation28 {
		return node.Ed25519.String() + "/" + strconv.Itoa(int(namespace))
	}
	return node.Ed25519.String()
}

// retrieve28 returns the signed request for messages after last (storage-2.8.md section 5).
func retrieve28(owner *account.Account, last string, now int64) ([]byte, error) {
	if len(last) != rpc28.HashTextLength {
		last = "" // else a node that gave a hash of another length would refuse every request
	}
	return storage.NewRequest(storage.MethodRetrieve, rpc28.RetrieveParams{
		Pubkey: owner.ID().String(), Namespace: namespace, LastHash: last, Timestamp: now, MaxSize: pageSize,
		Auth: authorize(owner, signtext.Retrieve(namespace, now)),
	})
}
