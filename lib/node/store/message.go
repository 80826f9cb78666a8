package store

import (
	"crypto/sha512"
	"encoding/base64"
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
const MaxNumberText = 64

// errMessage reports bytes that are no encoded message.
var errMessage = errors.New("not an encoded message")

// message is one stored message: the texts of its store request and its hash. That of a client of 2020 is SHA-512, the
// result of its proof of work, and covers the texts as they were sent. Peers get the same texts, so that a message
// written in an unusual way is the same message everywhere. A message of today's clients has texts as this node writes
// them, no nonce, and as its hash 32 zero bytes and the 32 bytes of rpc.MessageHash, which no proof of work comes near.
type Message struct {
	pow.Message
	nonce     string
	Namespace rpc.Namespace
	Hash      MessageHash
}

// messageHash is a hash of either generation.
type MessageHash [sha512.Size]byte

// todayPrefix is what hashes of today's messages begin with.
const prefix28 = sha512.Size / 2

// newMessage computes the hash of a message of 2020.
func NewMessage20(params rpc.StoreParams) Message {
	m := Message{
		Message: pow.Message{PubKey: params.PubKey, Timestamp: params.Timestamp, TTL: params.TTL, Data: params.Data},
		nonce:   params.Nonce,
	}
	m.Hash = pow.Hash(pow.DecodeNonceLenient(m.nonce), m.Inner())
	return m
}

// newTodayMessage makes a message of today's clients. pubKey is 66 lower-case hex digits; times are in milliseconds.
func NewMessage28(pubKey string, namespace rpc.Namespace, timestamp, ttl int64, data []byte) Message {
	m := Message{
		Message: pow.Message{
			PubKey: pubKey, Timestamp: strconv.FormatInt(timestamp, 10), TTL: strconv.FormatInt(ttl, 10),
			Data: base64.StdEncoding.EncodeToString(data),
		},
		Namespace: namespace,
	}
	m.Hash, _ = parseHash28(hash28Of(pubKey, namespace, data))
	return m
}

// todayHashOf is rpc.MessageHash for a key in hex; "" for a text that is none, as nodes of 2020 take them.
func hash28Of(pubKey string, namespace rpc.Namespace, data []byte) string {
	owner, err := hex.DecodeString(pubKey)
	if err != nil || len(owner) != rpc.PubKeyTextLength/2 {
		return ""
	}
	return rpc.MessageHash([rpc.PubKeyTextLength / 2]byte(owner), namespace, data)
}

// parseTodayHash reads a hash as today's clients write it. Only the one way to write it counts.
func parseHash28(text string) (hash MessageHash, ok bool) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(hash)-prefix28 {
		return hash, false
	}
	copy(hash[prefix28:], raw)
	return hash, true
}

// isToday reports whether the hash is one of today's.
func (h MessageHash) Is28() bool { return [prefix28]byte(h[:prefix28]) == [prefix28]byte{} }

// String returns the hash as clients of its generation see it.
func (h MessageHash) String() string {
	if h.Is28() {
		return base64.RawStdEncoding.EncodeToString(h[prefix28:])
	}
	return hex.EncodeToString(h[:])
}

// alias returns the hash as today's clients see it, given what that is, as bytes, for a message of 2020.
func (h MessageHash) alias(bytes []byte) string {
	if h.Is28() {
		return h.String()
	}
	return base64.RawStdEncoding.EncodeToString(bytes)
}

// params undoes newMessage.
func (m Message) Params20() rpc.StoreParams {
	return rpc.StoreParams{PubKey: m.PubKey, TTL: m.TTL, Nonce: m.nonce, Timestamp: m.Timestamp, Data: m.Data}
}

// hashText returns the hash as clients of the sender's generation see it.
func (m Message) HashText() string { return m.Hash.String() }

// todayHash returns the hash as today's clients see it, "" if the owner's key is none that they could have.
func (m Message) Hash28() string {
	if m.Hash.Is28() {
		return m.HashText()
	}
	return hash28Of(m.PubKey, m.Namespace, m.data28())
}

// todayData returns the data as today's clients see it: what the text stands for, or, if it is no base64, which nodes of
// 2020 do not look at, the text itself.
func (m Message) data28() []byte {
	data, err := DecodeBase64(m.Data)
	if err != nil {
		return []byte(m.Data)
	}
	return data
}

// lineBreaks are what encoding/base64 passes over, and nodes of today do not.
const LineBreaks = "\r\n"

