package onion

import (
	"bytes"
	"io"
	"slices"
)

// Padding is our extension (sync-route.md section 12). A request whose target's layer has the member padMember is filled
// up to one of a few sizes, and asks for a response of one of these sizes. Servers that do not know the member ignore it.

// padMember is the member of the target's layer that fills up a request. Its value is a text of spaces.
const padMember = "pad"

// paddedSizes are the sizes of a padded plaintext in bytes, in ascending order. Of each kind of message, the first is
// enough for a text of 2 000 characters, for a poll and for an empty answer. Above the last, sizes are its multiples.
var paddedSizes = []int{16 << 10, 128 << 10, 1 << 20}

// PaddedSize returns the size to which a plaintext of n bytes is padded.
func PaddedSize(n int) int {
	i, _ := slices.BinarySearch(paddedSizes, n)
	if i < len(paddedSizes) {
		return paddedSizes[i]
	}
	most := paddedSizes[len(paddedSizes)-1]
	return (n + most - 1) / most * most
}

// WrapPadded is [Wrap] with the target's layer filled up to one of a few sizes, and asks for a response of one of them.
// So relays cannot tell a short request from a longer one, nor the responses. A payload of more than 1 MiB is not padded.
func WrapPadded(random io.Reader, version Version, relays []Hop, target Hop, payload []byte) (*Request, error) {
	return wrap(random, version, relays, target, payload, padLayer)
}

// padLayer adds padMember to the plaintext of a target's layer, which ends with a JSON object.
func padLayer(final []byte) []byte {
	const start, end = `,"` + padMember + `":"`, `"}`
	least := len(final) - 1 + len(start) + len(end)
	size := PaddedSize(least)
	if size > paddedSizes[len(paddedSizes)-1] {
		return final
	}
	padded := append(make([]byte, 0, size), final[:len(final)-1]...)
	padded = append(padded, start...)
	padded = append(padded, bytes.Repeat([]byte{' '}, size-least)...)
	return append(padded, end...)
}

// padResponse fills up the JSON text of a response with spaces behind it.
func padResponse(plaintext []byte) []byte {
	return append(plaintext, bytes.Repeat([]byte{' '}, PaddedSize(len(plaintext))-len(plaintext))...)
}
