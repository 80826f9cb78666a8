// Package signtext makes the texts that clients and nodes sign in storage RPC 2.8. A text is ASCII without separators:
// names, numbers in decimal, hashes as in the request (storage-2.8.md sections 3.1 and 6.2).
package signtext

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// The functions below make the texts that clients sign in [rpc28.Auth] (storage-2.8.md section 3.1).

// Store returns the text for store. sigTimestamp is the SigTimestamp of the request or, if that is 0, its Timestamp.
func Store(namespace rpc28.Namespace, sigTimestamp int64) []byte {
	return []byte(storage.MethodStore + namespace.SignedText() + decimal(sigTimestamp))
}

// Retrieve returns the text for retrieve, and for this project's signed retrieve of 2.0, whose namespace is
// [rpc28.NamespaceMessages].
func Retrieve(namespace rpc28.Namespace, timestamp int64) []byte {
	return []byte(storage.MethodRetrieve + namespace.SignedText() + decimal(timestamp))
}

// Delete returns the text for delete.
func Delete(hashes []string) []byte {
	return []byte(rpc28.MethodDelete + strings.Join(hashes, ""))
}

// DeleteAll returns the text for delete_all.
func DeleteAll(scope rpc28.Scope, timestamp int64) []byte {
	return []byte(rpc28.MethodDeleteAll + scope.SignedText() + decimal(timestamp))
}

// DeleteBefore returns the text for delete_before.
func DeleteBefore(scope rpc28.Scope, before int64) []byte {
	return []byte(rpc28.MethodDeleteBefore + scope.SignedText() + decimal(before))
}

// Expire returns the text for expire.
func Expire(shorten, extend bool, expiry []int64, hashes []string) []byte {
	flag := ""
	switch {
	case shorten:
		flag = "shorten"
	case extend:
		flag = "extend"
	}
	return []byte(rpc28.MethodExpire + flag + decimals(expiry) + strings.Join(hashes, ""))
}

// ExpireAll returns the text for expire_all.
func ExpireAll(scope rpc28.Scope, expiry int64) []byte {
	return []byte(rpc28.MethodExpireAll + scope.SignedText() + decimal(expiry))
}

// GetExpiries returns the text for get_expiries.
func GetExpiries(timestamp int64, hashes []string) []byte {
	return []byte(rpc28.MethodGetExpiries + decimal(timestamp) + strings.Join(hashes, ""))
}

// The functions below make the texts that members of a swarm sign in [rpc28.MemberResult] (storage-2.8.md section 6.2).
// pubkey is the account's key in hex.

// Stored returns the text for store.
func Stored(hash string) []byte { return []byte(hash) }

// Deleted returns the text for delete, with the requested and the deleted hashes.
func Deleted(pubkey string, requested, deleted []string) []byte {
	return []byte(pubkey + strings.Join(requested, "") + strings.Join(deleted, ""))
}

// ChangedAll returns the text for delete_all, delete_before and expire_all. when is the time in the request.
func ChangedAll(pubkey string, when int64, changed rpc28.Hashes) []byte {
	return []byte(pubkey + decimal(when) + strings.Join(changed.Sorted(), ""))
}

// Expired returns the text for expire. expiry is that of the member's result.
func Expired(pubkey string, expiry []int64, requested, updated []string, unchanged map[string]int64) []byte {
	var text strings.Builder
	text.WriteString(pubkey + decimals(expiry) + strings.Join(requested, "") + strings.Join(updated, ""))
	for _, hash := range slices.Sorted(maps.Keys(unchanged)) {
		text.WriteString(hash + decimal(unchanged[hash]))
	}
	return []byte(text.String())
}

func decimal(number int64) string { return strconv.FormatInt(number, 10) }

func decimals(numbers []int64) string {
	var text strings.Builder
	for _, number := range numbers {
		text.WriteString(decimal(number))
	}
	return text.String()
}
