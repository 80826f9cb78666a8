// Package rpc20 has the requests and answers of storage RPC 2.0, that of storage server 2.0.7, in their wire form
// (storage-2.0.md sections 2 and 10). Package storage has what both storage RPCs share.
//
// Servers of that version read every parameter as a string and ignore unknown fields, so they accept the fields that
// later servers added.
package rpc20

import "sessiontool/lib/storage"

// MaxRetrieved is the number of messages in one answer to retrieve (storage-2.0.md section 2.3).
const MaxRetrieved = 10

// SwarmParams requests the swarm of a Session ID (66 hex digits).
type SwarmParams struct {
	PubKey string `json:"pubKey"`
}

// StoreParams stores one message. TTL and Timestamp are canonical decimals in milliseconds, Nonce is the base64 of
// 8 bytes, Data the base64 text of the envelope. The message hash covers these texts as sent.
type StoreParams struct {
	PubKey    string `json:"pubKey"`
	TTL       string `json:"ttl"`
	Nonce     string `json:"nonce"`
	Timestamp string `json:"timestamp"`
	Data      string `json:"data"`
}

// RetrieveParams requests the messages stored after LastHash. The last three fields prove that the client owns PubKey.
// Signature is Ed25519 in base64 over the text of function Retrieve in package signtext, for namespace 0 and Timestamp
// (milliseconds). A server of 2020 ignores them, and MaxBytes.
//
// MaxBytes is this project's extension: a canonical decimal. A node that knows it gives as many messages as
// PageCost of package rpc28 allows in so many bytes, at least one and up to its MaxPageBytes, and says whether there are
// more.
type RetrieveParams struct {
	PubKey        string `json:"pubKey"`
	LastHash      string `json:"lastHash"`
	PubkeyEd25519 string `json:"pubkey_ed25519,omitempty"`
	Timestamp     string `json:"timestamp,omitempty"`
	Signature     string `json:"signature,omitempty"`
	MaxBytes      string `json:"maxBytes,omitempty"`
}

// SwarmAnswer is the 200 of get_snodes_for_pubkey and the body of a 421.
type SwarmAnswer struct {
	Snodes []storage.Snode `json:"snodes"`
}

// DifficultyAnswer is the 200 of store and the body of a 432.
type DifficultyAnswer struct {
	Difficulty int64 `json:"difficulty"`
}

// RetrieveAnswer is the 200 of retrieve: messages in the order in which that node got them. There are at most
// MaxRetrieved, and More is nil, unless the request had a MaxBytes that the node knows.
type RetrieveAnswer struct {
	Messages []storage.Stored `json:"messages"`
	More     *bool            `json:"more,omitempty"`
}

// ParsePage reads a [RetrieveAnswer]: its first [storage.MaxPage] messages. More is never nil: a full page of a node
// that does not say it counts as one with more behind it. Like [storage.ParsePage] it fails for a malformed message.
func ParsePage(body string) (RetrieveAnswer, error) {
	var beside struct {
		More *bool `json:"more"`
	}
	messages, beyond, err := storage.ParsePage(body, storage.MaxPage, &beside)
	if err != nil {
		return RetrieveAnswer{}, err
	}
	more := beyond || len(messages) >= MaxRetrieved
	if beside.More != nil {
		more = beyond || *beside.More
	}
	return RetrieveAnswer{Messages: messages, More: &more}, nil
}
