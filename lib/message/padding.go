package message

import (
	"bytes"
	"errors"
)

const (
	paddingBlock = 160
	paddingMark  = 0x80
)

// ErrPadding reports bytes without padding at their end.
var ErrPadding = errors.New("invalid padding")

// Pad returns content || 80 || 00*, up to the next multiple of 160 bytes less one, so that the length reveals little
// about the text. Every Content of 2020 is padded before it is encrypted (signal-2020.md section 3.3).
func Pad(content []byte) []byte {
	blocks := (len(content) + 2 + paddingBlock - 1) / paddingBlock
	padded := make([]byte, blocks*paddingBlock-1)
	padded[copy(padded, content)] = paddingMark
	return padded
}

// PadV1 is [Pad] of libsession for session-v1. It pads to a multiple of 160 bytes, and adds one more block if content
// and mark fill a block exactly.
func PadV1(content []byte) []byte {
	blocks := (len(content)+1)/paddingBlock + 1
	padded := make([]byte, blocks*paddingBlock)
	padded[copy(padded, content)] = paddingMark
	return padded
}

// unpadV1 returns the candidates for the unpadded session-v1 content of padded, the likeliest first. If the padding has
// a mark that is the content before the mark. Otherwise it is padded unchanged, or padded without zeros at its end.
func unpadV1(padded []byte) [][]byte {
	stripped := bytes.TrimRight(padded, "\x00")
	if content, ok := bytes.CutSuffix(stripped, []byte{paddingMark}); ok {
		return [][]byte{content}
	}
	return [][]byte{padded, stripped}
}

// Unpad removes padding of any length. It returns ErrPadding unless the last byte that is not zero is 80. The result
// shares the memory of padded.
func Unpad(padded []byte) ([]byte, error) {
	content, ok := bytes.CutSuffix(bytes.TrimRight(padded, "\x00"), []byte{paddingMark})
	if !ok {
		return nil, ErrPadding
	}
	return content, nil
}