// decodeBase64 takes base64 with padding or without.
func DecodeBase64(text string) ([]byte, error) {
	if len(text)%4 == 0 {
		return base64.StdEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// ttl returns the time to live in milliseconds, and whether nodes accept it.
func (m Message) TTLMillis() (int64, bool) {
	ttl, ok := leadingNumber(m.TTL)
	most := int64(rpc.MaxTTLMillis)
	if m.Hash.Is28() {
		most = m.Namespace.MaxTTL().Milliseconds()
	}
	return ttl, ok && rpc.MinTTLMillis <= ttl && ttl <= most
}

// timestamp returns the sender's clock in milliseconds since 1970, and whether it is a number.
func (m Message) TimestampMillis() (int64, bool) { return leadingNumber(m.Timestamp) }

// expiration returns when the message is to be forgotten, in milliseconds since 1970. It is for messages whose ttl
// and timestamp have been accepted.
func (m Message) ExpirationMillis() int64 {
	ttl, _ := m.TTLMillis()
	timestamp, _ := m.TimestampMillis()
	return timestamp + ttl
}

// meets reports whether the proof of work is good enough for difficulty.
func (m Message) Meets(difficulty uint64) bool {
	ttl, ok := m.TTLMillis()
	return ok && pow.Meets([sha512.Size]byte(m.Hash), pow.Target(m.PayloadLen(), uint64(ttl), difficulty))
}

// size is about what the message takes in memory and on the wire.
func (m Message) size() int {
	return len(m.Hash) + namespaceSize + m.PayloadLen() + len(m.nonce) + 5*lengthSize
}

// leadingNumber reads a decimal as the 2020 server does, with C++'s stoi and stoull: blanks before it and anything
// behind it are skipped (storage-2.0.md section 2.4). A minus sign, which stoull would wrap around, is refused.
func leadingNumber(text string) (int64, bool) {
	if len(text) > MaxNumberText {
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
const maxEncodedMessage = sha512.Size + namespaceSize + 5*lengthSize + rpc.PubKeyTextLength + 3*MaxNumberText + rpc.MaxDataBytes

func appendLength(b []byte, length int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(length))
}

func cutLength(b []byte) (length int, rest []byte, ok bool) {
	if len(b) < lengthSize {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint32(b)), b[lengthSize:], true
}

// namespaceSize is that of an encoded namespace: big-endian, with the sign turned so that they sort.
const namespaceSize = 2

func appendNamespace(b []byte, n rpc.Namespace) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(n)^0x8000)
}

func decodeNamespace(b []byte) rpc.Namespace {
	return rpc.Namespace(binary.BigEndian.Uint16(b) ^ 0x8000)
}

// appendMessage encodes m for disk and for peers: the hash, the namespace, then pubKey, timestamp, ttl, nonce and data,
// each with its length in front.
func appendMessage(b []byte, m Message) []byte {
	b = appendNamespace(append(b, m.Hash[:]...), m.Namespace)
	for _, text := range []string{m.PubKey, m.Timestamp, m.TTL, m.nonce, m.Data} {
		b = append(appendLength(b, len(text)), text...)
	}
	return b
}

// cutMessage decodes the message at the start of b and returns what follows it. It checks the shape only: lengths
// and UTF-8, but not that the hash is right.
func cutMessage(b []byte) (m Message, rest []byte, err error) {
	if len(b) < len(m.Hash)+namespaceSize {
		return Message{}, nil, fmt.Errorf("%w: hash is cut off", errMessage)
	}
	rest = b[copy(m.Hash[:], b):]
	m.Namespace, rest = decodeNamespace(rest), rest[namespaceSize:]
	for _, field := range []struct {
		text *string
		most int
	}{
		{&m.PubKey, rpc.PubKeyTextLength},
		{&m.Timestamp, MaxNumberText},
		{&m.TTL, MaxNumberText},
		{&m.nonce, MaxNumberText},
		{&m.Data, rpc.MaxDataBytes},
	} {
		if *field.text, rest, err = cutText(rest, field.most); err != nil {
			return Message{}, nil, err
		}
	}
	if len(m.PubKey) != rpc.PubKeyTextLength {
		return Message{}, nil, fmt.Errorf("%w: public key has %d characters", errMessage, len(m.PubKey))
	}
	return m, rest, nil
}

// cutHead decodes what stands in front of ttl, nonce and data.
func cutHead(b []byte) (m Message, err error) {
	if len(b) < len(m.Hash)+namespaceSize {
		return Message{}, fmt.Errorf("%w: hash is cut off", errMessage)
	}
	b = b[copy(m.Hash[:], b):]
	m.Namespace, b = decodeNamespace(b), b[namespaceSize:]
	if m.PubKey, b, err = cutText(b, rpc.PubKeyTextLength); err == nil {
		m.Timestamp, _, err = cutText(b, MaxNumberText)
	}
	return m, err
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

// isCanonical reports whether a message of today's clients is one that newTodayMessage makes.
func (m Message) Canonical() bool {
	timestamp, _ := m.TimestampMillis()
	ttl, _ := m.TTLMillis()
	data, err := base64.StdEncoding.DecodeString(m.Data)
	return err == nil && len(data) <= rpc.MaxMessageBytes && m == NewMessage28(m.PubKey, m.Namespace, timestamp, ttl, data) &&
		m.Hash != MessageHash{} && m.PubKey == strings.ToLower(m.PubKey)
}
