package node

import "strings"

// zbase32Alphabet is that of z-base-32, in which service nodes write their addresses.
const zbase32Alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"

// encodeZBase32 writes data as z-base-32: 5 bits a character, most significant first, the last character filled up
// with zero bits, no padding. 32 bytes become 52 characters.
func encodeZBase32(data []byte) string {
	var text strings.Builder
	text.Grow((len(data)*8 + 4) / 5)
	var bits, count uint
	for _, b := range data {
		bits, count = bits<<8|uint(b), count+8
		for count >= 5 {
			count -= 5
			text.WriteByte(zbase32Alphabet[bits>>count&31])
		}
	}
	if count > 0 {
		text.WriteByte(zbase32Alphabet[bits<<(5-count)&31])
	}
	return text.String()
}
