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

// Unpad undoes Pad, for padding of any length. It returns ErrPadding if the last byte that is not zero is not 80,
// or if there is none. The result shares memory with padded.
func Unpad(padded []byte) ([]byte, error) {
	content, ok := bytes.CutSuffix(bytes.TrimRight(padded, "\x00"), []byte{paddingMark})
	if !ok {
		return nil, ErrPadding
	}
	return content, nil
}
