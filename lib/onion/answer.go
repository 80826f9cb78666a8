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

// Texts of the answers that nodes make about onion requests (storage-2.0.md section 7.4). A text that ends in a space
// is followed by a detail. Those about the way are bare HTTP answers with the status given here; the last two are
// sealed by the node whose layer is meant.
const (
	TextOuter      = "Error parsing outer JSON in onion request: " // 400; the cause
	TextCiphertext = "Invalid ciphertext"                          // 400, whichever hop
	TextNextNode   = "Next node not found: "                       // 502; the destination
	TextNotReady   = "Snode not ready: "                           // 503; that hop's Ed25519 key
	TextTimeout    = "Request time out"                            // 504

	TextJSON = "Invalid json" // sealed 400
	TextURL  = "Invalid url"  // sealed 400
)

// ErrResponse reports an answer that is not one sealed by the target of the request.
var ErrResponse = errors.New("onion response does not open")

// Response is the answer of a path's last node: the status and the body that it would have given to a direct request.
type Response struct {
	Status int
	Body   string
}

// SealResponse makes the answer to an opened layer: the base64 text of nonce || {"body", "status"} sealed with the layer's
// cipher and key. The nonce is drawn from random. It goes back with HTTP status 200 whatever status says. Clients of
// storage RPC 2.8 can ask for the sealed bytes themselves, and for a body that is a JSON object to stand there as such instead of as
// text. The error is ErrNotText or random's.
func (l *Layer) SealResponse(random io.Reader, status int, body string) ([]byte, error) {
	if !utf8.ValidString(body) {
		return nil, ErrNotText
	}
	var content any = body
	if l.embed && strings.HasPrefix(body, "{") && json.Valid([]byte(body)) {
		content = json.RawMessage(body)
	}
	plaintext, err := marshalResponse(status, content)
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
	return base64.StdEncoding.AppendEncode(nil, sealed), nil
}

// marshalResponse takes a body that is a string or JSON.
func marshalResponse(status int, body any) ([]byte, error) {
	return marshal(struct {
		Body   any `json:"body"`
		Status int `json:"status"`
	}{body, status})
}

// OpenResponse opens the body of an HTTP answer with status 200. Other statuses come from the nodes on the way and
// are not sealed. The error is ErrResponse with its cause.
func (r *Request) OpenResponse(body []byte) (Response, error) {
	sealed, err := base64.StdEncoding.AppendDecode(nil, body)
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
	}
	plaintext, err := open(r.response, sealed)
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrResponse, err)
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
		return Response{}, fmt.Errorf("%w: status is no HTTP status", ErrResponse)
	}
	return Response{Status: status, Body: text}, nil
}
