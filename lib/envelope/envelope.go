// Package envelope encodes an encrypted message for the store and decodes stored messages. A data text is an Envelope
// inside a WebSocketMessage inside base64, in the form of Session clients of 2020 or of session-v1 (signal-2020.md
// section 3; session-v1.md section 2).
//
// It promises that packing gives the clients' bytes; that unpacking accepts what the clients accept, which is any order
// of fields, unknown fields, any type, and any verb, path and ID of the request; and that an unpacked envelope has a
// source if its kind needs one. It does not authenticate the source: the ciphertext inside does. It is pure: randomness
// is passed in.
package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"sessiontool/lib/ciphertext"
	"sessiontool/lib/internal/fields"
	"sessiontool/lib/sessionid"
	"sessiontool/proto/wirepb"
)

// MaxDataText is the longest data text, in bytes of base64, that a node stores (storage-2.0.md section 2.3).
const MaxDataText = 102400

// MaxData is the number of bytes that MaxDataText encodes without a padding character: 76800.
const MaxData = MaxDataText / 4 * 3

var (
	// ErrMalformed reports a data text that is not base64, is not a WebSocketMessage with a request, or lacks a field.
	ErrMalformed = errors.New("envelope is malformed")
	// ErrV2 reports data of session-v2, which begins with a zero byte and has no envelope: see package v2message.
	//
	//lint:ignore ST1005 the sentence begins with a name
	ErrV2 = errors.New("Session Protocol v2: there is no envelope")
	// ErrSource reports a source that is missing or is not a Session ID, or an envelope to pack that has a source
	// although its sender is sealed.
	ErrSource = errors.New("envelope source does not fit its type")
	// ErrTooLarge reports a data text longer than MaxDataText.
	ErrTooLarge = errors.New("envelope is larger than nodes store")
)

// named reports whether an envelope with this kind of ciphertext must name its sender.
func named(kind ciphertext.Kind) bool {
	switch kind {
	case ciphertext.Whisper, ciphertext.PreKeyWhisper, ciphertext.FriendRequest:
		return true
	}
	return false
}

// boxed reports whether clients of session-v1 read envelopes with this kind of ciphertext.
func boxed(kind ciphertext.Kind) bool { return kind == ciphertext.Sealed || kind == ciphertext.Group }

// Envelope is an encrypted message with the fields that its receiver needs to decrypt it.
type Envelope struct {
	// Kind is the kind of Content. Unpack also returns kinds without a constant.
	Kind ciphertext.Kind
	// Source is the sender. It is zero if Kind is Sealed or Group.
	Source sessionid.ID
	// TimestampMS is the sender's clock in milliseconds since 1970. It identifies the message in receipts.
	TimestampMS uint64
	// Content is the ciphertext. It may be nil only if Kind is ServerReceipt or has no constant.
	Content []byte
}

