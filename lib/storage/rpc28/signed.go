package rpc28

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"sessiontool/lib/storage"
)

// What is signed is ASCII without separators: names, numbers in decimal, hashes as they are written
// (storage-2.8.md section 3.1). The functions below make what clients sign in Auth.Signature.

// StoreSignatureText is for store; sigTimestamp is StoreParams.SigTimestamp or, if that is 0, Timestamp.
func StoreSignatureText(namespace Namespace, sigTimestamp int64) []byte {
	return []byte(storage.MethodStore + namespace.SignedText() + decimal(sigTimestamp))
}

// RetrieveSignatureText is for retrieve, and for our signature of retrieve of 2.0, which is of NamespaceMessages.
func RetrieveSignatureText(namespace Namespace, timestamp int64) []byte {
	return []byte(storage.MethodRetrieve + namespace.SignedText() + decimal(timestamp))
}

// DeleteSignatureText is for delete.
func DeleteSignatureText(hashes []string) []byte {
	return []byte(MethodDelete + strings.Join(hashes, ""))
}

// DeleteAllSignatureText is for delete_all.
func DeleteAllSignatureText(scope Scope, timestamp int64) []byte {
	return []byte(MethodDeleteAll + scope.SignedText() + decimal(timestamp))
}

// DeleteBeforeSignatureText is for delete_before.
func DeleteBeforeSignatureText(scope Scope, before int64) []byte {
	return []byte(MethodDeleteBefore + scope.SignedText() + decimal(before))
}

// ExpireSignatureText is for expire.
func ExpireSignatureText(shorten, extend bool, expiry []int64, hashes []string) []byte {
	flag := ""
	switch {
	case shorten:
		flag = "shorten"
	case extend:
		flag = "extend"
	}
	return []byte(MethodExpire + flag + decimals(expiry) + strings.Join(hashes, ""))
}

// ExpireAllSignatureText is for expire_all.
func ExpireAllSignatureText(scope Scope, expiry int64) []byte {
	return []byte(MethodExpireAll + scope.SignedText() + decimal(expiry))
}

// GetExpiriesSignatureText is for get_expiries.
func GetExpiriesSignatureText(timestamp int64, hashes []string) []byte {
	return []byte(MethodGetExpiries + decimal(timestamp) + strings.Join(hashes, ""))
}

// The functions below make what members of a swarm sign in MemberResult.Signature (storage-2.8.md section 6.2).
// pubkey is the account's key in hex.

// StoredText is for store.
func StoredText(hash string) []byte { return []byte(hash) }

// DeletedText is for delete: the hashes that were asked for, and those that were there.
func DeletedText(pubkey string, requested, deleted []string) []byte {
	return []byte(pubkey + strings.Join(requested, "") + strings.Join(deleted, ""))
}

// ChangedAllText is for delete_all, delete_before and expire_all: when is the time in the request.
func ChangedAllText(pubkey string, when int64, changed Hashes) []byte {
	return []byte(pubkey + decimal(when) + strings.Join(changed.sorted(), ""))
}

// ExpiredText is for expire; expiry as it stands in the member's result.
func ExpiredText(pubkey string, expiry []int64, requested, updated []string, unchanged map[string]int64) []byte {
	var text strings.Builder
	text.WriteString(pubkey + decimals(expiry) + strings.Join(requested, "") + strings.Join(updated, ""))
	for _, hash := range slices.Sorted(maps.Keys(unchanged)) {
		text.WriteString(hash + decimal(unchanged[hash]))
	}
	return []byte(text.String())
}

// sorted returns all hashes, whatever their namespace, in ascending order.
func (h Hashes) sorted() []string {
	all := slices.Clone(h.List)
	for _, hashes := range h.ByNamespace {
		all = append(all, hashes...)
	}
	slices.Sort(all)
	return all
}

func decimal(number int64) string { return strconv.FormatInt(number, 10) }

func decimals(numbers []int64) string {
	var text strings.Builder
	for _, number := range numbers {
		text.WriteString(decimal(number))
	}
	return text.String()
}
