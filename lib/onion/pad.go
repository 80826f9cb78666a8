package onion

import "slices"

// padMember is the member of the target's layer that asks for a padded response (sync-route.md section 12). Servers
// that do not know it ignore it.
const padMember = "pad"

// The sizes in bytes to which payloads are padded. The smallest one holds a poll and any text of up to 2 000 characters
// in every protocol; beyond padLast sizes are multiples of it.
const (
	padFirst = 16 << 10
	padNext  = 64 << 10
	padLast  = 128 << 10
)

// PaddedSize returns the size to which a payload of size bytes is padded.
func PaddedSize(size int) int {
	switch {
	case size <= padFirst:
		return padFirst
	case size <= padNext:
		return padNext
	}
	return (size + padLast - 1) / padLast * padLast
}

// Pad returns a JSON text with as many spaces behind it as bring it to the next of a few sizes, so that the hops in
// front of the target, which see how large a request is, do not learn how long the text in it is. JSON allows the
// spaces (RFC 8259 section 2), and storage servers of 2.0 and 2.8 accept them. A payload near [MaxBody] is not padded
// beyond it.
func Pad(payload []byte) []byte {
	size := PaddedSize(len(payload))
	if size > MaxBody {
		return payload
	}
	padded := make([]byte, size)
	for i := copy(padded, payload); i < size; i++ {
		padded[i] = ' '
	}
	return padded
}

// isPadded reports whether a payload is filled up by [Pad].
func isPadded(payload []byte) bool {
	return len(payload) == PaddedSize(len(payload)) && payload[len(payload)-1] == ' '
}

// askForPadding adds padMember to the plaintext of a target's layer, which ends with a JSON object that is not empty.
func askForPadding(final []byte) []byte {
	return append(final[:len(final)-1], `,"`+padMember+`":true}`...)
}

// padResponse fills up the JSON text of a response like [Pad].
func padResponse(plaintext []byte) []byte {
	size := PaddedSize(len(plaintext))
	if size > MaxBody {
		return plaintext
	}
	padded := slices.Grow(plaintext, size-len(plaintext))[:size]
	for i := len(plaintext); i < size; i++ {
		padded[i] = ' '
	}
	return padded
}