// check returns ErrSource or ErrMalformed for an envelope that no client makes.
func (e Envelope) check() error {
	switch {
	case boxed(e.Kind) && !e.Source.IsZero():
		return fmt.Errorf("%w: envelope of a sealed sender has a source", ErrSource)
	case named(e.Kind) && e.Source.IsZero():
		return fmt.Errorf("%w: type %s needs one", ErrSource, e.Kind)
	case (named(e.Kind) || boxed(e.Kind)) && len(e.Content) == 0:
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
	fieldProSig       = 11
)

const (
	verb         = "PUT"
	path         = "/api/v1/message"
	sourceDevice = 1 // always (signal-2020.md section 3.1)
)

// Marshal encodes the envelope alone, with the clients' order of fields: 1, 2, 7, 5, 8.
func (e Envelope) Marshal() []byte {
	b := make([]byte, 0, len(e.Content)+sessionid.TextSize+32)
	b = fields.AppendVarint(b, fieldType, uint64(e.Kind))
	if !e.Source.IsZero() {
		b = fields.AppendBytes(b, fieldSource, e.Source.String())
	}
	b = fields.AppendVarint(b, fieldSourceDevice, sourceDevice)
	b = fields.AppendVarint(b, fieldTimestamp, e.TimestampMS)
	if e.Content == nil {
		return b
	}
	return fields.AppendBytes(b, fieldContent, e.Content)
}

// Pack returns the data text of a store request for e. It reads the request ID inside, one byte, from random. No
// receiver checks the ID, but it makes two data texts of one envelope differ. Pack returns ErrSource or ErrMalformed
// for an envelope that no receiver accepts, ErrTooLarge, or random's error.
func Pack(random io.Reader, e Envelope) (string, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	var id [1]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return pack(verb, path, e.Marshal(), uint64(id[0]))
}

// ProSignature is a signature of a session-v1 message outside the encryption: the Ed25519 signature of the sealed box
// by the rotating key of a Session Pro account or by any other key.
type ProSignature [64]byte

// PackBox returns the data text of a store request for a session-v1 message, in the form of libsession. box is the
// sealed box of package sealedbox. timestampMS is the sender's clock in milliseconds since 1970. The envelope has no
// source, and verb, path and ID of the request are empty, so that two data texts of one box differ only in their
// signature. PackBox returns ErrMalformed for an empty box, or ErrTooLarge.
func PackBox(timestampMS uint64, box []byte, signature ProSignature) (string, error) {
	e := Envelope{Kind: ciphertext.Sealed, TimestampMS: timestampMS, Content: box}
	if err := e.check(); err != nil {
		return "", err
	}
	b := make([]byte, 0, len(box)+len(signature)+32)
	b = fields.AppendVarint(b, fieldType, uint64(e.Kind))
	b = fields.AppendVarint(b, fieldTimestamp, e.TimestampMS)
	b = fields.AppendVarint(b, fieldSourceDevice, sourceDevice)
	b = fields.AppendBytes(b, fieldContent, e.Content)
	return pack("", "", fields.AppendBytes(b, fieldProSig, signature[:]), 0)
}

// pack wraps an encoded Envelope in a request with this verb, path and id.
func pack(verb, path string, body []byte, id uint64) (string, error) {
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

// Unpack decodes the data text of a stored message. It drops a source beside a sealed sender, which is not
// authenticated. The kind may have no constant. The error is one of this package's, wrapped with its cause.
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
		Kind:        ciphertext.Kind(wire.GetType()),
		TimestampMS: wire.GetTimestamp(),
		Content:     wire.GetContent(),
	}
	if boxed(e.Kind) {
		err = checkBoxed(&wire)
	} else if wire.Source != nil {
		e.Source, err = sessionid.Parse(wire.GetSource())
		if !named(e.Kind) {
			err = nil // the source of such an envelope is not used
		}
	}
	if err != nil {
		return Envelope{}, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if err := e.check(); err != nil {
		return Envelope{}, err
	}
	return e, nil
}

// checkBoxed returns an error for fields beside a sealed box that clients of session-v1 refuse. They accept an empty
// source or any source of 66 characters, and no signature or any signature of 64 bytes.
func checkBoxed(wire *wirepb.Envelope) error {
	if size := len(wire.GetSource()); size != 0 && size != sessionid.TextSize {
		return fmt.Errorf("source of %d characters beside a sealed sender", size)
	}
	if wire.ProSig != nil && len(wire.ProSig) != len(ProSignature{}) {
		return fmt.Errorf("signature of %d bytes outside the encryption", len(wire.ProSig))
	}
	return nil
}

// unpackRequest returns the body of the request in a data text: an encoded Envelope.
func unpackRequest(data string) ([]byte, error) {
	if len(data) > MaxDataText {
		return nil, fmt.Errorf("%w: %d characters, at most %d", ErrTooLarge, len(data), MaxDataText)
	}
	if strings.ContainsAny(data, "\r\n") { // the decoder would skip them
		return nil, fmt.Errorf("%w: line break in base64", ErrMalformed)
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if bytes.HasPrefix(decoded, v2Prefix) {
		return nil, ErrV2
	}
	var message wirepb.WebSocketMessage
	if err := proto.Unmarshal(decoded, &message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if message.GetRequest() == nil || message.GetRequest().Body == nil {
		return nil, fmt.Errorf("%w: no request, or a request without a body", ErrMalformed)
	}
	return message.GetRequest().GetBody(), nil
}

// v2Prefix is the start of every message of session-v2. No WebSocketMessage starts with it, because there is no
// field 0.
var v2Prefix = []byte{0}
