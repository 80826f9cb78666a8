package message

import (
	"bytes"
	"errors"
)

const (
	paddingBlock = 160
	paddingMark  = 0x80
)

// ErrPadding reports bytes that do not end in padding.
var ErrPadding = errors.New("invalid padding")

// Pad returns content || 80 || 00*, up to the next multiple of 160 bytes less one, so that the length tells little
// about the text. It goes around a Content before the ratchet or the friend request's cipher
// (signal-2020.md section 3.3).
func Pad(content []byte) []byte {
	blocks := (len(content) + 2 + paddingBlock - 1) / paddingBlock
	padded := make([]byte, blocks*paddingBlock-1)
	padded[copy(padded, content)] = paddingMark
	return padded
}

// PadV1 is Pad as libsession does it for session-v1: up to a multiple of 160 bytes, and one block more where content and
// mark fill a block exactly.
func PadV1(content []byte) []byte {
	blocks := (len(content)+1)/paddingBlock + 1
	padded := make([]byte, blocks*paddingBlock)
	padded[copy(padded, content)] = paddingMark
	return padded
}

// unpadV1 returns what the session-v1 content of padded may be, the likeliest first: without padding that ends in a mark,
// else as it is, or without zeros behind it.
func unpadV1(padded []byte) [][]byte {
	stripped := bytes.TrimRight(padded, "\x00")
	if content, ok := bytes.CutSuffix(stripped, []byte{paddingMark}); ok {
		return [][]byte{content}
	}
	return [][]byte{padded, stripped}
}

// Unpad undoes Pad, for padding of any length. It returns ErrPadding if the last byte that is not zero is not 80,
// or if there is none. The result shares memory with padded.
func Unpad(padded []byte) ([]byte, error) {
	content, ok := bytes.CutSuffix(bytes.TrimRight(padded, "\x00"), []byte{paddingMark})
	if !ok {
		return nil, ErrPadding
	}
	return content, nil
}
