package onion

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error texts of nodes for onion requests (storage-2.0.md section 7.4). A detail follows a text that ends in a space.
// The first five are unencrypted HTTP responses with the given status. The node that opened the layer encrypts the last
// two.
const (
	TextOuter      = "Error parsing outer JSON in onion request: " // 400; detail: the cause
	TextCiphertext = "Invalid ciphertext"                          // 400, from any hop
	TextNextNode   = "Next node not found: "                       // 502; detail: the destination
	TextNotReady   = "Snode not ready: "                           // 503; detail: the hop's Ed25519 key
	TextTimeout    = "Request time out"                            // 504

	TextJSON = "Invalid json" // 400, encrypted
	TextURL  = "Invalid url"  // 400, encrypted
)

// ErrResponse reports a response that the target of the request did not encrypt.
var ErrResponse = errors.New("onion response does not open")

// Response is the target's response: the status and body that it would send to a direct request.
type Response struct {
	Status int
	Body   string
}

// SealResponse encrypts the response to an opened layer: the base64 text of a nonce, read from random, and {"body",
// "status"} under the layer's cipher and key. The HTTP status of the response is always 200. A request of storage RPC
// 2.8 may ask for the encrypted bytes without base64, and for a body that is a JSON object to be embedded instead of
// quoted. A request with a padded payload gets a padded response. The error is ErrNotText or random's.
func (l *Layer) SealResponse(random io.Reader, status int, body string) ([]byte, error) {
	if !utf8.ValidString(body) {
		return nil, ErrNotText
	}
	plaintext, err := l.encodeResponse(status, body)
	if err != nil {
		return nil, err
	}
	sealed, err := seal(random, l.response, plaintext)
	if err != nil {
		return nil, err
	}
	if l.raw {
		return sealed, nil
	}
	return base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(len(sealed))), sealed), nil
}

// encodeResponse returns the plaintext of a response, padded if the request asks for it.
func (l *Layer) encodeResponse(status int, body string) (plaintext []byte, err error) {
	var content any = body
	plain := false
	if l.embed && strings.HasPrefix(body, "{") && json.Valid([]byte(body)) {
		content = json.RawMessage(body)
	} else {
		size := plainSize(body)
		if l.pad {
			size = max(size, PaddedSize(size))
		}
		plaintext, plain = appendPlain(make([]byte, 0, size), status, body)
	}
	if !plain {
		if plaintext, err = marshalResponse(status, content); err != nil {
			return nil, err
		}
	}
	if l.pad {
		plaintext = padResponse(plaintext)
	}
	return plaintext, nil
}

// marshalResponse encodes a response. Body is a string or a json.RawMessage.
func marshalResponse(status int, body any) ([]byte, error) {
	return marshal(struct {
		Body   any `json:"body"`
		Status int `json:"status"`
	}{body, status})
}

// OpenResponse decrypts the body of an HTTP response with status 200. Relays send other statuses, with an unencrypted
// body. The error is ErrResponse, wrapped with its cause.
func (r *Request) OpenResponse(body []byte) (Response, error) {
	sealed := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(sealed, body)
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	plaintext, err := openInPlace(r.response, sealed[:n])
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	if response, ok := parsePlainResponse(plaintext); ok {
		return response, nil
	}
	fields, err := parseObject(plaintext)
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	text, err := fields.text("body")
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	status, err := strconv.Atoi(string(fields["status"]))
	if err != nil || status < 100 || status > 999 {
		return Response{}, fmt.Errorf("%w: status is not an HTTP status", ErrResponse)
	}
	return Response{Status: status, Body: text}, nil
}
