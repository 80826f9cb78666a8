package node

import (
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"sessiontool/lib/pow"
	"sessiontool/lib/rpc"
)

// maxNumberText bounds ttl, timestamp and nonce, which a 2020 server lets grow with whatever follows the digits.
// What clients send has 8 to 13 characters.
const maxNumberText = 64

// errMessage reports bytes that are no encoded message.
var errMessage = errors.New("not an encoded message")

// message is one stored message: the texts of its store request, which its hash covers as they were sent, and the
// hash. Peers get the same texts, so that a message written in an unusual way is the same message everywhere.
type message struct {
	pow.Message
	nonce string
	hash  [sha512.Size]byte
}

// newMessage computes the hash.
func newMessage(params rpc.StoreParams) message {
	m := message{
		Message: pow.Message{PubKey: params.PubKey, Timestamp: params.Timestamp, TTL: params.TTL, Data: params.Data},
		nonce:   params.Nonce,
	}
	m.hash = pow.Hash(pow.DecodeNonceLenient(m.nonce), m.Inner())
	return m
}

// params undoes newMessage.
func (m message) params() rpc.StoreParams {
	return rpc.StoreParams{PubKey: m.PubKey, TTL: m.TTL, Nonce: m.nonce, Timestamp: m.Timestamp, Data: m.Data}
}

// hashText returns the hash as clients see it.
func (m message) hashText() string { return hex.EncodeToString(m.hash[:]) }

// ttl returns the time to live in milliseconds, and whether nodes accept it.
func (m message) ttl() (int64, bool) {
	ttl, ok := leadingNumber(m.TTL)
	return ttl, ok && rpc.MinTTLMillis <= ttl && ttl <= rpc.MaxTTLMillis
}

// timestamp returns the sender's clock in milliseconds since 1970, and whether it is a number.
func (m message) timestamp() (int64, bool) { return leadingNumber(m.Timestamp) }

// expiration returns when the message is to be forgotten, in milliseconds since 1970. It is for messages whose ttl
// and timestamp have been accepted.
func (m message) expiration() int64 {
	ttl, _ := m.ttl()
	timestamp, _ := m.timestamp()
	return timestamp + ttl
}

// meets reports whether the proof of work is good enough for difficulty.
func (m message) meets(difficulty uint64) bool {
	ttl, ok := m.ttl()
	return ok && pow.Meets(m.hash, pow.Target(m.PayloadLen(), uint64(ttl), difficulty))
}

// size is about what the message takes in memory and on the wire.
func (m message) size() int {
	return len(m.hash) + m.PayloadLen() + len(m.nonce) + 5*lengthSize
}

// leadingNumber reads a decimal as the 2020 server does, with C++'s stoi and stoull: blanks before it and anything
// behind it are skipped (node notes, section 2). A minus sign, which stoull would wrap around, is refused.
func leadingNumber(text string) (int64, bool) {
	if len(text) > maxNumberText {
		return 0, false
	}
	text = strings.TrimPrefix(strings.TrimLeft(text, " \t\n\v\f\r"), "+")
	if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		text = text[:end]
	}
	number, err := strconv.ParseInt(text, 10, 64)
	return number, err == nil
}

// lengthSize is that of the big-endian u32 in front of every text of an encoded message.
const lengthSize = 4

// maxEncodedMessage is the greatest length of an encoded message.
const maxEncodedMessage = sha512.Size + 5*lengthSize + rpc.PubKeyTextLength + 3*maxNumberText + rpc.MaxDataBytes

func appendLength(b []byte, length int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(length))
}

func cutLength(b []byte) (length int, rest []byte, ok bool) {
	if len(b) < lengthSize {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint32(b)), b[lengthSize:], true
}

// appendMessage encodes m for disk and for peers: the hash, then pubKey, timestamp, ttl, nonce and data, each with
// its length in front.
func appendMessage(b []byte, m message) []byte {
	b = append(b, m.hash[:]...)
	for _, text := range []string{m.PubKey, m.Timestamp, m.TTL, m.nonce, m.Data} {
		b = append(appendLength(b, len(text)), text...)
	}
	return b
}

// cutMessage decodes the message at the start of b and returns what follows it. It checks the shape only: lengths
// and UTF-8, but not that the hash is right.
func cutMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < len(m.hash) {
		return message{}, nil, fmt.Errorf("%w: hash is cut off", errMessage)
	}
	rest = b[copy(m.hash[:], b):]
	for _, field := range []struct {
		text *string
		most int
	}{
		{&m.PubKey, rpc.PubKeyTextLength},
		{&m.Timestamp, maxNumberText},
		{&m.TTL, maxNumberText},
		{&m.nonce, maxNumberText},
		{&m.Data, rpc.MaxDataBytes},
	} {
		if *field.text, rest, err = cutText(rest, field.most); err != nil {
			return message{}, nil, err
		}
	}
	if len(m.PubKey) != rpc.PubKeyTextLength {
		return message{}, nil, fmt.Errorf("%w: public key has %d characters", errMessage, len(m.PubKey))
	}
	return m, rest, nil
}

func cutText(b []byte, most int) (text string, rest []byte, err error) {
	length, rest, ok := cutLength(b)
	if !ok {
		return "", nil, fmt.Errorf("%w: length is cut off", errMessage)
	}
	if length < 0 || length > min(most, len(rest)) { // below zero where int has 32 bits
		return "", nil, fmt.Errorf("%w: text of %d bytes where at most %d may be", errMessage, length, min(most, len(rest)))
	}
	text, rest = string(rest[:length]), rest[length:]
	if !utf8.ValidString(text) {
		return "", nil, fmt.Errorf("%w: text is not UTF-8", errMessage)
	}
	return text, rest, nil
}

// decodeMessages decodes a batch, which is nothing but messages one after the other.
func decodeMessages(b []byte) ([]message, error) {
	var messages []message
	for len(b) > 0 {
		m, rest, err := cutMessage(b)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", len(messages)+1, err)
		}
		messages, b = append(messages, m), rest
	}
	return messages, nil
}
