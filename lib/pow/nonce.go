package pow

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// ErrNonce reports a text that is not the standard base64 of 8 bytes.
var ErrNonce = errors.New("nonce is not base64 of 8 bytes")

// EncodeNonce returns nonce in the form of store requests: 8 bytes, big-endian, in standard base64 (12 characters).
func EncodeNonce(nonce uint64) string {
	var raw [nonceSize]byte
	binary.BigEndian.PutUint64(raw[:], nonce)
	return base64.StdEncoding.EncodeToString(raw[:])
}

// DecodeNonce returns the 8 bytes of a nonce. It accepts only the form of [EncodeNonce], and returns ErrNonce for
// others.
func DecodeNonce(text string) ([]byte, error) {
	if len(text) != base64.StdEncoding.EncodedLen(nonceSize) {
		return nil, ErrNonce
	}
	nonce, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(nonce) != nonceSize {
		return nil, ErrNonce
	}
	return nonce, nil
}

// DecodeNonceLenient decodes a nonce like the 2020 storage server (storage-2.0.md section 3.1): it stops at the first
// character outside the base64 alphabet, drops incomplete bytes and accepts any length, so that "!!!!" is the empty
// nonce. Nodes use it to compute the same hash as that server. It allocates three quarters of the text's length, which
// the size limit of requests bounds.
func DecodeNonceLenient(text string) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	nonce := make([]byte, 0, base64.RawStdEncoding.DecodedLen(len(text)))
	var bits, count uint
	for i := range len(text) {
		value := strings.IndexByte(alphabet, text[i])
		if value < 0 {
			break
		}
		bits, count = bits<<6|uint(value), count+6
		if count >= 8 {
			count -= 8
			nonce = append(nonce, byte(bits>>count))
		}
	}
	return nonce
}
