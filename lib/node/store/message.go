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
	"sessiontool/lib/storage"
	"sessiontool/lib/storage/rpc20"
	"sessiontool/lib/storage/rpc28"
)

// MaxNumberText bounds the texts of ttl, timestamp and nonce, in characters. Clients send 8 to 13. A 2020 server
// ignores everything after the digits, so it has no bound.
const MaxNumberText = 64

// errMessage reports bytes that are no encoded message.
var errMessage = errors.New("not an encoded message")

// Message is one stored message: the texts of its store request and its hash.
//
// The hash of a message of storage RPC 2.0 is SHA-512, the result of its proof of work. It covers the texts as they
// were sent. Peers get the same texts, so that a message with unusual texts has the same hash on all nodes. A message
// of storage RPC 2.8 has texts as this node writes them and no nonce. Its hash is 32 zero bytes, which no proof of work
// reaches, and the 32 bytes of [rpc28.MessageHash].
type Message struct {
	pow.Message
	nonce     string
	Namespace rpc28.Namespace
	Hash      MessageHash
}

// MessageHash is a hash of either RPC version.
type MessageHash [sha512.Size]byte

// prefix28 is the number of zero bytes that the hash of a message of storage RPC 2.8 begins with.
const prefix28 = sha512.Size / 2

// NewMessage20 makes a message of storage RPC 2.0. It computes the hash and checks nothing.
func NewMessage20(params rpc20.StoreParams) Message {
	m := Message{
		Message: pow.Message{PubKey: params.PubKey, Timestamp: params.Timestamp, TTL: params.TTL, Data: params.Data},
		nonce:   params.Nonce,
	}
	m.Hash = pow.Hash(pow.DecodeNonceLenient(m.nonce), m.Inner())
	return m
}

// NewMessage28 makes a message of storage RPC 2.8. pubKey is 66 lower-case hex digits; timestamp and ttl are in
// milliseconds.
func NewMessage28(pubKey string, namespace rpc28.Namespace, timestamp, ttl int64, data []byte) Message {
	m := Message{
		Message: pow.Message{
			PubKey: pubKey, Timestamp: strconv.FormatInt(timestamp, 10), TTL: strconv.FormatInt(ttl, 10),
			Data: base64.StdEncoding.EncodeToString(data),
		},
		Namespace: namespace,
	}
	if owner, ok := ownerBytes(pubKey); ok {
		sum := rpc28.MessageSum(owner, namespace, data)
		copy(m.Hash[prefix28:], sum[:])
	}
	return m
}

// hash28Of returns [rpc28.MessageHash] for a key in hex. It returns "" for a text that is no key, which nodes of 2020
// accept.
func hash28Of(pubKey string, namespace rpc28.Namespace, data []byte) string {
	owner, ok := ownerBytes(pubKey)
	if !ok {
		return ""
	}
	return rpc28.MessageHash(owner, namespace, data)
}

// ownerBytes decodes a key. It returns false for a text that is none.
func ownerBytes(pubKey string) (owner [storage.PubkeyTextLength / 2]byte, ok bool) {
	if len(pubKey) != storage.PubkeyTextLength {
		return owner, false
	}
	_, err := hex.Decode(owner[:], []byte(pubKey))
	return owner, err == nil
}

// parseHash28 reads a hash of storage RPC 2.8. It accepts only the canonical base64.
func parseHash28(text string) (hash MessageHash, ok bool) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(hash)-prefix28 {
		return hash, false
	}
	copy(hash[prefix28:], raw)
	return hash, true
}

// Is28 reports whether the hash is that of a message of storage RPC 2.8.
func (h MessageHash) Is28() bool { return [prefix28]byte(h[:prefix28]) == [prefix28]byte{} }

// Raw28 returns the bytes of the hash of a message of storage RPC 2.8.
func (h MessageHash) Raw28() [sha512.Size - prefix28]byte {
	return [sha512.Size - prefix28]byte(h[prefix28:])
}

// String returns the hash as clients of its RPC version see it.
func (h MessageHash) String() string {
	if h.Is28() {
		return base64.RawStdEncoding.EncodeToString(h[prefix28:])
	}
	return hex.EncodeToString(h[:])
}

// alias returns the hash as clients of storage RPC 2.8 see it. bytes is the stored alias of a message of storage RPC
// 2.0.
func (h MessageHash) alias(bytes []byte) string {
	if h.Is28() {
		return h.String()
	}
	return base64.RawStdEncoding.EncodeToString(bytes)
}

// Params20 returns the request from which [NewMessage20] makes this message.
func (m Message) Params20() rpc20.StoreParams {
	return rpc20.StoreParams{PubKey: m.PubKey, TTL: m.TTL, Nonce: m.nonce, Timestamp: m.Timestamp, Data: m.Data}
}

// HashText returns the hash as clients of the sender's RPC version see it.
func (m Message) HashText() string { return m.Hash.String() }

// Hash28 returns the hash as clients of storage RPC 2.8 see it, "" if the owner's text is no key.
func (m Message) Hash28() string {
	if m.Hash.Is28() {
		return m.HashText()
	}
	return hash28Of(m.PubKey, m.Namespace, m.data28())
}

// data28 returns the data as clients of storage RPC 2.8 see it: the decoded base64. A text that is not base64, which
// nodes of 2020 accept, is returned as it is.
func (m Message) data28() []byte {
	data, err := DecodeBase64(m.Data)
	if err != nil {
		return []byte(m.Data)
	}
	return data
}

// LineBreaks are the characters that encoding/base64 skips and storage RPC 2.8 does not.
const LineBreaks = "\r\n"

