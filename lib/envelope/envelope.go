// Package envelope packs an encrypted message for the store and unpacks what the store returns: an Envelope inside
// a WebSocketMessage inside base64, as Session clients of 2020 write them and, with less in them, today's still do
// (signal-2020.md section 3; session-v1.md section 2).
//
// It promises that packing reproduces the clients' bytes, that unpacking takes any order of fields and skips
// unknown ones as their decoders do, and that what is unpacked has one of the known types and a sender where its
// type needs one. It says nothing about who really sent it: that is for the layers inside. It is pure: randomness
// is passed in.
package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/internal/fields"
	"sessiontool/lib/sessionid"
	"sessiontool/proto/wirepb"
)

// MaxDataText is the longest data text, in bytes of base64, that a node stores (storage-2.0.md section 2.3).
const MaxDataText = 102400

// MaxData is what MaxDataText leaves for the bytes that the text encodes: 76800, without a padding character.
const MaxData = MaxDataText / 4 * 3

var (
	// ErrMalformed reports a data text that is not base64, not a WebSocketMessage with a request, or lacks a field.
	ErrMalformed = errors.New("envelope is malformed")
	// ErrPath reports a request to another path than that of messages. Clients acknowledge those and do nothing.
	ErrPath = errors.New("request is not for a message")
	// ErrType reports an envelope of a type that is not used between two people.
	ErrType = errors.New("unknown envelope type")
	// ErrSource reports a source that is missing or not a Session ID, or one that Pack is told to name although the
	// sender shall be sealed.
	ErrSource = errors.New("envelope source does not fit its type")
	// ErrTooLarge reports a data text longer than MaxDataText.
	ErrTooLarge = errors.New("envelope is larger than nodes store")
)

// Type says how Content is encrypted. The numbers are those of the wire.
type Type int32

const (
	// Whisper is a message of an established session.
	Whisper = Type(wirepb.Envelope_CIPHERTEXT)
	// PreKeyWhisper is a message that also starts a session.
	PreKeyWhisper = Type(wirepb.Envelope_PREKEY_BUNDLE)
	// Sealed is a message whose sender and kind are inside the encryption. Of today's clients' messages all are of this
	// type; only opening it tells whose it is.
	Sealed = Type(wirepb.Envelope_UNIDENTIFIED_SENDER)
	// FriendRequest is a first contact, under the two identity keys alone.
	FriendRequest = Type(wirepb.Envelope_FRIEND_REQUEST)
)

// String returns the type's name.
func (t Type) String() string {
	switch t {
	case Whisper:
		return "whisper"
	case PreKeyWhisper:
		return "prekey-whisper"
	case Sealed:
		return "sealed"
	case FriendRequest:
		return "friend-request"
	}
	return fmt.Sprintf("type %d", int32(t))
}

// known reports whether t is one of the named types.
func (t Type) known() bool {
	switch t {
	case Whisper, PreKeyWhisper, Sealed, FriendRequest:
		return true
	}
	return false
}

// Envelope is an encrypted message with what its receiver needs in order to open it.
type Envelope struct {
	Type Type
	// Source is the sender, and zero if Type is Sealed.
	Source sessionid.ID
	// TimestampMS is the sender's clock in milliseconds since 1970. It identifies the message in receipts.
	TimestampMS uint64
	Content     []byte
}

// check returns ErrType, ErrSource or ErrMalformed if no client would make such an envelope.
func (e Envelope) check() error {
	switch {
	case !e.Type.known():
		return fmt.Errorf("%w: %d", ErrType, int32(e.Type))
	case e.Type == Sealed && !e.Source.IsZero():
		return fmt.Errorf("%w: a sealed sender is named", ErrSource)
	case e.Type != Sealed && e.Source.IsZero():
		return fmt.Errorf("%w: type %s needs one", ErrSource, e.Type)
	case len(e.Content) == 0:
		return fmt.Errorf("%w: no content", ErrMalformed)
	}
	return nil
}

// Fields of the two messages, by number.
const (
	fieldSocketType    = 1
	fieldSocketRequest = 2

	fieldRequestVerb = 1
	fieldRequestPath = 2
	fieldRequestBody = 3
	fieldRequestID   = 4

	fieldType         = 1
	fieldSource       = 2
	fieldTimestamp    = 5
	fieldSourceDevice = 7
	fieldContent      = 8
)

const (
	verb         = "PUT"
	path         = "/api/v1/message"
	sourceDevice = 1 // always (signal-2020.md section 3.1)
)

