package onion

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"sessiontool/lib/x25519"
)

// formatV1 is JSON: {"ciphertext", "ephemeral_key"} as HTTP body, {"destination", "ciphertext", "ephemeral_key"} for a
// relay, and {"body", "headers"} for the target.
type formatV1 struct{}

func (formatV1) final(payload []byte, _ int) (*layerText, error) {
	if !utf8.Valid(payload) {
		return nil, ErrNotText
	}
	body, err := marshal(struct {
		Body    string `json:"body"`
		Headers string `json:"headers"`
	}{Body: string(payload)})
	return &layerText{buffer: body}, err
}

// layer writes the JSON without encoding/json: hex and base64 have no character that JSON escapes.
func (formatV1) layer(destination string, _ Cipher, ephemeral x25519.PublicKey, sealed *layerText) {
	next := newText(base64.StdEncoding.EncodedLen(len(sealed.content())), 1)
	body := append(next.buffer, '{')
	if destination != "" {
		body = fmt.Appendf(body, `"destination":"%s",`, destination)
	}
	body = append(body, `"ciphertext":"`...)
	body = base64.StdEncoding.AppendEncode(body, sealed.content())
	next.buffer = fmt.Appendf(body, `","ephemeral_key":"%s"}`, ephemeral)
	*sealed = *next
}

func (formatV1) parseBody(body []byte) (outer, error) {
	fields, err := parseObject(body)
	if err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	text, err := fields.text("ciphertext")
	if err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	ephemeral, err := fields.text("ephemeral_key")
	if err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrOuter, err)
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return outer{}, fmt.Errorf("%w: %w", ErrCiphertext, err)
	}
	return outer{ephemeral: ephemeral, sealed: sealed}, nil
}

// parseLayer takes a layer with "body" for the target's layer (storage-2.0.md section 7.2).
func (formatV1) parseLayer(plaintext []byte) (Layer, error) {
	fields, err := parseObject(plaintext)
	if err != nil {
		return Layer{}, err
	}
	switch {
	case fields.has("body"):
		payload, err := fields.text("body")
		return Layer{Step: Final, Payload: []byte(payload), pad: fields.has(padMember)}, err
	case fields.has("host"):
		return parseServer(fields)
	}
	destination, err := fields.text("destination")
	if err != nil {
		return Layer{}, err
	}
	ciphertext, err := fields.raw("ciphertext")
	if err != nil {
		return Layer{}, err
	}
	ephemeral, err := fields.raw("ephemeral_key")
	if err != nil {
		return Layer{}, err
	}
	body := make([]byte, 0, len(ciphertext)+len(ephemeral)+40)
	body = fmt.Appendf(body, `{"ciphertext":%s,"ephemeral_key":%s}`, ciphertext, ephemeral)
	return Layer{Step: Relay, Destination: destination, Body: body}, nil
}

// parseServer decodes a layer for a web server. It drops the URL, because this project's nodes make no such requests.
func parseServer(fields object) (Layer, error) {
	if _, err := fields.raw("host"); err != nil {
		return Layer{}, err
	}
	if _, err := fields.raw("target"); err != nil {
		return Layer{}, err
	}
	return Layer{Step: Server}, nil
}
