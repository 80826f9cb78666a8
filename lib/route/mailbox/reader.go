package mailbox

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"

	"sessiontool/lib/account"
	"sessiontool/lib/network"
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
	"sessiontool/lib/storage/signtext"
)

// namespace is that of one-to-one messages in storage RPC 2.8.
const namespace = rpc28.NamespaceMessages

// reader makes the requests for an account's messages, and reads the answers.
type reader struct {
	network    *network.Client
	owner      *account.Account
	generation storage.Generation
}

// request returns the signed request for messages after the hash last.
func (r reader) request(last string) ([]byte, error) {
	now := r.network.Now().UnixMilli()
	if r.generation == storage.Generation28 {
		return retrieve28(r.owner, last, now)
	}
	return retrieve20(r.owner, last, now)
}

// parse reads a page.
func (r reader) parse(answer network.Answer) (stored []storage.Stored, more bool, err error) {
	switch {
	case answer.Status != storage.StatusOK:
		return nil, false, fmt.Errorf("status %d: %.200q", answer.Status, answer.Body)
	case r.generation == storage.Generation28:
		page, err := rpc28.ParsePage(answer.Body)
		return page.Messages, page.More, err
	}
	page, err := rpc20.ParsePage(answer.Body)
	if err != nil {
		return nil, false, err
	}
	return page.Messages, *page.More, nil
}

// retrieve20 returns the request for messages after last. The signature and the size of the page are our extensions:
// servers of 2020 ask for none, and give ten messages.
func retrieve20(owner *account.Account, last string, now int64) ([]byte, error) {
	auth := Authorize(owner, signtext.Retrieve(namespace, now))
	return storage.NewRequest(storage.MethodRetrieve, rpc20.RetrieveParams{
		PubKey: owner.ID().String(), LastHash: last, Timestamp: strconv.FormatInt(now, 10),
		PubkeyEd25519: auth.PubkeyEd25519, Signature: auth.Signature,
		MaxBytes: strconv.Itoa(rpc28.MaxPageBytes / -pageSize),
	})
}

// retrieve28 returns the signed request for messages after last (storage-2.8.md section 5).
func retrieve28(owner *account.Account, last string, now int64) ([]byte, error) {
	if len(last) != rpc28.HashTextLength {
		last = "" // else a node that gave a hash of another length would refuse every request
	}
	return storage.NewRequest(storage.MethodRetrieve, rpc28.RetrieveParams{
		Pubkey: owner.ID().String(), Namespace: namespace, LastHash: last, Timestamp: now,
		MaxSize: pageSize, Auth: Authorize(owner, signtext.Retrieve(namespace, now)),
	})
}

// pageSize asks for pages of a sixth of [rpc28.MaxPageBytes]. 1.3 MB hold more than a thousand texts of usual length,
// and are opened while the next page is on its way. Pages of three members are in memory at a time.
const pageSize = -6

// CursorName is the key of an account's cursor for a node's list. The storage RPCs name messages differently, and with
// storage RPC 2.8 each namespace has its own list.
func CursorName(generation storage.Generation, node network.Node) string {
	if generation == storage.Generation28 {
		return node.Ed25519.String() + "/" + strconv.Itoa(int(namespace))
	}
	return node.Ed25519.String()
}

// Authorize signs a request as its account's own.
func Authorize(owner *account.Account, text []byte) rpc28.Auth {
	public, signature := owner.Ed25519Public(), owner.Sign(text)
	return rpc28.Auth{
		PubkeyEd25519: hex.EncodeToString(public[:]), Signature: base64.StdEncoding.EncodeToString(signature[:]),
	}
}
