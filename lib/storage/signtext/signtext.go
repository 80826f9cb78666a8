// Package signtext makes the texts that clients and nodes sign with storage RPC 2.8. A text is ASCII without
// separators: names, numbers in decimal, hashes as they are written (storage-2.8.md sections 3.1 and 6.2).
package signtext

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc28"
)

// The functions below make what clients sign in [rpc28.Auth] (storage-2.8.md section 3.1).

// Store is for store; sigTimestamp is the SigTimestamp of the request or, if that is 0, Timestamp.
func Store(namespace rpc28.Namespace, sigTimestamp int64) []byte {
	return []byte(storage.MethodStore + namespace.SignedText() + decimal(sigTimestamp))
}

// Retrieve is for retrieve, and for our signature of retrieve of 2.0, which is of NamespaceMessages.
func Retrieve(namespace rpc28.Namespace, timestamp int64) []byte {
	return []byte(storage.MethodRetrieve + namespace.SignedText() + decimal(timestamp))
}

// Delete is for delete.
func Delete(hashes []string) []byte {
	return []byte(rpc28.MethodDelete + strings.Join(hashes, ""))
}

// DeleteAll is for delete_all.
func DeleteAll(scope rpc28.Scope, timestamp int64) []byte {
	return []byte(rpc28.MethodDeleteAll + scope.SignedText() + decimal(timestamp))
}

// DeleteBefore is for delete_before.
func DeleteBefore(scope rpc28.Scope, before int64) []byte {
	return []byte(rpc28.MethodDeleteBefore + scope.SignedText() + decimal(before))
}

// Expire is for expire.
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

// ExpireAll is for expire_all.
func ExpireAll(scope rpc28.Scope, expiry int64) []byte {
	return []byte(rpc28.MethodExpireAll + scope.SignedText() + decimal(expiry))
}

// GetExpiries is for get_expiries.
func GetExpiries(timestamp int64, hashes []string) []byte {
	return []byte(rpc28.MethodGetExpiries + decimal(timestamp) + strings.Join(hashes, ""))
}

// The functions below make what members of a swarm sign in [rpc28.MemberResult] (storage-2.8.md section 6.2).
// pubkey is the account's key in hex.

// Stored is for store.
func Stored(hash string) []byte { return []byte(hash) }

// Deleted is for delete: the hashes that were asked for, and those that were there.
func Deleted(pubkey string, requested, deleted []string) []byte {
	return []byte(pubkey + strings.Join(requested, "") + strings.Join(deleted, ""))
}

// ChangedAll is for delete_all, delete_before and expire_all: when is the time in the request.
func ChangedAll(pubkey string, when int64, changed rpc28.Hashes) []byte {
	return []byte(pubkey + decimal(when) + strings.Join(changed.Sorted(), ""))
}

// Expired is for expire; expiry as it stands in the member's result.
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
