package message

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// MaxTextBytes is the longest text that fits into every store request, in bytes of UTF-8. A node stores 102400
	// characters of base64 (storage-2.0.md section 2.3), which are 76800 bytes. The limit leaves 1800 bytes for the
	// longest names, keys and numbers, the prekey bundle, the extension, the padding, a PreKeyWhisperMessage or the
	// cipher of friend requests, sealed sender, and the envelope.
	MaxTextBytes = 75000
	// MaxDisplayNameBytes is the longest display name in bytes of UTF-8. Parse cuts longer names.
	MaxDisplayNameBytes = 128
)

var (
	// ErrTooLong reports a text or a name longer than its limit.
	ErrTooLong = errors.New("text is too long")
	// ErrNotUTF8 reports a text or a name that is not UTF-8.
	ErrNotUTF8 = errors.New("text is not UTF-8")
)

// CheckText returns ErrTooLong or ErrNotUTF8 if text cannot be sent.
func CheckText(text string) error {
	return check(text, MaxTextBytes)
}

// CheckDisplayName returns ErrTooLong or ErrNotUTF8 if name cannot be sent.
func CheckDisplayName(name string) error {
	return check(name, MaxDisplayNameBytes)
}

func check(text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(text), limit)
	}
	if !utf8.ValidString(text) {
		return ErrNotUTF8
	}
	return nil
}
