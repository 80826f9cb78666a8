// Package safetynumber makes the 60 digits by which two people make sure that each has the right Session ID of the
// other: read aloud on the phone, or held side by side.
//
// It promises the same number for both, whoever asks, and another one if either ID is another. The number is Signal's
// numeric fingerprint, version 0, with 5200 rounds, of which a Session ID is both the name and the key. It is pure.
package safetynumber

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"

	"sessiontool/lib/sessionid"
)

const (
	// Digits is the length of a number without the spaces.
	Digits = 2 * half
	// half is one person's share of the digits, and group how many come from 5 bytes of a hash.
	half  = 30
	group = 5

	version = 0
	rounds  = 5200
)

// Of returns the number of two people, in either order: 12 groups of 5 digits, with a space between groups.
func Of(a, b sessionid.ID) string {
	first, second := fingerprint(a.String(), a[:]), fingerprint(b.String(), b[:])
	if second < first {
		first, second = second, first
	}
	digits := first + second
	groups := make([]string, 0, Digits/group)
	for ; digits != ""; digits = digits[group:] {
		groups = append(groups, digits[:group])
	}
	return strings.Join(groups, " ")
}

// fingerprint is one person's share of the number: who they are, and their public key with its prefix.
func fingerprint(name string, key []byte) string {
	hash := binary.BigEndian.AppendUint16(nil, version)
	hash = append(hash, key...)
	hash = append(hash, name...)
	for range rounds {
		sum := sha512.Sum512(append(hash, key...))
		hash = sum[:]
	}
	var digits strings.Builder
	for part := hash; digits.Len() < half; part = part[group:] {
		var number uint64
		for _, b := range part[:group] {
			number = number<<8 | uint64(b)
		}
		fmt.Fprintf(&digits, "%05d", number%100000)
	}
	return digits.String()
}

// Equal reports whether two numbers are the same, in constant time. Spaces and line breaks do not count.
func Equal(a, b string) bool {
	a, b = strings.Join(strings.Fields(a), ""), strings.Join(strings.Fields(b), "")
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