// Marshal encodes the envelope alone, in the order of fields in which the clients write them: 1, 2, 7, 5, 8.
func (e Envelope) Marshal() []byte {
	b := make([]byte, 0, len(e.Content)+sessionid.TextSize+32)
	b = fields.AppendVarint(b, fieldType, uint64(e.Type))
	if !e.Source.IsZero() {
		b = fields.AppendBytes(b, fieldSource, e.Source.String())
	}
	b = fields.AppendVarint(b, fieldSourceDevice, sourceDevice)
	b = fields.AppendVarint(b, fieldTimestamp, e.TimestampMS)
	return fields.AppendBytes(b, fieldContent, e.Content)
}

// Pack returns the data text of a store request for e. The request id inside, one byte, is drawn from random; nobody
// checks it, but it makes two texts of one envelope differ. It returns ErrType, ErrSource or ErrMalformed for an
// envelope that no receiver would take, ErrTooLarge, or random's error.
func Pack(random io.Reader, e Envelope) (string, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	var id [1]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return pack(e.Marshal(), uint64(id[0]))
}

// PackBox returns the data text of a store request for a message of today's clients: box is what package sealedbox made,
// timestampMS the sender's clock in milliseconds since 1970. There is no source, no device and no request id in it, so
// two texts of one box are the same. It returns ErrMalformed for no box, or ErrTooLarge.
func PackBox(timestampMS uint64, box []byte) (string, error) {
	e := Envelope{Type: Sealed, TimestampMS: timestampMS, Content: box}
	if err := e.check(); err != nil {
		return "", err
	}
	b := make([]byte, 0, len(box)+32)
	b = fields.AppendVarint(b, fieldType, uint64(e.Type))
	b = fields.AppendVarint(b, fieldTimestamp, e.TimestampMS)
	return pack(fields.AppendBytes(b, fieldContent, e.Content), 0)
}

// pack puts an encoded Envelope into a request with this id.
func pack(body []byte, id uint64) (string, error) {
	request := make([]byte, 0, len(body)+32)
	request = fields.AppendBytes(request, fieldRequestVerb, verb)
	request = fields.AppendBytes(request, fieldRequestPath, path)
	request = fields.AppendBytes(request, fieldRequestBody, body)
	request = fields.AppendVarint(request, fieldRequestID, id)

	message := make([]byte, 0, len(request)+16)
	message = fields.AppendVarint(message, fieldSocketType, uint64(wirepb.WebSocketMessage_REQUEST))
	message = fields.AppendBytes(message, fieldSocketRequest, request)
	if len(message) > MaxData {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(message), MaxData)
	}
	return base64.StdEncoding.EncodeToString(message), nil
}

// Unpack reads the data text of a stored message. A source beside a sealed sender is dropped. The error is one of
// this package's, wrapped with its cause.
func Unpack(data string) (Envelope, error) {
	body, err := unpackRequest(data)
	if err != nil {
		return Envelope{}, err
	}
	var wire wirepb.Envelope
	if err := proto.Unmarshal(body, &wire); err != nil {
		return Envelope{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if wire.Type == nil || wire.Timestamp == nil {
		return Envelope{}, fmt.Errorf("%w: no type or no timestamp", ErrMalformed)
	}
	e := Envelope{
		Type:        Type(wire.GetType()),
		TimestampMS: wire.GetTimestamp(),
		Content:     wire.GetContent(),
	}
	if wire.Source != nil {
		if e.Source, err = sessionid.Parse(wire.GetSource()); err != nil {
			return Envelope{}, fmt.Errorf("%w: %w", ErrSource, err)
		}
	}
	if e.Type == Sealed {
		e.Source = sessionid.ID{} // clients do not read it there, and nothing vouches for it
	}
	if err := e.check(); err != nil {
		return Envelope{}, err
	}
	return e, nil
}

// unpackRequest returns the body of the request that data encodes: an encoded Envelope.
func unpackRequest(data string) ([]byte, error) {
	if len(data) > MaxDataText {
		return nil, fmt.Errorf("%w: %d characters, at most %d", ErrTooLarge, len(data), MaxDataText)
	}
	if strings.ContainsAny(data, "\r\n") { // which the decoder would skip
		return nil, fmt.Errorf("%w: line break in base64", ErrMalformed)
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var message wirepb.WebSocketMessage
	if err := proto.Unmarshal(decoded, &message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if message.GetType() != wirepb.WebSocketMessage_REQUEST || message.GetRequest() == nil {
		return nil, fmt.Errorf("%w: not a request", ErrMalformed)
	}
	if got := message.GetRequest().GetPath(); got != path {
		return nil, fmt.Errorf("%w: path %.64q", ErrPath, got)
	}
	return message.GetRequest().GetBody(), nil
}
