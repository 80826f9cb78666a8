// Package safetynumber makes the 60 digits with which two people verify that each has the right Session ID of the
// other. They read the digits aloud on the phone, or compare their screens.
//
// It promises the same number on both sides, and another number if one of the IDs differs. The number is Signal's
// numeric fingerprint, version 0, with 5200 rounds. The Session ID is both its identifier and its key. It is pure.
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
	// half is the number of digits of one person. group is the number of digits that 5 bytes of a hash give.
	half  = 30
	group = 5

	version = 0
	rounds  = 5200
)

// Of returns the number of two people: 12 groups of 5 digits, separated by spaces. The order of a and b does not
// matter.
func Of(a, b sessionid.ID) string {
	first, second := fingerprint(a.String(), a[:]), fingerprint(b.String(), b[:])
	var groups []string
	for digits := min(first, second) + max(first, second); digits != ""; digits = digits[group:] {
		groups = append(groups, digits[:group])
	}
	return strings.Join(groups, " ")
}

// fingerprint returns the 30 digits of one person, from the identifier and the public key with its prefix.
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

// Equal reports in constant time whether two numbers are the same. It ignores spaces and line breaks.
func Equal(a, b string) bool {
	a, b = strings.Join(strings.Fields(a), ""), strings.Join(strings.Fields(b), "")
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