// DecodeBase64 decodes base64 with or without padding. It skips LineBreaks.
func DecodeBase64(text string) ([]byte, error) {
	if len(text)%4 == 0 {
		return base64.StdEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}

// TTLMillis returns the time to live in milliseconds, and whether nodes accept it.
func (m Message) TTLMillis() (int64, bool) {
	ttl, ok := leadingNumber(m.TTL)
	most := int64(storage.MaxTTLMillis20)
	if m.Hash.Is28() {
		most = m.Namespace.MaxTTL().Milliseconds()
	}
	return ttl, ok && storage.MinTTLMillis <= ttl && ttl <= most
}

// TimestampMillis returns the sender's time in milliseconds since 1970, and whether the text is a number.
func (m Message) TimestampMillis() (int64, bool) { return leadingNumber(m.Timestamp) }

// ExpirationMillis returns the expiration in milliseconds since 1970. TTLMillis and TimestampMillis must have returned
// true.
func (m Message) ExpirationMillis() int64 {
	ttl, _ := m.TTLMillis()
	timestamp, _ := m.TimestampMillis()
	return timestamp + ttl
}

// Meets reports whether the proof of work meets difficulty.
func (m Message) Meets(difficulty uint64) bool {
	ttl, ok := m.TTLMillis()
	return ok && pow.Meets([sha512.Size]byte(m.Hash), pow.Target(m.PayloadLen(), uint64(ttl), difficulty))
}

// size returns about the message's size in memory and on the wire, in bytes.
func (m Message) size() int {
	return len(m.Hash) + namespaceSize + m.PayloadLen() + len(m.nonce) + 5*lengthSize
}

// leadingNumber reads a decimal as the 2020 server does, with C++'s stoi and stoull: it ignores blanks before the
// digits and all characters after them (storage-2.0.md section 2.4). It refuses a minus sign, which stoull would wrap
// around.
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

// lengthSize is the size of the big-endian u32 length before every text of an encoded message.
const lengthSize = 4

// maxEncodedMessage is the greatest length of an encoded message.
const maxEncodedMessage = sha512.Size + namespaceSize + 5*lengthSize +
	storage.PubkeyTextLength + 3*MaxNumberText + storage.MaxDataBytes

func appendLength(b []byte, length int) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(length))
}

func cutLength(b []byte) (length int, rest []byte, ok bool) {
	if len(b) < lengthSize {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint32(b)), b[lengthSize:], true
}

// namespaceSize is the size of an encoded namespace: big-endian, with the sign bit inverted so that namespaces sort.
const namespaceSize = 2

func appendNamespace(b []byte, n rpc28.Namespace) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(n)^0x8000)
}

func decodeNamespace(b []byte) rpc28.Namespace {
	return rpc28.Namespace(binary.BigEndian.Uint16(b) ^ 0x8000)
}

// appendMessage encodes m for disk and for peers: the hash, the namespace, then pubKey, timestamp, ttl, nonce and
// data, each after its length.
func appendMessage(b []byte, m Message) []byte {
	b = appendNamespace(append(b, m.Hash[:]...), m.Namespace)
	for _, text := range []string{m.PubKey, m.Timestamp, m.TTL, m.nonce, m.Data} {
		b = append(appendLength(b, len(text)), text...)
	}
	return b
}

// cutMessage decodes the message at the start of b and returns the rest. It checks lengths and UTF-8, but not the
// hash.
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
		{&m.PubKey, storage.PubkeyTextLength},
		{&m.Timestamp, MaxNumberText},
		{&m.TTL, MaxNumberText},
		{&m.nonce, MaxNumberText},
		{&m.Data, storage.MaxDataBytes},
	} {
		if *field.text, rest, err = cutText(rest, field.most); err != nil {
			return Message{}, nil, err
		}
	}
	if len(m.PubKey) != storage.PubkeyTextLength {
		return Message{}, nil, fmt.Errorf("%w: public key has %d characters", errMessage, len(m.PubKey))
	}
	return m, rest, nil
}

// cutHead decodes the part before ttl, nonce and data.
func cutHead(b []byte) (m Message, err error) {
	if len(b) < len(m.Hash)+namespaceSize {
		return Message{}, fmt.Errorf("%w: hash is cut off", errMessage)
	}
	b = b[copy(m.Hash[:], b):]
	m.Namespace, b = decodeNamespace(b), b[namespaceSize:]
	if m.PubKey, b, err = cutText(b, storage.PubkeyTextLength); err == nil {
		m.Timestamp, _, err = cutText(b, MaxNumberText)
	}
	return m, err
}

func cutText(b []byte, most int) (text string, rest []byte, err error) {
	length, rest, ok := cutLength(b)
	if !ok {
		return "", nil, fmt.Errorf("%w: length is cut off", errMessage)
	}
	if length < 0 || length > min(most, len(rest)) { // negative where int has 32 bits
		limit := min(most, len(rest))
		return "", nil, fmt.Errorf("%w: text of %d bytes exceeds %d", errMessage, length, limit)
	}
	text, rest = string(rest[:length]), rest[length:]
	if !utf8.ValidString(text) {
		return "", nil, fmt.Errorf("%w: text is not UTF-8", errMessage)
	}
	return text, rest, nil
}

// Canonical reports whether a message of storage RPC 2.8 is exactly as [NewMessage28] makes it.
func (m Message) Canonical() bool {
	timestamp, _ := m.TimestampMillis()
	ttl, _ := m.TTLMillis()
	data, err := base64.StdEncoding.DecodeString(m.Data)
	return err == nil && len(data) <= rpc28.MaxMessageBytes &&
		m == NewMessage28(m.PubKey, m.Namespace, timestamp, ttl, data) &&
		m.Hash != MessageHash{} && m.PubKey == strings.ToLower(m.PubKey)
}
