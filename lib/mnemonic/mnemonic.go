// Package mnemonic encodes a secret seed as words that a person can write down, and decodes them. The encoding is that
// of Electrum and Monero with a checksum word, in English (signal-2020.md section 1.2).
//
// It promises that every text that [Decode] accepts encodes exactly one seed, that white space does not matter, and
// that no error quotes a word, because the words are the secret. It is pure.
package mnemonic

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"sync"

	"sessiontool/lib/sessionid"
)

const (
	// WordCount is the number of words that encode the seed of an account: 12 words and the checksum word.
	WordCount = 13

	// Bounds of a seed's size, which is a multiple of 4. Apps make seeds of 16 bytes (13 words) and also accept 32
	// bytes (25 words).
	minSeedSize = 16
	maxSeedSize = 64

	groupSize  = 4 // bytes of the seed that three words encode
	minWords   = minSeedSize / groupSize * 3
	maxWords   = maxSeedSize/groupSize*3 + 1
	prefixSize = 3 // letters that identify a word
)

// The errors of Decode and DecodeBytes, in the order of the checks.
var (
	// ErrTooFewWords reports fewer than 12 words, or a last group of two words instead of three.
	ErrTooFewWords = errors.New("too few words")
	// ErrTooManyWords reports more words than the longest seed needs. In Decode it reports more than 13 words.
	ErrTooManyWords = errors.New("too many words")
	// ErrMissingChecksum reports that only the checksum word at the end is missing.
	ErrMissingChecksum = errors.New("the last word, the checksum, is missing")
	// ErrInvalidWord reports a word that is not in the list, or three words that no seed encodes to. It is wrapped with
	// the position of the word.
	ErrInvalidWord = errors.New("invalid word")
	// ErrChecksum reports words that do not match the checksum word.
	ErrChecksum = errors.New("the words do not match their checksum, so one of them is wrong or they are out of order")
)

// ErrSeedSize reports a seed whose number of bytes is not one of 16, 20, 24 ... 64.
var ErrSeedSize = errors.New("seed size is not a multiple of 4 bytes from 16 to 64")

// Encode returns the 13 words of an account's seed, in lower case, separated by single spaces.
func Encode(seed sessionid.Seed) string { return encode(seed[:]) }

// EncodeBytes is [Encode] for seeds of other sizes. It makes three words of each 4 bytes, and a checksum word. The
// error is ErrSeedSize.
func EncodeBytes(seed []byte) (string, error) {
	if len(seed)%groupSize != 0 || len(seed) < minSeedSize || len(seed) > maxSeedSize {
		return "", ErrSeedSize
	}
	return encode(seed), nil
}

// Decode reads the 13 words of an account's seed. Any white space may separate and surround the words. The first three
// letters of a word suffice. Upper case is an invalid word, as in the apps. The error is one of this package's,
// wrapped.
func Decode(words string) (sessionid.Seed, error) {
	seed, err := DecodeBytes(words)
	if err != nil {
		return sessionid.Seed{}, err
	}
	if len(seed) != len(sessionid.Seed{}) {
		return sessionid.Seed{}, fmt.Errorf("%w: an account seed has %d", ErrTooManyWords, WordCount)
	}
	return sessionid.Seed(seed), nil
}

// DecodeBytes is [Decode] for the seeds of [EncodeBytes].
func DecodeBytes(words string) ([]byte, error) {
	fields := strings.Fields(words)
	switch n := len(fields); {
	case n < minWords || n%3 == 2:
		return nil, fmt.Errorf("%w: there are %d", ErrTooFewWords, n)
	case n > maxWords:
		return nil, fmt.Errorf("%w: there are %d", ErrTooManyWords, n)
	case n%3 == 0:
		return nil, fmt.Errorf("%w: there are %d words", ErrMissingChecksum, n)
	}
	last := len(fields) - 1
	fields, checksum := fields[:last], fields[last]

	seed := make([]byte, 0, maxSeedSize)
	for i := 0; i < len(fields); i += 3 {
		group, err := decodeGroup(fields[i:i+3], i+1)
		if err != nil {
			return nil, err
		}
		seed = binary.LittleEndian.AppendUint32(seed, group)
	}
	if prefix(checksum) != prefix(fields[checksumIndex(fields)]) {
		return nil, ErrChecksum
	}
	return seed, nil
}

func encode(seed []byte) string {
	list := english().words
	n := uint32(len(list))
	var words []string
	for group := range len(seed) / groupSize {
		x := binary.LittleEndian.Uint32(seed[group*groupSize:])
		first := x % n
		second := (x/n + first) % n
		third := (x/n/n + second) % n
		words = append(words, list[first], list[second], list[third])
	}
	words = append(words, words[checksumIndex(words)])
	return strings.Join(words, " ")
}

// decodeGroup returns the number that three words encode. Position is the number of the first word, counted from 1.
func decodeGroup(words []string, position int) (uint32, error) {
	var digits [3]uint64
	for i, word := range words {
		digit, ok := english().index[prefix(word)]
		if !ok {
			return 0, fmt.Errorf("%w: number %d is not in the list", ErrInvalidWord, position+i)
		}
		digits[i] = uint64(digit)
	}
	n := uint64(len(english().words))
	x := digits[0] + n*((n+digits[1]-digits[0])%n) + n*n*((n+digits[2]-digits[1])%n)
	if x > math.MaxUint32 {
		// n^3 is a little above 2^32. The apps drop the excess bit here. No app ever wrote such words.
		return 0, fmt.Errorf("%w: numbers %d to %d do not occur together", ErrInvalidWord, position, position+2)
	}
	return uint32(x), nil
}

// checksumIndex returns the index of the word that the checksum word repeats.
func checksumIndex(words []string) int {
	var prefixes strings.Builder
	for _, word := range words {
		prefixes.WriteString(prefix(word))
	}
	return int(crc32.ChecksumIEEE([]byte(prefixes.String())) % uint32(len(words)))
}

// prefix returns the letters that identify a word in the list.
func prefix(word string) string { return word[:min(len(word), prefixSize)] }

//go:embed english.txt
var englishText string

// wordList has the words in order, and the index of each word by its prefix.
type wordList struct {
	words []string
	index map[string]int
}

// english parses the list on first use, not when the program starts.
var english = sync.OnceValue(func() wordList {
	words := strings.Fields(englishText)
	index := make(map[string]int, len(words))
	for i, word := range words {
		index[prefix(word)] = i
	}
	return wordList{words: words, index: index}
})
